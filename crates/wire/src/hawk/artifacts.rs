//! What both sides put under the MAC, and the MAC itself.

use base64::{Engine, prelude::BASE64_STANDARD};
use gangway_base::secret::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use url::Url;

/// Everything of a request that its MAC covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifacts {
    /// Unix time in seconds, as the server counts it.
    pub ts: i64,
    /// Never used twice with the same time.
    pub nonce: String,
    /// The verb in upper case.
    pub method: String,
    /// Path and query as sent.
    pub resource: String,
    /// In lower case, without port.
    pub host: String,
    /// The effective one: 443 for https, 80 for http where the URL names none.
    pub port: u16,
    /// Base64 of the payload's hash; empty for none.
    pub hash: String,
    /// Application data; empty for none.
    pub ext: String,
}

impl Artifacts {
    /// Those of a request to `url`, without hash and application data.
    #[must_use]
    pub fn new(method: &str, url: &Url, ts: i64, nonce: impl Into<String>) -> Self {
        let resource = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Self {
            ts,
            nonce: nonce.into(),
            method: method.to_ascii_uppercase(),
            resource,
            host: url.host_str().unwrap_or_default().to_ascii_lowercase(),
            // Only schemes without a usual port have none; nothing is sent to those.
            port: url.port_or_known_default().unwrap_or_default(),
            hash: String::new(),
            ext: String::new(),
        }
    }

    /// The text under the MAC; `kind` is `header` for a request and `response` for its answer.
    #[must_use]
    pub fn normalised(&self, kind: &str) -> String {
        let Self { ts, nonce, method, resource, host, port, hash, ext } = self;
        let ext = ext.replace('\\', "\\\\").replace('\n', "\\n");
        format!("hawk.1.{kind}\n{ts}\n{nonce}\n{method}\n{resource}\n{host}\n{port}\n{hash}\n{ext}\n")
    }

    /// Base64 of the MAC.
    #[must_use]
    pub fn mac(&self, kind: &str, secret: &Secret) -> String {
        mac(secret, self.normalised(kind).as_bytes())
    }
}

/// Base64 of the payload's hash. Of the content type only the essence counts, in lower case; none is the empty text.
#[must_use]
pub fn payload_hash(content_type: &str, body: &[u8]) -> String {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let mut hash = Sha256::new();
    hash.update(b"hawk.1.payload\n");
    hash.update(essence.as_bytes());
    hash.update(b"\n");
    hash.update(body);
    hash.update(b"\n");
    BASE64_STANDARD.encode(hash.finalize())
}

/// Base64 of the MAC over a server's time (`tsm`).
#[must_use]
pub fn time_mac(ts: &str, secret: &Secret) -> String {
    mac(secret, format!("hawk.1.ts\n{ts}\n").as_bytes())
}

/// Whether two texts are the same, in a time that does not depend on where they differ.
pub(super) fn is_same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

fn mac(secret: &Secret, text: &[u8]) -> String {
    // HMAC takes keys of any length; an empty result would match nothing.
    let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else { return String::new() };
    hmac.update(text);
    BASE64_STANDARD.encode(hmac.finalize().into_bytes())
}
