//! Security headers of all responses, which protect a browser that opens an API URL.

use actix_web::{
    HttpResponse,
    http::header::{self, HeaderName, HeaderValue},
};

use super::docs_page::style_hash;

/// Adds the headers. HSTS is sent only if the client used HTTPS (RFC 6797 7.2).
#[must_use]
pub fn guarded(mut answer: HttpResponse, encrypted: bool) -> HttpResponse {
    let headers = answer.headers_mut();
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        style_hash()
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    }
    if encrypted {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    answer
}
