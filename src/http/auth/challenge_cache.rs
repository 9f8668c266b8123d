//! Caches the digest challenges of one worker. A nonce proves its own age and is not bound to a client, so all requests
//! within one second get the same one. Creating one per request would cost more than sending a file, but a rejection
//! must be cheaper.

use std::{cell::RefCell, collections::HashMap};

use actix_web::http::header::HeaderValue;
use gangway_wire::http_auth::{Authenticator, Scheme};
use jiff::Timestamp;

use crate::phone::instance::InstanceId;

/// The properties that distinguish challenges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChallengeKind {
    /// The instance, which determines the realm.
    pub instance: InstanceId,
    /// The scheme that the vendor's phones support.
    pub scheme: Scheme,
    /// Whether the connection uses TLS. Nonces from plain HTTP are not valid there.
    pub encrypted: bool,
    /// Whether only the nonce was wrong.
    pub stale: bool,
}

/// The current challenge of every kind. Bounded by the number of instances.
#[derive(Debug, Default)]
pub struct Challenges(RefCell<HashMap<ChallengeKind, (i64, HeaderValue)>>);

impl Challenges {
    /// Creates a challenge for one request, for a client that has already used the shared one.
    #[must_use]
    pub fn single(stale: bool, guard: &Authenticator, now: Timestamp) -> Option<HeaderValue> {
        HeaderValue::from_str(&guard.challenge(now, rand::random(), stale)).ok()
    }

    /// Returns the value of `WWW-Authenticate`. Returns `None` only if the realm cannot be represented in a header.
    pub fn present(&self, kind: ChallengeKind, guard: &Authenticator, now: Timestamp) -> Option<HeaderValue> {
        let second = now.as_second();
        let mut known = self.0.borrow_mut();
        if let Some((made, value)) = known.get(&kind)
            && *made == second
        {
            return Some(value.clone());
        }
        let value = Self::single(kind.stale, guard, now)?;
        known.insert(kind, (second, value.clone()));
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gangway_wire::http_auth::{Algorithm, NonceKey};

    use super::*;

    #[test]
    fn one_challenge_serves_a_second_and_no_other_kind() {
        let scheme = Scheme::Digest(Algorithm::Md5);
        let guard = Authenticator::new(scheme, "realm", NonceKey::new(&[7; 32]), Duration::from_secs(60));
        let challenges = Challenges::default();
        let kind = ChallengeKind { instance: InstanceId(1), scheme, encrypted: true, stale: false };
        let at = |millis| Timestamp::from_millisecond(millis).unwrap();
        let first = challenges.present(kind, &guard, at(10_000)).unwrap();
        assert_eq!(challenges.present(kind, &guard, at(10_999)).unwrap(), first);
        assert_ne!(challenges.present(kind, &guard, at(11_000)).unwrap(), first);
        let stale = challenges.present(ChallengeKind { stale: true, ..kind }, &guard, at(11_000)).unwrap();
        assert!(stale.to_str().unwrap().contains("stale=true"));
    }
}
