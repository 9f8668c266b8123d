//! Verifies a response: who sent it (`Server-Authorization`), and the server's time (`WWW-Authenticate` of a 401).

use super::{
    Key,
    artifacts::{Artifacts, is_same, payload_hash, time_mac},
    header::{field, read},
};

/// The result of checking `Server-Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The server did not sign the response; most servers do not.
    None,
    /// Signed with our secret for exactly this request, including the body if `body` is set.
    Good {
        /// Whether the signature covers the body.
        body: bool,
    },
    /// Signed with another key, for another request, or for another body.
    Bad,
}

/// Checks the header of the response to the request with these artifacts.
#[must_use]
pub fn check_answer(key: &Key, sent: &Artifacts, header: Option<&str>, content_type: &str, body: &[u8]) -> Proof {
    let Some(header) = header else { return Proof::None };
    let Some(fields) = read(header) else { return Proof::Bad };
    let hash = field(&fields, "hash");
    let artifacts = Artifacts { hash: hash.to_owned(), ext: field(&fields, "ext").to_owned(), ..sent.clone() };
    let is_good = is_same(&artifacts.mac("response", &key.secret), field(&fields, "mac"))
        && (hash.is_empty() || is_same(hash, &payload_hash(content_type, body)));
    if is_good { Proof::Good { body: !hash.is_empty() } } else { Proof::Bad }
}

/// What a 401 response reports about the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// The 401 has another cause.
    No,
    /// The server's time in Unix seconds, authenticated with our secret.
    Proven(i64),
    /// An unauthenticated time, which must not be used.
    Unproven,
}

/// Parses the `WWW-Authenticate` header of a 401.
#[must_use]
pub fn stale_clock(key: &Key, header: Option<&str>) -> Stale {
    let Some(fields) = header.and_then(read) else { return Stale::No };
    let ts = field(&fields, "ts");
    if ts.is_empty() {
        return Stale::No;
    }
    let is_proven = is_same(&time_mac(ts, &key.secret), field(&fields, "tsm"));
    match ts.parse::<f64>() {
        // Some servers send fractions of a second.
        Ok(seconds) if is_proven && seconds.is_finite() && (0.0..253_402_300_800.0).contains(&seconds) => {
            Stale::Proven(seconds as i64)
        }
        _ => Stale::Unproven,
    }
}
