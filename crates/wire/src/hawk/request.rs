//! Signing a request.

use url::Url;

use super::{
    Key,
    artifacts::{Artifacts, payload_hash},
};

/// What is sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Payload<'a> {
    /// As in the header `Content-Type`; empty without one.
    pub content_type: &'a str,
    /// The body; empty without one.
    pub body: &'a [u8],
}

/// A signed request.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The value of `Authorization`. It proves one request once and is no secret of its own, but belongs in no log.
    pub authorization: String,
    /// What the answer is checked against.
    pub artifacts: Artifacts,
}

/// Signs a request with the time the server is believed to have and a nonce of letters and digits.
#[must_use]
pub fn sign(key: &Key, method: &str, url: &Url, payload: Payload<'_>, ts: i64, nonce: impl Into<String>) -> Signed {
    let mut artifacts = Artifacts::new(method, url, ts, nonce);
    artifacts.hash = payload_hash(payload.content_type, payload.body);
    let mac = artifacts.mac("header", &key.secret);
    let Artifacts { ts, nonce, hash, .. } = &artifacts;
    // A quotation mark would end the field; no server gives such ids.
    let id = key.id.replace(['"', '\\', '\r', '\n'], "");
    let authorization = format!("Hawk id=\"{id}\", ts=\"{ts}\", nonce=\"{nonce}\", hash=\"{hash}\", mac=\"{mac}\"");
    Signed { authorization, artifacts }
}
