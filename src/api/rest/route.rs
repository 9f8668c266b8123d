//! The table of routes. The document and the listener are generated from the same rows.

use actix_web::http::Method;
use serde_json::Value;

use super::{
    docs_page, document_text, gateway, history, import, phones,
    request::{HandlerResult, RestRequest},
    response::RestResponse,
    settings,
};

/// The authorisation that a route requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// None: the response contains no data of the gateway.
    Nothing,
    /// A token.
    Read,
    /// A token with the scope `write`.
    Write,
}

/// The body that a route accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// None; a body that is sent anyway is not read.
    Nothing,
    /// JSON.
    Json,
    /// An import file.
    Csv,
}

/// How a route is handled.
#[derive(Clone, Copy)]
pub enum RouteHandler {
    /// A text generated from the document for this base path, without the admin service.
    Text(fn(&Value) -> RestResponse),
    /// A request to the admin service, on its thread.
    Service(fn(RestRequest) -> HandlerResult),
}

/// One row.
#[derive(Clone, Copy)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path below `api/v1`, with parameters in braces.
    pub path: &'static str,
    /// See [`Needs`].
    pub needs: Needs,
    /// See [`Takes`].
    pub takes: Takes,
    /// See [`RouteHandler`].
    pub work: RouteHandler,
}

macro_rules! routes {
    ($($method:ident $path:literal $needs:ident $takes:ident $handler:path;)*) => {
        &[$(Route {
            method: stringify!($method),
            path: $path,
            needs: Needs::$needs,
            takes: Takes::$takes,
            work: RouteHandler::Service(|call| Box::pin($handler(call))),
        }),*]
    };
}

/// The routes that use the admin service.
static DESK: &[Route] = routes! {
    GET "/" Read Nothing gateway::info;
    GET "/phones" Read Nothing phones::list;
    GET "/phones/{mac}" Read Nothing phones::show;
    GET "/phones/{mac}/timeline" Read Nothing phones::timeline;
    GET "/phones/{mac}/config" Read Nothing phones::config;
    POST "/phones/{mac}/actions/{action}" Write Json phones::act;
    POST "/resync" Write Json phones::resync;
    GET "/history" Read Nothing history::list;
    DELETE "/history" Write Nothing history::prune;
    GET "/settings" Read Nothing settings::list;
    PATCH "/settings" Write Json settings::set;
    GET "/settings/pending" Read Nothing settings::pending;
    GET "/providers" Read Nothing gateway::providers;
    GET "/vendors" Read Nothing gateway::vendors;
    GET "/vendors/{vendor}" Read Nothing gateway::vendor;
    POST "/vendors/{vendor}/redirect-test" Write Json settings::redirect_test;
    GET "/categories" Read Nothing gateway::categories;
    GET "/notices" Read Nothing gateway::notices;
    POST "/notices/thaw" Write Json gateway::thaw;
    GET "/connections" Read Nothing gateway::connections;
    GET "/audit" Read Nothing history::audit;
    POST "/import" Write Csv import::start;
    GET "/import" Read Nothing import::state;
    DELETE "/import" Write Nothing import::stop;
};

/// The routes that need neither a token nor the admin service.
static TEXTS: &[Route] = &[
    Route {
        method: "GET",
        path: "/openapi.json",
        needs: Needs::Nothing,
        takes: Takes::Nothing,
        work: RouteHandler::Text(document_text::openapi),
    },
    Route {
        method: "GET",
        path: "/docs",
        needs: Needs::Nothing,
        takes: Takes::Nothing,
        work: RouteHandler::Text(docs_page::docs),
    },
];

/// All routes.
pub static ROUTES: [&[Route]; 2] = [DESK, TEXTS];

/// The result of a route lookup.
pub enum RouteMatch {
    /// A route and its path parameters.
    Route(&'static Route, Vec<String>),
    /// The path exists, but only for other methods.
    OtherMethods(Vec<&'static str>),
    /// The path does not exist.
    Nothing,
}

/// Finds the route for a path below the base path, still percent-encoded.
#[must_use]
pub fn find(method: &Method, path: &str) -> RouteMatch {
    let Some(parts) = parts(path) else { return RouteMatch::Nothing };
    let mut others = Vec::new();
    for route in ROUTES.into_iter().flatten() {
        let Some(params) = matched(route.path, &parts) else { continue };
        if route.method == method.as_str() {
            return RouteMatch::Route(route, params);
        }
        others.push(route.method);
        if route.method == "GET" {
            others.push("HEAD");
        }
    }
    if others.is_empty() { RouteMatch::Nothing } else { RouteMatch::OtherMethods(others) }
}

/// Returns the decoded components after `v1`, or `None` if one contains a slash or a control character.
fn parts(path: &str) -> Option<Vec<String>> {
    let mut raw = path.split('/').filter(|part| !part.is_empty());
    if raw.next() != Some("v1") {
        return None;
    }
    raw.map(|part| crate::http::routing::component(part).map(std::borrow::Cow::into_owned)).collect()
}

fn matched(template: &str, parts: &[String]) -> Option<Vec<String>> {
    let mut params = Vec::new();
    let mut places = template.split('/').filter(|place| !place.is_empty());
    for part in parts {
        let place = places.next()?;
        if place.starts_with('{') {
            params.push(part.clone());
        } else if place != part {
            return None;
        }
    }
    places.next().is_none().then_some(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &Method, path: &str) -> String {
        match find(method, path) {
            RouteMatch::Route(route, params) => format!("{} {}", route.path, params.join(" ")),
            RouteMatch::OtherMethods(others) => format!("only {}", others.join(" ")),
            RouteMatch::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn paths_are_found_whole_and_decoded() {
        for (path, expected) in [
            ("v1", "/ "),
            ("v1/phones", "/phones "),
            ("v1//phones/", "/phones "),
            ("v1/phones/80-5E-C0-12-34-56", "/phones/{mac} 80-5E-C0-12-34-56"),
            ("v1/phones/80%3A5e/timeline", "/phones/{mac}/timeline 80:5e"),
            ("v1/phones/x/actions/allow", "only POST"),
            ("v1/phones/x/y", "nothing"),
            ("v1/settings/pending", "/settings/pending "),
            ("v1/phones/a%2fb", "nothing"),
            ("v1/phones/..", "nothing"),
            ("v1/phones/%2e%2e", "nothing"),
            ("v1/phones/a%0d%0aX-Injected:%201", "nothing"),
            ("v1/phones/%zz", "nothing"),
            ("v2/phones", "nothing"),
            ("", "nothing"),
        ] {
            assert_eq!(found(&Method::GET, path), expected, "{path}");
        }
        assert_eq!(found(&Method::PUT, "v1/history"), "only GET HEAD DELETE");
    }

    #[test]
    fn whatever_changes_something_needs_a_token_that_writes() {
        for route in ROUTES.into_iter().flatten() {
            let changes = route.method != "GET";
            assert_eq!(route.needs == Needs::Write, changes, "{} {}", route.method, route.path);
            assert!(changes || route.takes == Takes::Nothing, "{}", route.path);
        }
    }
}
