//! Renders the OpenAPI document as an HTML page without scripts or external resources. The policy allows its style by
//! hash.

use std::{fmt::Write as _, sync::OnceLock};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{document_text::operations, response::RestResponse};

const STYLE: &str = ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;\
padding:1rem}h2{margin-top:2.5rem}h3{margin-bottom:0}h3 code{font-size:1rem}table{border-collapse:collapse;margin:.5rem 0}\
td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0;border-bottom:1px solid #8884}\
code{font-family:ui-monospace,monospace;overflow-wrap:anywhere}.verb{display:inline-block;min-width:4.5rem;font-weight:700}";

/// The SHA-256 of the style, in the form of a content security policy.
#[must_use]
pub fn style_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| BASE64_STANDARD.encode(Sha256::digest(STYLE.as_bytes())))
}

/// This document as a page for people.
#[utoipa::path(get, path = "/docs", tag = "gateway", responses((status = 200, content_type = "text/html", body = String, description = "The page")))]
pub fn docs(document: &Value) -> RestResponse {
    RestResponse::text("text/html; charset=utf-8", html(document))
}

fn html(document: &Value) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>gangway REST api</title><style>{STYLE}</style><h1>gangway REST api</h1>"
    );
    let text = |value: &Value| escaped(value.as_str().unwrap_or_default());
    let _ = write!(page, "<p>{}<p><a href=\"openapi.json\">openapi.json</a>", text(&document["info"]["description"]));
    for tag in document["tags"].as_array().into_iter().flatten() {
        let _ = write!(page, "<h2>{}</h2>", text(&tag["description"]));
        for (verb, path, operation) in operations(document).filter(|(_, _, one)| one["tags"][0] == tag["name"]) {
            let _ = write!(page, "<h3><code><span class=\"verb\">{verb}</span> {}</code></h3>", escaped(path));
            let more = text(&operation["description"]);
            let _ = write!(page, "<p>{} {more}</p>", text(&operation["summary"]));
            parameters(&mut page, operation);
            if let Some((media, body)) = content(&operation["requestBody"]) {
                let _ = write!(page, "<p>Body: <code>{}</code>, {}</p>", escaped(media), shape(&body["schema"]));
            }
            page.push_str("<table>");
            for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
                let body = content(answer).map(|(_, body)| shape(&body["schema"])).unwrap_or_default();
                let _ = write!(page, "<tr><td><code>{status}</code><td>{}<td>{body}", text(&answer["description"]));
            }
            page.push_str("</table>");
        }
    }
    page.push_str("<h2>Schemas</h2>");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let _ = write!(page, "<h3 id=\"{0}\"><code>{0}</code></h3>", escaped(name));
        let _ = write!(page, "<p>{}</p><table>", text(&schema["description"]));
        let parts = schema["allOf"].as_array().into_iter().flatten().chain([schema]);
        for part in parts {
            if part.get("$ref").is_some() {
                let _ = write!(page, "<tr><td colspan=3>everything of {}", shape(part));
            }
            for (member, schema) in part["properties"].as_object().into_iter().flatten() {
                let meaning = text(&schema["description"]);
                let _ = write!(page, "<tr><td><code>{}</code><td>{}<td>{meaning}", escaped(member), shape(schema));
            }
        }
        page.push_str("</table>");
    }
    page
}

fn parameters(page: &mut String, operation: &Value) {
    let Some(parameters) = operation["parameters"].as_array() else { return };
    page.push_str("<table>");
    for parameter in parameters {
        let part = |name: &str| escaped(parameter[name].as_str().unwrap_or_default());
        let shape = shape(&parameter["schema"]);
        let _ = write!(page, "<tr><td><code>{}</code><td>{shape}<td>{}", part("name"), part("description"));
    }
    page.push_str("</table>");
}

fn content(of: &Value) -> Option<(&str, &Value)> {
    of["content"].as_object()?.iter().next().map(|(media, body)| (media.as_str(), body))
}

/// Describes a schema in one or two words.
fn shape(schema: &Value) -> String {
    if let Some(target) = schema["$ref"].as_str() {
        let name = escaped(target.rsplit('/').next().unwrap_or_default());
        return format!("<a href=\"#{name}\">{name}</a>");
    }
    for several in ["oneOf", "anyOf"] {
        if let Some(several) = schema[several].as_array() {
            return several.iter().map(shape).collect::<Vec<_>>().join(" or ");
        }
    }
    let kind = match &schema["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => String::new(),
    };
    match schema.get("items") {
        Some(items) => format!("list of {}", shape(items)),
        None => escaped(&kind),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::rest::document;

    #[test]
    fn the_page_shows_every_operation_and_nothing_it_would_have_to_fetch() {
        let document = document("");
        let page = html(&document);
        for (verb, path, _) in operations(&document) {
            assert!(page.contains(&format!("{verb}</span> {path}<")), "{verb} {path}");
        }
        for fetched in ["<script", "src=", "<link", "url(", "style="] {
            assert!(!page.contains(fetched), "{fetched}");
        }
    }
}
