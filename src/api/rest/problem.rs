//! Error responses as defined by RFC 9457.

use actix_web::{
    HttpResponse,
    http::{
        Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use serde_json::Value;

use crate::service::types::{FieldProblem, ProblemBody};
use crate::{base::i18n::Message, service::ServiceError};

/// The media type of an error response.
pub const MEDIA: &str = "application/problem+json";

/// A rejected request.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    code: Option<String>,
    /// Boxed to keep the many results with this error type small.
    params: Option<Box<Value>>,
    errors: Vec<FieldProblem>,
    headers: Vec<(HeaderName, String)>,
    close: bool,
}

impl Problem {
    /// Creates a problem with a status and a message.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { status, detail, code: None, params: None, errors: Vec::new(), headers: Vec::new(), close: false }
    }

    fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Closes the connection after the response, without reading the rest of the request.
    fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// Adds the errors of individual fields.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldProblem>) -> Self {
        self.errors = errors;
        self
    }

    /// 400: the request cannot be parsed.
    pub fn unreadable(what: &str, reason: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("The {what} cannot be read: {reason}."))
    }

    /// 404 for an unknown path.
    #[must_use]
    pub fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is nothing at this address; openapi.json lists what there is.")
    }

    /// 405.
    #[must_use]
    pub fn wrong_method(method: &Method, allowed: &[&str]) -> Self {
        let allowed = allowed.join(", ");
        let detail = format!("{} is not possible here; possible are {allowed}.", method.as_str());
        Self::new(StatusCode::METHOD_NOT_ALLOWED, detail).with(header::ALLOW, allowed).closing()
    }

    /// 408.
    #[must_use]
    pub fn slow(seconds: u64) -> Self {
        let detail = format!("The body was not complete within {seconds} s.");
        Self::new(StatusCode::REQUEST_TIMEOUT, detail).closing()
    }

    /// 413.
    #[must_use]
    pub fn too_large(limit: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("The body is longer than {limit} bytes.")).closing()
    }

    /// 415.
    #[must_use]
    pub fn wrong_media(expected: &str) -> Self {
        let detail = format!("The body must be {expected}, and the Content-Type must say so.");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).with(header::ACCEPT, expected).closing()
    }

    /// 401 without a token (RFC 6750 3: no error code if the request has no credentials).
    #[must_use]
    pub fn no_token() -> Self {
        let detail = "Show a token: Authorization: Bearer gw_...; `gangway tokens create` or the admin page makes one.";
        Self::new(StatusCode::UNAUTHORIZED, detail).with(header::WWW_AUTHENTICATE, "Bearer realm=\"gangway\"").closing()
    }

    /// 401 with an invalid token.
    #[must_use]
    pub fn bad_token(why: &str) -> Self {
        let challenge = format!("Bearer realm=\"gangway\", error=\"invalid_token\", error_description=\"{why}\"");
        Self::new(StatusCode::UNAUTHORIZED, format!("{why}.")).with(header::WWW_AUTHENTICATE, challenge).closing()
    }

    /// 403 with a read-only token.
    #[must_use]
    pub fn read_only() -> Self {
        let challenge = "Bearer realm=\"gangway\", error=\"insufficient_scope\", scope=\"write\"";
        Self::new(StatusCode::FORBIDDEN, "This token only reads; the request needs one of scope write.")
            .with(header::WWW_AUTHENTICATE, challenge)
            .closing()
    }

    /// 403 from a network that is not allowed.
    #[must_use]
    pub fn wrong_network() -> Self {
        Self::new(StatusCode::FORBIDDEN, "Not from this network: admin_from of the instance does not name it.")
            .closing()
    }

    /// 429 after too many wrong tokens.
    #[must_use]
    pub fn too_many_wrong(seconds: u64) -> Self {
        let detail = "Too many wrong tokens came from this address; a right one is let in at any time.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, detail)
            .with(header::RETRY_AFTER, seconds.to_string())
            .with(header::WWW_AUTHENTICATE, "Bearer realm=\"gangway\", error=\"invalid_token\"")
            .closing()
    }

    /// 503 if there are too many concurrent requests.
    #[must_use]
    pub fn busy() -> Self {
        let detail = "Too many requests are under way; come back in a moment.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(header::RETRY_AFTER, "1").closing()
    }

    /// 503 while the gateway stops.
    #[must_use]
    pub fn stopping() -> Self {
        let detail = "The gateway stops; whether the request was carried out is in the audit.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(header::RETRY_AFTER, "10").closing()
    }

    /// 500: an answer cannot be written as JSON. The reason is logged.
    #[must_use]
    pub fn broken(error: &serde_json::Error) -> Self {
        tracing::error!(%error, "an answer of the REST api cannot be written");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The answer could not be put together; the log says why.")
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// The message.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Converts the problem to an HTTP response.
    #[must_use]
    pub fn into_response(self) -> HttpResponse {
        let body = ProblemBody {
            kind: "about:blank".to_owned(),
            title: self.status.canonical_reason().unwrap_or_default().to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code,
            params: self.params.map(|params| *params),
            errors: self.errors,
        };
        let mut answer = HttpResponse::build(self.status);
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                answer.insert_header((name, value));
            }
        }
        if self.close {
            answer.force_close();
        }
        answer.insert_header((header::CONTENT_TYPE, MEDIA)).body(serde_json::to_vec(&body).unwrap_or_default())
    }
}

/// Returns the status for an error of the service.
fn status_of(error: &ServiceError) -> StatusCode {
    match error {
        ServiceError::BadRequest(_)
        | ServiceError::BadMac(_)
        | ServiceError::BadScope(_)
        | ServiceError::BadNetwork(_) => StatusCode::BAD_REQUEST,
        ServiceError::NoPhone(_)
        | ServiceError::UnknownVendor(_)
        | ServiceError::UnknownSetupVendor { .. }
        | ServiceError::UnknownCategory
        | ServiceError::UnknownAction(_) => StatusCode::NOT_FOUND,
        ServiceError::PhoneIsGone(_) => StatusCode::GONE,
        ServiceError::ImportTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ServiceError::Store(_) | ServiceError::Busy | ServiceError::Passive(_) => StatusCode::SERVICE_UNAVAILABLE,
        ServiceError::Devices(_) | ServiceError::PbxSetup(_) => StatusCode::BAD_GATEWAY,
        ServiceError::SettingsRefused(_) | ServiceError::BadAddress(_) => StatusCode::UNPROCESSABLE_ENTITY,
        // The request is valid, but not possible in the current state.
        ServiceError::NoCategory
        | ServiceError::CategoryNotConfig(_)
        | ServiceError::CategoryAmbiguous { .. }
        | ServiceError::CodeNotNeeded
        | ServiceError::AllowBlocked(_)
        | ServiceError::NothingToRedirect(_)
        | ServiceError::NoRedirectAccount(_)
        | ServiceError::RotationUnderWay
        | ServiceError::NotRendered(_)
        | ServiceError::NothingDelivered
        | ServiceError::DeliveredFileNotKept(_)
        | ServiceError::NotGenerated
        | ServiceError::SettingRefused(_)
        | ServiceError::TokenRefused(_)
        | ServiceError::TooManyTokens(_)
        | ServiceError::UnknownToken
        | ServiceError::NothingToImport
        | ServiceError::ImportRunning
        | ServiceError::PbxApplyOff => StatusCode::CONFLICT,
    }
}

/// Describes what is wrong with one field.
#[must_use]
pub fn field_problem(field: &str, message: &Message) -> FieldProblem {
    FieldProblem { field: field.to_owned(), line: None, detail: message.english(), code: message.key().to_owned() }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let message = error.message();
        let errors = error.fields().iter().map(|field| field_problem(&field.name, &field.message)).collect();
        Self {
            code: Some(message.key().to_owned()),
            params: Some(Box::new(Value::Object(message.params().clone()))),
            ..Self::new(status_of(&error), message.english()).with_errors(errors)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::InvalidField;

    #[test]
    fn an_error_of_the_service_keeps_its_key_its_parameters_and_its_fields() {
        let problem = Problem::from(ServiceError::UnknownVendor("acme".to_owned()));
        assert_eq!((problem.status(), problem.code.as_deref()), (404, Some("unknown-vendor")));
        assert_eq!(problem.params.as_deref(), Some(&serde_json::json!({ "vendor": "acme" })));
        assert_eq!(problem.detail(), "There is no vendor 'acme'.");
        let message = Message::new("not-for-this-scope");
        let field = InvalidField { name: "ntp_server".to_owned(), message: message.clone() };
        let problem = Problem::from(ServiceError::SettingsRefused(vec![field]));
        let [error] = problem.errors.as_slice() else { panic!("{problem:?}") };
        assert_eq!((problem.status(), error.field.as_str()), (422, "ntp_server"));
        assert_eq!((&error.detail, error.code.as_str()), (&message.english(), "not-for-this-scope"));
    }
}
