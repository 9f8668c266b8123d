//! Answers in the format of the service.

use actix_web::{HttpResponse, http::StatusCode};
use serde_json::{Value, json};

/// Status and body.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// `Null` means no body.
    pub(super) body: Value,
}

impl Reply {
    pub(super) fn ok(body: Value) -> Self {
        Self { status: 200, body }
    }

    pub(super) fn created(body: Value) -> Self {
        Self { status: 201, body }
    }

    pub(super) fn nothing() -> Self {
        Self { status: 204, body: Value::Null }
    }

    pub(super) fn error(status: u16, code: u32, message: &str) -> Self {
        Self { status, body: json!({"code": code, "requestId": "sim", "message": message, "details": []}) }
    }

    /// The answer to an invalid parameter.
    pub(super) fn parameter(field: &str) -> Self {
        let details = json!([{"field": field, "message": "is not valid"}]);
        Self {
            status: 400,
            body: json!({"code": 900_400, "requestId": "sim", "message": "Bad request", "details": details}),
        }
    }

    /// One page of all matching rows; `null` for an empty page.
    pub(super) fn page(body: &Value, rows: Vec<Value>) -> Self {
        let number = |name: &str| body.get(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let (skip, limit) = (number("skip").unwrap_or(0), number("limit").unwrap_or(20));
        if limit > 500 {
            return Self::parameter("limit");
        }
        let total = rows.len();
        let rows: Vec<Value> = rows.into_iter().skip(skip).take(limit).collect();
        let data = if rows.is_empty() { Value::Null } else { rows.into() };
        Self::ok(json!({"skip": skip, "limit": limit, "total": total, "data": data}))
    }

    /// A bulk result. The status is 200 even if every item failed.
    pub(super) fn bulk(total: usize, errors: &[Value]) -> Self {
        let failed = errors.len();
        Self::ok(json!({"total": total, "successCount": total - failed, "failureCount": failed, "errors": errors}))
    }

    pub(super) fn write(self) -> HttpResponse {
        let mut response = HttpResponse::build(StatusCode::from_u16(self.status).unwrap_or_default());
        match self.body {
            Value::Null => response.finish(),
            body => response.content_type("application/json").body(body.to_string()),
        }
    }
}

/// A text field, empty when missing.
pub(super) fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A text field, `None` when missing.
pub(super) fn given(body: &Value, name: &str) -> Option<String> {
    body.get(name).and_then(Value::as_str).map(str::to_owned)
}
