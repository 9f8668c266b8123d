//! Signs requests.

use url::Url;

use super::{
    Key,
    artifacts::{Artifacts, payload_hash},
};

/// The payload of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Payload<'a> {
    /// The `Content-Type` header; empty if there is none.
    pub content_type: &'a str,
    /// The body; empty if there is none.
    pub body: &'a [u8],
}

/// A signed request.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The value of `Authorization`. It authenticates one request once. It reveals no secret, but must not be logged.
    pub authorization: String,
    /// The artifacts to check the response against.
    pub artifacts: Artifacts,
}

/// Signs a request with the estimated server time and a nonce of letters and digits.
#[must_use]
pub fn sign(key: &Key, method: &str, url: &Url, payload: Payload<'_>, ts: i64, nonce: impl Into<String>) -> Signed {
    let mut artifacts = Artifacts::new(method, url, ts, nonce);
    artifacts.hash = payload_hash(payload.content_type, payload.body);
    let mac = artifacts.mac("header", &key.secret);
    let Artifacts { ts, nonce, hash, .. } = &artifacts;
    // A quotation mark would end the field. No server issues ids with these characters.
    let id = key.id.replace(['"', '\\', '\r', '\n'], "");
    let authorization = format!("Hawk id=\"{id}\", ts=\"{ts}\", nonce=\"{nonce}\", hash=\"{hash}\", mac=\"{mac}\"");
    Signed { authorization, artifacts }
}
