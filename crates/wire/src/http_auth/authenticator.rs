//! Authenticates requests for protected files: issues the challenge and verifies the client's response.

use std::time::Duration;

use gangway_base::secret::Secret;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    digest::{Algorithm, HashedRequest, Verifier},
    header::{Authorization, DigestFields, percent_decoded},
    nonce::{Freshness, NonceKey},
    replay_cache::{ProvenResponse, ReplayCache},
};

/// How clients authenticate; exactly one challenge is sent. Manifests use `basic`, `digest-md5` or `digest-sha256`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "SchemeWord", into = "SchemeWord")]
pub enum Scheme {
    /// Password in clear text; only over TLS.
    Basic,
    /// Challenge and response.
    Digest(Algorithm),
}

/// The names of [`Scheme`] in manifests.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SchemeWord {
    DigestMd5,
    DigestSha256,
    Basic,
}

impl From<SchemeWord> for Scheme {
    fn from(word: SchemeWord) -> Self {
        match word {
            SchemeWord::DigestMd5 => Self::Digest(Algorithm::Md5),
            SchemeWord::DigestSha256 => Self::Digest(Algorithm::Sha256),
            SchemeWord::Basic => Self::Basic,
        }
    }
}

impl From<Scheme> for SchemeWord {
    fn from(scheme: Scheme) -> Self {
        match scheme {
            Scheme::Digest(Algorithm::Md5) => Self::DigestMd5,
            Scheme::Digest(Algorithm::Sha256) => Self::DigestSha256,
            Scheme::Basic => Self::Basic,
        }
    }
}

/// The parts of a request that authentication needs.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// Request target as received: path and query.
    pub target: &'a str,
    /// Value of the `Authorization` header.
    pub authorization: Option<&'a str>,
}

/// The result of authentication. Only [`Outcome::Wrong`] counts as a failed attempt; the others also occur with
/// legitimate phones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The request contains no response to a challenge of the configured scheme.
    Missing,
    /// The password of this user is proven.
    Valid {
        /// The user.
        user: String,
    },
    /// The nonce is unknown, expired or already used: challenge again with `stale`.
    Stale,
    /// Unknown user or wrong password. Both take the same amount of work.
    Wrong,
    /// The header could not be parsed, or was made for another target.
    Malformed,
}

/// Authenticates the requests of one realm.
#[derive(Debug, Clone)]
pub struct Authenticator {
    scheme: Scheme,
    realm: String,
    key: NonceKey,
    lifetime: Duration,
    unknown_user: Verifier,
}

impl Authenticator {
    /// Creates an authenticator. `realm` enters every password's verifier, so keep it constant per instance; characters
    /// that would need quoting are removed from it. `lifetime` is how long a nonce is valid.
    #[must_use]
    pub fn new(scheme: Scheme, realm: &str, key: NonceKey, lifetime: Duration) -> Self {
        let realm: String = realm.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect();
        let unknown_user = Verifier::new(algorithm(scheme), "", &realm, &Secret::default());
        Self { scheme, realm, key, lifetime, unknown_user }
    }

    /// The authentication scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The realm.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The value to cache for a user, so that requests can be verified without the password.
    #[must_use]
    pub fn verifier(&self, user: &str, password: &Secret) -> Verifier {
        Verifier::new(algorithm(self.scheme), user, &self.realm, password)
    }

    /// The value of the `WWW-Authenticate` header of a 401. Set `stale` after [`Outcome::Stale`]. `random` must be
    /// random.
    #[must_use]
    pub fn challenge(&self, now: Timestamp, random: u64, stale: bool) -> String {
        let realm = &self.realm;
        match self.scheme {
            Scheme::Basic => format!("Basic realm=\"{realm}\", charset=\"UTF-8\""),
            Scheme::Digest(algorithm) => {
                let nonce = self.key.issue(realm, now, random);
                let stale = if stale { ", stale=true" } else { "" };
                let name = algorithm.name();
                format!("Digest realm=\"{realm}\", qop=\"auth\", algorithm={name}, nonce=\"{nonce}\"{stale}")
            }
        }
    }

    /// Authenticates a request. `lookup` returns the verifier ([`Authenticator::verifier`]) of a user name. A response
    /// is accepted for as long as its nonce is valid; to reject replays, also call [`PresentedCredentials::is_replay`].
    pub fn check(
        &self,
        request: &Request<'_>,
        now: Timestamp,
        lookup: impl FnOnce(&str) -> Option<Verifier>,
    ) -> Outcome {
        let shown = match self.shown(request, now) {
            Ok(shown) => shown,
            Err(outcome) => return outcome,
        };
        if !shown.fits(lookup(shown.user()).as_ref()) {
            return Outcome::Wrong;
        }
        Outcome::Valid { user: shown.user().to_owned() }
    }

    /// Parses the credentials of a request once, so that they can be checked against several accounts.
    ///
    /// # Errors
    /// If the request contains no response to a challenge of this realm: [`Outcome::Missing`], [`Outcome::Stale`] or
    /// [`Outcome::Malformed`].
    pub fn shown<'a>(&'a self, request: &Request<'a>, now: Timestamp) -> Result<PresentedCredentials<'a>, Outcome> {
        let Some(header) = request.authorization else { return Err(Outcome::Missing) };
        let answer = match (self.scheme, Authorization::parse(header)) {
            (_, Authorization::Malformed) => return Err(Outcome::Malformed),
            (Scheme::Basic, Authorization::Basic { user, password }) => {
                Answer::Basic { shown: self.verifier(&user, &password), user }
            }
            (Scheme::Digest(algorithm), Authorization::Digest(fields)) => {
                let (count, issued) = self.answers(algorithm, &fields, request, now)?;
                let request_hash = HashedRequest::new(algorithm, request.method, &fields.uri);
                Answer::Digest { fields, count, issued, request_hash }
            }
            // Another scheme, such as Basic sent unsolicited because of a URL: not a response to the challenge, so not
            // a failed attempt.
            _ => return Err(Outcome::Missing),
        };
        Ok(PresentedCredentials { guard: self, answer })
    }

    /// Checks that the fields answer one of our challenges for this request. Returns the nonce count and the Unix
    /// second in which the nonce was issued.
    fn answers(
        &self,
        algorithm: Algorithm,
        fields: &DigestFields<'_>,
        request: &Request<'_>,
        now: Timestamp,
    ) -> Result<(u32, i64), Outcome> {
        // Some phones omit the algorithm; it is then the one they were offered.
        if fields.algorithm.as_ref().is_some_and(|name| !name.eq_ignore_ascii_case(algorithm.name())) {
            return Err(Outcome::Malformed);
        }
        let Some(count) = count(fields) else { return Err(Outcome::Malformed) };
        if !same_target(&fields.uri, request.target) {
            return Err(Outcome::Malformed);
        }
        match self.key.check(&fields.nonce, &self.realm, now, self.lifetime) {
            Freshness::Fresh { issued } if fields.realm == self.realm => Ok((count, issued)),
            Freshness::Fresh { .. } | Freshness::Expired | Freshness::Foreign => Err(Outcome::Stale),
        }
    }
}

/// A parsed response to our challenge, made for this request.
pub struct PresentedCredentials<'a> {
    guard: &'a Authenticator,
    answer: Answer<'a>,
}

enum Answer<'a> {
    Basic { user: String, shown: Verifier },
    Digest { fields: Box<DigestFields<'a>>, count: u32, issued: i64, request_hash: HashedRequest },
}

impl PresentedCredentials<'_> {
    /// The user name the client claims.
    #[must_use]
    pub fn user(&self) -> &str {
        match &self.answer {
            Answer::Basic { user, .. } => user,
            Answer::Digest { fields, .. } => &fields.username,
        }
    }

    /// Checks whether the credentials prove this account. Another user or an empty password takes the same amount of
    /// work.
    #[must_use]
    pub fn is_of(&self, user: &str, password: &Secret) -> bool {
        let known = user == self.user() && !password.is_empty();
        let verifier = self.guard.verifier(self.user(), password);
        // No short circuit: both checks always run.
        known & self.fits(Some(&verifier))
    }

    /// Checks whether a response that proves `account` was used before, and marks it as used. Always false for Basic,
    /// which has no nonce.
    #[must_use]
    pub fn is_replay(&self, account: i64, replays: &ReplayCache, now: Timestamp) -> bool {
        match &self.answer {
            Answer::Basic { .. } => false,
            Answer::Digest { fields, count, issued, request_hash } => {
                let (nonce, cnonce) = (&*fields.nonce, fields.cnonce.as_deref().unwrap_or_default());
                let proven = ProvenResponse {
                    account,
                    nonce,
                    issued: *issued,
                    cnonce,
                    request: request_hash.text(),
                    count: *count,
                };
                !replays.note(&proven, now)
            }
        }
    }

    fn fits(&self, known: Option<&Verifier>) -> bool {
        let known = known.filter(|verifier| verifier.algorithm() == algorithm(self.guard.scheme));
        let verifier = known.unwrap_or(&self.guard.unknown_user);
        let proven = match &self.answer {
            Answer::Basic { shown, .. } => verifier.is(shown),
            Answer::Digest { fields, request_hash, .. } => verifier.proves(fields, request_hash),
        };
        proven && known.is_some()
    }
}

/// Basic uses a verifier with SHA-256, so that no clear text password has to be kept.
fn algorithm(scheme: Scheme) -> Algorithm {
    match scheme {
        Scheme::Basic => Algorithm::Sha256,
        Scheme::Digest(algorithm) => algorithm,
    }
}

/// The nonce count; 0 in the old form without qop. `None` if it is missing or not a hex number.
fn count(fields: &DigestFields<'_>) -> Option<u32> {
    match (&fields.qop, &fields.nc) {
        (None, _) => Some(0),
        (Some(_), Some(nc)) if fields.cnonce.is_some() && nc.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            u32::from_str_radix(nc, 16).ok()
        }
        _ => None,
    }
}

/// Checks whether `uri` of the response is the target of the request. Some phones send it absolute or encoded
/// differently.
fn same_target(uri: &str, target: &str) -> bool {
    if uri == target {
        return true;
    }
    let path = match uri.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") => {
            rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
        }
        _ => uri,
    };
    path == target || percent_decoded(path).is_some_and(|path| Some(path) == percent_decoded(target))
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn guard(scheme: Scheme) -> Authenticator {
        Authenticator::new(scheme, "gangway \"example\"", NonceKey::new(&[7; 32]), HOUR)
    }

    /// Answers a challenge like a phone.
    fn answer(guard: &Authenticator, challenge: &str, user: &str, password: &str, nc: u32, uri: &str) -> String {
        let Scheme::Digest(algorithm) = guard.scheme() else { panic!() };
        let nonce = challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
        let hash = |text: String| {
            use sha2::Digest;
            match algorithm {
                Algorithm::Md5 => HEXLOWER.encode(&md5::Md5::digest(text)),
                Algorithm::Sha256 => HEXLOWER.encode(&sha2::Sha256::digest(text)),
            }
        };
        let realm = guard.realm();
        let (ha1, ha2) = (hash(format!("{user}:{realm}:{password}")), hash(format!("GET:{uri}")));
        let response = hash(format!("{ha1}:{nonce}:{nc:08x}:abc:auth:{ha2}"));
        format!(
            "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", \
             qop=auth, nc={nc:08x}, cnonce=\"abc\""
        )
    }

    fn check(guard: &Authenticator, header: Option<&str>, second: i64) -> Outcome {
        let request = Request { method: "GET", target: "/phone/a%20b.cfg", authorization: header };
        guard.check(&request, at(second), |user| (user == "snoopy").then(|| guard.verifier("snoopy", &"secret".into())))
    }

    #[test]
    fn a_digest_conversation() {
        for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
            let guard = guard(Scheme::Digest(algorithm));
            assert_eq!(check(&guard, None, 0), Outcome::Missing);
            let challenge = guard.challenge(at(0), 5, false);
            assert_eq!(challenge.matches("Digest").count(), 1);
            assert!(challenge.contains(&format!("algorithm={}", algorithm.name())) && !challenge.contains("stale"));
            let valid = Outcome::Valid { user: "snoopy".into() };
            for uri in ["/phone/a%20b.cfg", "https://gw.example.com/phone/a%20b.cfg", "/phone/a b.cfg"] {
                let header = answer(&guard, &challenge, "snoopy", "secret", 1, uri);
                assert_eq!(check(&guard, Some(&header), 10), valid, "{uri}");
                assert_eq!(check(&guard, Some(&header), 3_601), Outcome::Stale);
            }
            let header = |user, password, uri| answer(&guard, &challenge, user, password, 1, uri);
            assert_eq!(check(&guard, Some(&header("snoopy", "x", "/phone/a%20b.cfg")), 1), Outcome::Wrong);
            assert_eq!(check(&guard, Some(&header("linus", "secret", "/phone/a%20b.cfg")), 1), Outcome::Wrong);
            assert_eq!(check(&guard, Some(&header("snoopy", "secret", "/other")), 1), Outcome::Malformed);
            assert_eq!(check(&guard, Some("Digest nonsense"), 1), Outcome::Malformed);
            assert_eq!(check(&guard, Some("Basic c25vb3B5OnNlY3JldA=="), 1), Outcome::Missing);
            let right = header("snoopy", "secret", "/phone/a%20b.cfg");
            let foreign = right.replacen("nonce=\"0", "nonce=\"1", 1);
            assert_eq!(check(&guard, Some(&foreign), 1), Outcome::Stale);
            let realm = right.replacen("gangway", "gateway", 1);
            assert_eq!(check(&guard, Some(&realm), 1), Outcome::Stale);
            let odd = format!("{right}, algorithm=SHA-512-256");
            assert_eq!(check(&guard, Some(&odd), 1), Outcome::Malformed);
            assert!(guard.challenge(at(0), 5, true).ends_with(", stale=true"));
        }
    }

    #[test]
    fn an_answer_is_used_up_for_its_account_and_counts_go_on() {
        let guard = guard(Scheme::Digest(Algorithm::Md5));
        // Enough room that no session is evicted, whichever shard it is in.
        let replays = ReplayCache::new(1_000, HOUR);
        let challenge = guard.challenge(at(0), 5, false);
        let is_replay = |account, nc, second| {
            let header = answer(&guard, &challenge, "snoopy", "secret", nc, "/phone/a%20b.cfg");
            let request = Request { method: "GET", target: "/phone/a%20b.cfg", authorization: Some(&header) };
            guard.shown(&request, at(second)).unwrap().is_replay(account, &replays, at(second))
        };
        assert!(!is_replay(1, 1, 1));
        assert!(is_replay(1, 1, 3_600), "until the nonce is too old");
        assert!(!is_replay(2, 1, 1), "one challenge serves many");
        assert!(!is_replay(1, 2, 1));
    }

    #[test]
    fn a_basic_conversation() {
        let guard = guard(Scheme::Basic);
        assert_eq!(guard.challenge(at(0), 5, true), "Basic realm=\"gangway example\", charset=\"UTF-8\"");
        assert_eq!(check(&guard, Some("Basic c25vb3B5OnNlY3JldA=="), 1), Outcome::Valid { user: "snoopy".into() });
        assert_eq!(check(&guard, Some("Basic c25vb3B5Ong="), 1), Outcome::Wrong);
        assert_eq!(check(&guard, Some("Basic Og=="), 1), Outcome::Wrong);
        assert_eq!(check(&guard, Some("Basic %"), 1), Outcome::Malformed);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]
        #[test]
        fn nothing_random_is_valid(header: String, fields in r#"Digest (username="snoopy"|realm="gangway example"|nonce="x"|uri="/phone/a%20b.cfg"|response="0"|nc=1|,){0,12}"#) {
            let guard = guard(Scheme::Digest(Algorithm::Md5));
            for header in [header, fields] {
                let valid = matches!(check(&guard, Some(&header), 1), Outcome::Valid { .. });
                prop_assert!(!valid);
            }
        }
    }
}
