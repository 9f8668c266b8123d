//! What an answer proves: who sent it (`Server-Authorization`), and what time it is there (`WWW-Authenticate` of a 401).

use super::{
    Key,
    artifacts::{Artifacts, is_same, payload_hash, time_mac},
    header::{field, read},
};

/// What `Server-Authorization` says about an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The server signed nothing; most do not.
    None,
    /// Signed by who knows our secret, for exactly this request; the body too where `body` is set.
    Good {
        /// Whether the body is part of what was signed.
        body: bool,
    },
    /// Signed by somebody else, for another request, or for another body.
    Bad,
}

/// Checks the header of the answer to the request with these artifacts.
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

/// What a refusal says about the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// It is about something else.
    No,
    /// The server's time in Unix seconds, proven by our secret.
    Proven(i64),
    /// A time nobody vouches for: not to be used.
    Unproven,
}

/// Reads the header `WWW-Authenticate` of a 401.
#[must_use]
pub fn stale_clock(key: &Key, header: Option<&str>) -> Stale {
    let Some(fields) = header.and_then(read) else { return Stale::No };
    let ts = field(&fields, "ts");
    if ts.is_empty() {
        return Stale::No;
    }
    let is_proven = is_same(&time_mac(ts, &key.secret), field(&fields, "tsm"));
    match ts.parse::<f64>() {
        // Some servers count fractions of a second.
        Ok(seconds) if is_proven && seconds.is_finite() && (0.0..253_402_300_800.0).contains(&seconds) => {
            Stale::Proven(seconds as i64)
        }
        _ => Stale::Unproven,
    }
}
