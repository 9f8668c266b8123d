//! Generates the OpenAPI document from the handlers and the table of routes.

use serde_json::{Value, json};
use utoipa::OpenApi;

use super::{
    BELOW, docs_page, document_text, gateway, history, import, phones, problem,
    route::{Needs, ROUTES},
    settings,
};
use crate::service::types::ProblemBody;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "gangway",
        version = "1.0.0",
        description = "Third-party desk phones at an innovaphone PBX: what is there, why a phone does not come up, and what to do. Show a token made by `gangway tokens create` or in the admin page: Authorization: Bearer gw_... Refusals are problems (RFC 9457). Lists tell an ETag; If-None-Match saves sending what has not changed.",
    ),
    paths(
        gateway::info, phones::list, phones::show, phones::timeline, phones::config, phones::act, phones::resync,
        history::list, history::prune, history::audit, settings::list, settings::set, settings::pending,
        settings::redirect_test, gateway::providers, gateway::vendors, gateway::vendor, gateway::categories,
        gateway::notices, gateway::thaw, gateway::connections, import::start, import::state, import::stop,
        document_text::openapi, docs_page::docs,
    ),
    components(schemas(ProblemBody, phones::ActionName)),
    tags(
        (name = "phones", description = "Phones, and what is done to them"),
        (name = "settings", description = "What phones and the gateway are told"),
        (name = "import", description = "Many phones out of a file"),
        (name = "history", description = "What was said and done"),
        (name = "vendors", description = "What this gateway supports"),
        (name = "gateway", description = "The gateway itself"),
    ),
)]
struct Handlers;

/// Returns the document for an API with this base path. If `base` is empty, the server URL has placeholders for host,
/// domain, and instance.
#[must_use]
pub fn document(base: &str) -> Value {
    let mut document = serde_json::to_value(Handlers::openapi()).unwrap_or_default();
    document["servers"] = match base.is_empty() {
        false => json!([{ "url": base }]),
        true => json!([{
            "url": format!("https://{{host}}/{{domain}}/{{instance}}{BELOW}"),
            "variables": {
                "host": { "default": "gateway.example.com" },
                "domain": { "default": "example.com" },
                "instance": { "default": "gangway" },
            },
        }]),
    };
    document["components"]["securitySchemes"] = json!({
        "token": { "type": "http", "scheme": "bearer", "description": "gw_... of scope read or write" },
    });
    let refusal = |description: &str| {
        json!({
            "description": description,
            "content": { problem::MEDIA: { "schema": { "$ref": "#/components/schemas/Problem" } } },
        })
    };
    for route in ROUTES.into_iter().flatten() {
        let verb = route.method.to_lowercase();
        let Some(operation) = document.pointer_mut(&format!("/paths/{}/{verb}", route.path.replace('/', "~1"))) else {
            continue;
        };
        let words = route.path.split(['/', '{', '}', '.', '-']).filter(|word| !word.is_empty());
        operation["operationId"] = words.fold(verb, |id, word| format!("{id}_{word}")).into();
        operation["security"] = if route.needs == Needs::Nothing { json!([]) } else { json!([{ "token": [] }]) };
        operation["responses"]["default"] = refusal("Refused");
        if route.needs != Needs::Nothing {
            operation["responses"]["401"] = refusal("No token, or one that lets nobody in");
            operation["responses"]["403"] = refusal("Not with this token, or not from this network");
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::rest::operations;

    #[test]
    fn every_route_is_documented_and_the_reverse() {
        let document = document("");
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
        let documented: BTreeSet<String> =
            operations(&document).map(|(verb, path, _)| format!("{verb} {path}")).collect();
        let served: BTreeSet<String> =
            ROUTES.into_iter().flatten().map(|route| format!("{} {}", route.method, route.path)).collect();
        assert_eq!(documented, served);
        let ids: BTreeSet<&str> =
            operations(&document).filter_map(|(_, _, operation)| operation["operationId"].as_str()).collect();
        assert_eq!(ids.len(), served.len(), "an operation id stands twice");
    }

    #[test]
    fn every_reference_leads_somewhere_and_no_schema_tells_a_password() {
        let document = document("/example.com/gangway/api/v1");
        let text = document.to_string();
        for part in text.split("\"$ref\":\"#").skip(1) {
            let target = part.split('"').next().unwrap();
            assert!(document.pointer(target).is_some(), "{target}");
        }
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            let members = schema["properties"].as_object().into_iter().flatten();
            for (member, _) in members {
                assert!(!member.to_lowercase().contains("password"), "{name}.{member}");
            }
        }
    }
}
