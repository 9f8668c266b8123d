//! The data that both sides authenticate with a MAC, and the MAC itself.

use base64::{Engine, prelude::BASE64_STANDARD};
use gangway_base::secret::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use url::Url;

/// All parts of a request that its MAC covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifacts {
    /// Unix time in seconds according to the server's clock.
    pub ts: i64,
    /// Nonce; never used twice with the same time.
    pub nonce: String,
    /// HTTP method in upper case.
    pub method: String,
    /// Path and query as sent.
    pub resource: String,
    /// Host in lower case, without port.
    pub host: String,
    /// The effective port: 443 for https and 80 for http if the URL contains none.
    pub port: u16,
    /// Base64 of the payload hash; empty if there is none.
    pub hash: String,
    /// Application data; empty if there is none.
    pub ext: String,
}

impl Artifacts {
    /// The artifacts of a request to `url`, without hash and application data.
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
            // Only schemes without a default port lack one, and no requests are sent to those.
            port: url.port_or_known_default().unwrap_or_default(),
            hash: String::new(),
            ext: String::new(),
        }
    }

    /// The text that the MAC covers. `kind` is `header` for a request and `response` for a response.
    #[must_use]
    pub fn normalised(&self, kind: &str) -> String {
        let Self { ts, nonce, method, resource, host, port, hash, ext } = self;
        let ext = ext.replace('\\', "\\\\").replace('\n', "\\n");
        format!("hawk.1.{kind}\n{ts}\n{nonce}\n{method}\n{resource}\n{host}\n{port}\n{hash}\n{ext}\n")
    }

    /// The MAC in Base64.
    #[must_use]
    pub fn mac(&self, kind: &str, secret: &Secret) -> String {
        mac(secret, self.normalised(kind).as_bytes())
    }
}

/// The payload hash in Base64. It covers only the essence of the content type, in lower case; a missing content type is
/// the empty text.
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

/// The MAC over a server's time (`tsm`) in Base64.
#[must_use]
pub fn time_mac(ts: &str, secret: &Secret) -> String {
    mac(secret, format!("hawk.1.ts\n{ts}\n").as_bytes())
}

/// Compares two texts in a time that does not depend on where they differ.
pub(super) fn is_same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

fn mac(secret: &Secret, text: &[u8]) -> String {
    // HMAC accepts keys of any length. The empty result of an error would match nothing.
    let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else { return String::new() };
    hmac.update(text);
    BASE64_STANDARD.encode(hmac.finalize().into_bytes())
}
