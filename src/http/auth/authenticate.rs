//! Checks the `Authorization` header for a phone: first its own credentials, then those that were sent through the
//! redirect service. The work is the same for known and unknown phones.

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

/// Lifetime of a nonce. Yealink phones keep theirs for two hours.
const NONCE_LIFETIME: Duration = Duration::from_secs(2 * 3600);

/// Maximum number of tracked nonce counts: more than ten thousand phones need within the lifetime of a nonce.
const SESSIONS: usize = 1 << 16;

const SCHEMES: [Scheme; 3] = [Scheme::Digest(Algorithm::Md5), Scheme::Digest(Algorithm::Sha256), Scheme::Basic];

/// One authenticator per instance, scheme, and transport, with a constant realm. Nonces are valid for one transport
/// only, so that credentials captured on plain HTTP cannot be used over TLS.
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

    /// Returns the authenticator of an instance for one scheme, with or without TLS.
    #[must_use]
    pub fn get(&self, instance: InstanceId, scheme: Scheme, encrypted: bool) -> Option<&Authenticator> {
        let guards = self.0.get(&(instance, encrypted))?;
        SCHEMES.iter().zip(guards).find(|(known, _)| **known == scheme).map(|(_, guard)| guard)
    }
}

/// Digest responses that have been used, for all instances. Bootstrap credentials, which many clients may know, have a
/// separate table, so that their use cannot evict entries of phones and cause extra requests.
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

/// The credentials that a header is checked against.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedCredentials<'a> {
    /// The requested phone, if known.
    pub phone: Option<&'a Phone>,
    /// The account all phones of the instance share.
    pub shared: Option<&'a Credentials>,
}

/// Checks the header. `locked_out` is called only if the phone's own credentials do not match.
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
        // An unreadable header, or one that a proxy made for a different path, proves nothing but does not count as a
        // guess.
        Err(_) => return Authorization::Missing,
    };
    let proven = |shown: &PresentedCredentials<'_>, replays: &ReplayCache, meaning: Authorization| {
        let account = phone.map_or(0, |phone| phone.id.0);
        if shown.is_replay(account, replays, now) { Authorization::Used } else { meaning }
    };
    // Always do three checks, for every client and phone: own credentials, former credentials, and the bootstrap
    // credentials that the phone may have from the redirect service.
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
        let authenticators = Authenticators::new(&Instances::new(vec![instance()]), &[7; 32]);
        let scheme = Scheme::Digest(Algorithm::Md5);
        let [plain, tls] = [false, true].map(|by| authenticators.get(InstanceId(1), scheme, by).unwrap());
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
