//! Looks at the `Authorization` header for a phone: its own credentials first, then what travelled through the
//! redirect service. The same work is done whether the phone is known or not.

use std::{collections::HashMap, time::Duration};

use gangway_base::secret::Secret;
use gangway_wire::http_auth::{
    Algorithm, Authenticator, NonceKey, Outcome, PresentedCredentials, ReplayCache, Request, Scheme,
};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::phone::{
    instance::{InstanceId, Instances},
    record::{Credentials, Phone},
    request_evidence::Authorization,
};

/// How long a nonce is good for: Yealink keeps what it was given for two hours.
const NONCE_LIFETIME: Duration = Duration::from_secs(2 * 3600);

/// Conversations whose counts are remembered: more than ten thousand phones have within the life of a nonce.
const SESSIONS: usize = 1 << 16;

const SCHEMES: [Scheme; 3] = [Scheme::Digest(Algorithm::Md5), Scheme::Digest(Algorithm::Sha256), Scheme::Basic];

/// One entrance per instance, scheme and way of transport, with a realm that never changes. Nonces of one way of
/// transport are odd on the other: what was overheard of a phone that came by plain HTTP opens nothing over TLS.
#[derive(Debug)]
pub struct Authenticators(HashMap<(InstanceId, bool), [Authenticator; 3]>);

impl Authenticators {
    /// `key` is derived from the sealing key, so that nonces survive a restart.
    #[must_use]
    pub fn new(instances: &Instances, key: &[u8; 32]) -> Self {
        let plain: [u8; 32] = Sha256::new_with_prefix(b"plain http").chain_update(key).finalize().into();
        let guards = |realm: &str, encrypted: bool| {
            let key = if encrypted { key } else { &plain };
            SCHEMES.map(|scheme| Authenticator::new(scheme, realm, NonceKey::new(key), NONCE_LIFETIME))
        };
        let both = instances.iter().flat_map(|instance| [true, false].map(|encrypted| (instance, encrypted)));
        Self(both.map(|(instance, by)| ((instance.id, by), guards(&instance.label(), by))).collect())
    }

    /// The entrance of an instance for one scheme, over TLS or not.
    #[must_use]
    pub fn get(&self, instance: InstanceId, scheme: Scheme, encrypted: bool) -> Option<&Authenticator> {
        let guards = self.0.get(&(instance, encrypted))?;
        SCHEMES.iter().zip(guards).find(|(known, _)| **known == scheme).map(|(_, guard)| guard)
    }
}

/// Answers that were used, of all instances. What many may know has a table of its own: whoever uses it often makes no
/// phone ask twice.
#[derive(Debug)]
pub struct UsedCredentials {
    own: ReplayCache,
    bootstrap: ReplayCache,
}

impl Default for UsedCredentials {
    fn default() -> Self {
        Self {
            own: ReplayCache::new(SESSIONS, NONCE_LIFETIME),
            bootstrap: ReplayCache::new(SESSIONS / 8, NONCE_LIFETIME),
        }
    }
}

/// What a header is held against.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedCredentials<'a> {
    /// The phone asked for, where there is one.
    pub phone: Option<&'a Phone>,
    /// The account all phones of the instance share.
    pub shared: Option<&'a Credentials>,
}

/// Judges the header. `locked_out` is asked only after the phone's own credentials did not fit.
pub fn authenticate(
    guard: &Authenticator,
    request: &Request<'_>,
    accounts: ExpectedCredentials<'_>,
    used: &UsedCredentials,
    locked_out: impl FnOnce() -> bool,
    now: Timestamp,
) -> Authorization {
    let ExpectedCredentials { phone, shared } = accounts;
    let shown = match guard.shown(request, now) {
        Ok(shown) => shown,
        Err(Outcome::Stale) => return Authorization::Stale,
        // Unreadable headers, and such as were made for another path by a proxy, prove nothing and are no guess.
        Err(_) => return Authorization::Missing,
    };
    let proven = |shown: &PresentedCredentials<'_>, replays: &ReplayCache, meaning: Authorization| {
        let account = phone.map_or(0, |phone| phone.id.0);
        if shown.is_replay(account, replays, now) { Authorization::Used } else { meaning }
    };
    // Three looks, whoever asks for whatever: at the phone's own credentials, at those before them, and at those it may
    // have by now from the redirect service.
    let nobody = Secret::default();
    let against = |known: Option<&Credentials>| match known {
        Some(known) => shown.is_of(&known.user, &known.password),
        None => shown.is_of("", &nobody),
    };
    if against(phone.map(|phone| &phone.own)) {
        return proven(&shown, &used.own, Authorization::Own);
    }
    let former = phone.and_then(|phone| Some((phone.own.user.as_str(), phone.former.as_ref()?)));
    let (user, password) = former.unwrap_or(("", &nobody));
    if shown.is_of(user, password) {
        return proven(&shown, &used.own, Authorization::Former);
    }
    if locked_out() {
        return Authorization::Unchecked;
    }
    let per_phone = phone.and_then(|phone| phone.bootstrap.as_ref());
    let named = |known: &&Credentials| known.user == shown.user();
    let is_bootstrap = match (per_phone.filter(named), shared.filter(named)) {
        (Some(one), Some(other)) => against(Some(one)) || against(Some(other)),
        (one, other) => against(one.or(other)),
    };
    if is_bootstrap { proven(&shown, &used.bootstrap, Authorization::Bootstrap) } else { Authorization::Wrong }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::tests::support::instance;

    #[test]
    fn a_nonce_of_plain_http_is_odd_over_tls() {
        let entrances = Authenticators::new(&Instances::new(vec![instance()]), &[7; 32]);
        let scheme = Scheme::Digest(Algorithm::Md5);
        let [plain, tls] = [false, true].map(|by| entrances.get(InstanceId(1), scheme, by).unwrap());
        assert_eq!(plain.realm(), tls.realm());
        let now = Timestamp::UNIX_EPOCH;
        let challenge = plain.challenge(now, 1, false);
        let nonce = challenge.split("nonce=\"").nth(1).unwrap().trim_end_matches('"').to_owned();
        let header = format!(
            "Digest username=\"x\", realm=\"{}\", nonce=\"{nonce}\", uri=\"/f\", response=\"{}\"",
            plain.realm(),
            "0".repeat(32)
        );
        let request = Request { method: "GET", target: "/f", authorization: Some(&header) };
        assert_eq!(plain.check(&request, now, |_| None), Outcome::Wrong);
        assert_eq!(tls.check(&request, now, |_| None), Outcome::Stale);
    }
}
