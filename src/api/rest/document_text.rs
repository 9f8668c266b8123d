//! Serves and reads the OpenAPI document.

use serde_json::Value;

use super::response::RestResponse;

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "gateway", responses((status = 200, body = Object, description = "The document")))]
pub fn openapi(document: &Value) -> RestResponse {
    RestResponse::text("application/json", document.to_string())
}

/// Returns the operations of a document: method in upper case, path, operation.
pub fn operations(document: &Value) -> impl Iterator<Item = (String, &str, &Value)> {
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    paths.flat_map(|(path, verbs)| {
        let verbs = verbs.as_object().into_iter().flatten();
        verbs.map(move |(verb, operation)| (verb.to_uppercase(), path.as_str(), operation))
    })
}
