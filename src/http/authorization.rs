//! Looks at the `Authorization` header for a phone: its own credentials first, then what travelled through the
//! redirect service. The same work is done whether the phone is known or not.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;

use crate::{
    phone::{
        identity::Authorization,
        instance::{InstanceId, Instances},
        record::{Credentials, Phone},
    },
    wire::http_auth::{Algorithm, Guard, NonceKey, Outcome, Request, Scheme},
};

/// How long a nonce is good for: Yealink keeps what it was given for two hours.
const NONCE_LIFETIME: Duration = Duration::from_secs(2 * 3600);

const SCHEMES: [Scheme; 3] = [Scheme::Digest(Algorithm::Md5), Scheme::Digest(Algorithm::Sha256), Scheme::Basic];

/// One entrance per instance and scheme, with a realm that never changes.
#[derive(Debug)]
pub struct Entrances(HashMap<InstanceId, [Guard; 3]>);

impl Entrances {
    /// `key` is derived from the sealing key, so that nonces survive a restart.
    #[must_use]
    pub fn new(instances: &Instances, key: &[u8; 32]) -> Self {
        let guards = |realm: &str| SCHEMES.map(|scheme| Guard::new(scheme, realm, NonceKey::new(key), NONCE_LIFETIME));
        Self(instances.iter().map(|instance| (instance.id, guards(&instance.label()))).collect())
    }

    /// The entrance of an instance for one scheme.
    #[must_use]
    pub fn get(&self, instance: InstanceId, scheme: Scheme) -> Option<&Guard> {
        let guards = self.0.get(&instance)?;
        SCHEMES.iter().zip(guards).find(|(known, _)| **known == scheme).map(|(_, guard)| guard)
    }
}

/// Judges the header. `locked_out` is asked only after the phone's own credentials did not fit.
pub fn judge(
    guard: &Guard,
    request: &Request<'_>,
    phone: Option<&Phone>,
    shared: Option<&Credentials>,
    locked_out: impl FnOnce() -> bool,
    now: Timestamp,
) -> Authorization {
    let against = |credentials: Option<&Credentials>| {
        guard.check(request, now, None, |user| {
            credentials
                .filter(|known| known.user == user && !known.password.is_empty())
                .map(|known| guard.verifier(user, &known.password))
        })
    };
    match against(phone.map(|phone| &phone.own)) {
        // Unreadable headers, and such as were made for another path by a proxy, prove nothing and are no guess.
        Outcome::Missing | Outcome::Malformed => return Authorization::Missing,
        Outcome::Stale => return Authorization::Stale,
        Outcome::Valid { .. } => return Authorization::Own,
        Outcome::Wrong => {}
    }
    if locked_out() {
        return Authorization::Unchecked;
    }
    let per_phone = against(phone.and_then(|phone| phone.bootstrap.as_ref()));
    let common = against(shared);
    if [per_phone, common].iter().any(|outcome| matches!(outcome, Outcome::Valid { .. })) {
        Authorization::Bootstrap
    } else {
        Authorization::Wrong
    }
}
