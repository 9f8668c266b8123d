//! The entrance of a protected file: makes the one challenge and judges what a client answers.

use std::time::Duration;

use gangway_base::secret::Secret;
use jiff::Timestamp;

use super::{
    digest::{Algorithm, Asked, Verifier},
    header::{Authorization, DigestFields, percent_decoded},
    nonce::{Freshness, NonceKey},
    replay_cache::{Answered, ReplayCache},
};

/// How clients prove themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Password in the clear: over TLS only.
    Basic,
    /// Challenge and response.
    Digest(Algorithm),
}

/// What a request shows.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// Request target as it came: path and query.
    pub target: &'a str,
    /// Value of the `Authorization` header.
    pub authorization: Option<&'a str>,
}

/// The judgement. Only [`Outcome::Wrong`] is a strike: the others happen to honest phones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was shown that answers our kind of challenge.
    Missing,
    /// This user's password is proven.
    Valid {
        /// The user.
        user: String,
    },
    /// The nonce is not ours, too old or was used before: challenge again with `stale`.
    Stale,
    /// Unknown user or wrong password; the same work was done for both.
    Wrong,
    /// Not readable, or made for another file.
    Malformed,
}

/// The entrance of one realm.
#[derive(Debug, Clone)]
pub struct Authenticator {
    scheme: Scheme,
    realm: String,
    key: NonceKey,
    lifetime: Duration,
    nobody: Verifier,
}

impl Authenticator {
    /// `realm` goes into every password's verifier: keep it constant per instance. Characters that would need quoting
    /// are left out of it. `lifetime` is how long a nonce is good for.
    #[must_use]
    pub fn new(scheme: Scheme, realm: &str, key: NonceKey, lifetime: Duration) -> Self {
        let realm: String = realm.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect();
        let nobody = Verifier::new(algorithm(scheme), "", &realm, &Secret::default());
        Self { scheme, realm, key, lifetime, nobody }
    }

    /// Its scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Its realm.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// What to keep of a user's password to judge requests quickly.
    #[must_use]
    pub fn verifier(&self, user: &str, password: &Secret) -> Verifier {
        Verifier::new(algorithm(self.scheme), user, &self.realm, password)
    }

    /// The value of the `WWW-Authenticate` header of a 401; `stale` after [`Outcome::Stale`]. `random` must be.
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

    /// Judges a request. `lookup` gives the verifier ([`Guard::verifier`]) of a user name. An answer works as long as its
    /// nonce: who minds asks [`Shown::is_replay`], too.
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

    /// Reads what a request shows, once for all accounts it may be held against.
    ///
    /// # Errors
    /// What it is when it is no answer to a challenge of ours: [`Outcome::Missing`], [`Outcome::Stale`] or
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
                let asked = Asked::new(algorithm, request.method, &fields.uri);
                Answer::Digest { fields, count, issued, asked }
            }
            // Another scheme, such as Basic sent unasked from a URL: no answer to our challenge, so no strike.
            _ => return Err(Outcome::Missing),
        };
        Ok(PresentedCredentials { guard: self, answer })
    }

    /// Whether the fields answer a challenge of ours for this request; the nonce count and the nonce's Unix second.
    fn answers(
        &self,
        algorithm: Algorithm,
        fields: &DigestFields<'_>,
        request: &Request<'_>,
        now: Timestamp,
    ) -> Result<(u32, i64), Outcome> {
        // Some phones leave the algorithm out; then it is the one they were offered.
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

/// A readable answer to our challenge, made for this request.
pub struct PresentedCredentials<'a> {
    guard: &'a Authenticator,
    answer: Answer<'a>,
}

enum Answer<'a> {
    Basic { user: String, shown: Verifier },
    Digest { fields: Box<DigestFields<'a>>, count: u32, issued: i64, asked: Asked },
}

impl PresentedCredentials<'_> {
    /// Whom it claims to come from.
    #[must_use]
    pub fn user(&self) -> &str {
        match &self.answer {
            Answer::Basic { user, .. } => user,
            Answer::Digest { fields, .. } => &fields.username,
        }
    }

    /// Whether it proves this account; for another user's and for none (no password) the same work is done.
    #[must_use]
    pub fn is_of(&self, user: &str, password: &Secret) -> bool {
        let known = user == self.user() && !password.is_empty();
        let verifier = self.guard.verifier(self.user(), password);
        // Both are looked at in any case.
        known & self.fits(Some(&verifier))
    }

    /// Whether an answer that proves `account` was used before; it counts as used from now on. Basic has nothing that
    /// could be used up.
    #[must_use]
    pub fn is_replay(&self, account: i64, replays: &ReplayCache, now: Timestamp) -> bool {
        match &self.answer {
            Answer::Basic { .. } => false,
            Answer::Digest { fields, count, issued, asked } => {
                let (nonce, cnonce) = (&*fields.nonce, fields.cnonce.as_deref().unwrap_or_default());
                let answered = Answered { account, nonce, issued: *issued, cnonce, asked: asked.text(), count: *count };
                !replays.note(&answered, now)
            }
        }
    }

    fn fits(&self, known: Option<&Verifier>) -> bool {
        let known = known.filter(|verifier| verifier.algorithm() == algorithm(self.guard.scheme));
        let verifier = known.unwrap_or(&self.guard.nobody);
        let proven = match &self.answer {
            Answer::Basic { shown, .. } => verifier.is(shown),
            Answer::Digest { fields, asked, .. } => verifier.proves(fields, asked),
        };
        proven && known.is_some()
    }
}

/// Basic uses the verifier, too, so that no clear password needs to be kept; with the better hash.
fn algorithm(scheme: Scheme) -> Algorithm {
    match scheme {
        Scheme::Basic => Algorithm::Sha256,
        Scheme::Digest(algorithm) => algorithm,
    }
}

/// The nonce count; 0 in the old form without qop. `None` when it is missing or no number.
fn count(fields: &DigestFields<'_>) -> Option<u32> {
    match (&fields.qop, &fields.nc) {
        (None, _) => Some(0),
        (Some(_), Some(nc)) if fields.cnonce.is_some() && nc.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            u32::from_str_radix(nc, 16).ok()
        }
        _ => None,
    }
}

/// Is `uri` of the proof the target of the request? Phones write it absolute or encoded differently at times.
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

    /// Answers a challenge as a phone does.
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
        let replays = ReplayCache::new(10, HOUR);
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
