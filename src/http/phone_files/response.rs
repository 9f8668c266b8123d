//! Responses to phones. Each kind of rejection has one fixed form that does not depend on the request.

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{
        Method, StatusCode,
        header::{self, HeaderValue},
    },
};
use bytes::Bytes;

use super::{
    conditional_requests::{ByteRange, names_tag, part},
    delivery_body::DeliveryBody,
};
use crate::http::interfaces::File;

/// Seconds after which the phone should retry.
const RETRY_AFTER: &str = "60";

/// The conditions in the request's headers.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestConditions<'a> {
    /// `If-None-Match`.
    pub none_match: Option<&'a str>,
    /// `Range`.
    pub range: Option<&'a str>,
    /// `If-Range`.
    pub if_range: Option<&'a str>,
}

impl<'a> RequestConditions<'a> {
    /// Reads the conditions from the headers.
    #[must_use]
    pub fn of(headers: &'a header::HeaderMap) -> Self {
        let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        Self { none_match: text(header::IF_NONE_MATCH), range: text(header::RANGE), if_range: text(header::IF_RANGE) }
    }
}

/// The form in which a file is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseForm {
    /// 200 with the complete file.
    Whole,
    /// 304.
    Unchanged,
    /// 206.
    Part(usize, usize),
    /// 416.
    Outside,
}

/// Determines the form of the response. Ranges are served only if `parts` is set: during a bootstrap window, a partial
/// response would send the file without binding the window.
#[must_use]
pub fn form(wish: &RequestConditions<'_>, file: &File, parts: bool) -> ResponseForm {
    if wish.none_match.is_some_and(|tags| names_tag(tags, &file.etag)) {
        return ResponseForm::Unchanged;
    }
    let fresh = wish.if_range.is_none_or(|tag| tag == file.etag);
    match wish.range.filter(|_| parts && fresh).map(|range| part(range, file.body.len())) {
        None | Some(ByteRange::Whole) => ResponseForm::Whole,
        Some(ByteRange::Bytes { first, last }) => ResponseForm::Part(first, last),
        Some(ByteRange::Outside) => ResponseForm::Outside,
    }
}

/// Sends a file in the given form. `done` is called after a whole body was sent completely.
pub fn file(file: &File, form: ResponseForm, method: &Method, done: Option<Box<dyn FnOnce()>>) -> HttpResponse {
    let mut answer = builder(match form {
        ResponseForm::Whole => StatusCode::OK,
        ResponseForm::Unchanged => StatusCode::NOT_MODIFIED,
        ResponseForm::Part(..) => StatusCode::PARTIAL_CONTENT,
        ResponseForm::Outside => StatusCode::RANGE_NOT_SATISFIABLE,
    });
    if let Ok(etag) = HeaderValue::from_str(&file.etag) {
        answer.insert_header((header::ETAG, etag));
    }
    if form == ResponseForm::Unchanged {
        return answer.finish();
    }
    if let Ok(media) = HeaderValue::from_str(&file.content_type) {
        answer.insert_header((header::CONTENT_TYPE, media));
    }
    let length = file.body.len();
    match form {
        ResponseForm::Part(first, last) => {
            answer.insert_header((header::CONTENT_RANGE, format!("bytes {first}-{last}/{length}")));
            answer.body(file.body.slice(first..=last))
        }
        ResponseForm::Outside => {
            answer.insert_header((header::CONTENT_RANGE, format!("bytes */{length}")));
            answer.finish()
        }
        ResponseForm::Whole | ResponseForm::Unchanged => match done {
            Some(done) if method == Method::GET => answer.body(DeliveryBody::new(file.body.clone(), done)),
            _ => answer.body(file.body.clone()),
        },
    }
}

/// The empty 404.
#[must_use]
pub fn not_found() -> HttpResponse {
    HttpResponse::NotFound().finish()
}

/// 401 with one challenge.
#[must_use]
pub fn challenge(value: HeaderValue) -> HttpResponse {
    let mut answer = builder(StatusCode::UNAUTHORIZED);
    answer.insert_header((header::WWW_AUTHENTICATE, value));
    answer.finish()
}

/// 503: retry in a minute.
#[must_use]
pub fn later() -> HttpResponse {
    let mut answer = builder(StatusCode::SERVICE_UNAVAILABLE);
    answer.insert_header((header::RETRY_AFTER, RETRY_AFTER));
    answer.finish()
}

/// 405, identical below the `phone/` path of every instance.
#[must_use]
pub fn wrong_method() -> HttpResponse {
    HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, "GET, HEAD, PUT")).finish()
}

/// The upload was stored.
#[must_use]
pub fn kept() -> HttpResponse {
    builder(StatusCode::NO_CONTENT).finish()
}

/// The upload exceeds the limit. The rest is not read.
#[must_use]
pub fn too_large() -> HttpResponse {
    HttpResponse::PayloadTooLarge().force_close().body(Bytes::new())
}

/// The upload is too slow. The rest is not read.
#[must_use]
pub fn too_slow() -> HttpResponse {
    HttpResponse::RequestTimeout().force_close().body(Bytes::new())
}

fn builder(status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")));
    answer
}
