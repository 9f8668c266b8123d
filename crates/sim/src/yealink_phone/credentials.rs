//! HTTP authentication of the phone: Digest (MD5, with qop=auth when offered) or Basic, depending on the challenge.

use base64::{Engine, prelude::BASE64_STANDARD};
use data_encoding::HEXLOWER;
use md5::{Digest, Md5};

use crate::crypt;

/// A user name and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: String,
}

impl Credentials {
    /// The `Authorization` header that answers a challenge; `None` if the phone does not support the scheme.
    pub(super) fn answer(&self, challenge: &str, method: &str, uri: &str) -> Option<String> {
        self.answer_with(challenge, method, uri, &crypt::digits(16))
    }

    fn answer_with(&self, challenge: &str, method: &str, uri: &str, cnonce: &str) -> Option<String> {
        let (scheme, rest) = challenge.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("basic") {
            let pair = format!("{}:{}", self.user, self.password);
            return Some(format!("Basic {}", BASE64_STANDARD.encode(pair)));
        }
        if !scheme.eq_ignore_ascii_case("digest") {
            return None;
        }
        let realm = parameter(rest, "realm")?;
        let nonce = parameter(rest, "nonce")?;
        if parameter(rest, "algorithm").is_some_and(|name| !name.eq_ignore_ascii_case("md5")) {
            return None;
        }
        let ha1 = md5(&format!("{}:{realm}:{}", self.user, self.password));
        let ha2 = md5(&format!("{method}:{uri}"));
        let qop = parameter(rest, "qop").filter(|qop| qop.split(',').any(|one| one.trim() == "auth"));
        let (response, tail) = if qop.is_some() {
            let response = md5(&format!("{ha1}:{nonce}:00000001:{cnonce}:auth:{ha2}"));
            (response, format!(", qop=auth, nc=00000001, cnonce=\"{cnonce}\""))
        } else {
            (md5(&format!("{ha1}:{nonce}:{ha2}")), String::new())
        };
        let opaque = parameter(rest, "opaque").map(|opaque| format!(", opaque=\"{opaque}\"")).unwrap_or_default();
        Some(format!(
            "Digest username=\"{}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", \
             algorithm=MD5{opaque}{tail}",
            self.user
        ))
    }
}

pub(super) fn md5(text: &str) -> String {
    HEXLOWER.encode(&Md5::digest(text.as_bytes()))
}

/// Returns a parameter of a challenge, quoted or not.
fn parameter(challenge: &str, name: &str) -> Option<String> {
    let mut rest = challenge;
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, next) = if let Some(quoted) = after.strip_prefix('"') {
            let (value, next) = quoted.split_once('"')?;
            (value, next.trim_start().strip_prefix(',').unwrap_or(next))
        } else {
            after.split_once(',').unwrap_or((after, ""))
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value.trim().to_owned());
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_and_digest_answer_their_challenges() {
        let own = Credentials { user: "Mufasa".into(), password: "Circle Of Life".into() };
        assert_eq!(own.answer("Basic realm=\"x\"", "GET", "/").unwrap(), "Basic TXVmYXNhOkNpcmNsZSBPZiBMaWZl");
        let challenge = "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
                         opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let answer = own.answer(challenge, "GET", "/dir/index.html").unwrap();
        assert!(answer.contains("response=\"670fd8c2df070c60b045671b8b24ff02\""), "{answer}");
        // The example of RFC 2617, section 3.5.
        let challenge = format!("{challenge}, qop=\"auth,auth-int\"");
        let answer = own.answer_with(&challenge, "GET", "/dir/index.html", "0a4f113b").unwrap();
        assert!(answer.contains("response=\"6629fae49393a05397450978507c4ef1\""), "{answer}");
        assert!(answer.contains("qop=auth, nc=00000001"));
        assert_eq!(own.answer("Negotiate x", "GET", "/"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_challenge_panics(text in "\\PC{0,60}", mess in "(Digest |[a-z]+=|\"|,){0,12}") {
            let own = Credentials { user: "u".into(), password: "p".into() };
            let _ = own.answer(&text, "GET", "/");
            let _ = own.answer(&mess, "GET", "/");
        }
    }
}
