//! Keeps secrets out of the history: masks known secrets wherever a service echoes them, and everything in a text that
//! looks like credentials.

use std::sync::LazyLock;

use base64::{Engine, prelude::BASE64_STANDARD};
use gangway_base::secret::Secret;
use regex::Regex;
use zeroize::Zeroizing;

use super::operation::{Operation, RedirectAccount};

const BLOT: &str = "***";
/// Longer answers are truncated: the history is read by administrators.
const LONGEST: usize = 4096;

/// Patterns of credentials: the user information of a URL, a Basic or Bearer header, the token of a phone's URL, and an
/// access token or a phone's PIN in JSON (even if truncated).
static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r#"://[^/\s"'<>@]*@"#, "://***@"),
        (r"(?i)\b(basic|bearer)\s+[a-z0-9+/=_.~-]{6,}", "$1 ***"),
        (r"/phone/[a-z2-7]{26}", "/phone/***"),
        (r#"(?i)("(?:access|refresh|id)_token"\s*:\s*")[^"]*"#, "$1***"),
        (r#"(?i)("pin"\s*:\s*"?)[^",}\]\s]+"#, "$1***"),
    ]
    .into_iter()
    .filter_map(|(pattern, blotted)| Some((Regex::new(pattern).ok()?, blotted)))
    .collect()
});

/// The secrets of one operation.
pub(super) struct Mask {
    known: Vec<Secret>,
}

impl Mask {
    pub(super) fn new(account: &RedirectAccount, operation: &Operation) -> Self {
        let pair = Zeroizing::new(format!("{}:{}", account.user, account.password.expose()));
        let mut plain = operation.secrets();
        plain.push(account.password.clone());
        plain.push(Secret::new(BASE64_STANDARD.encode(pair.as_bytes())));
        // A service may echo a text as it was escaped in our XML.
        let escaped: Vec<Secret> =
            plain.iter().map(|secret| Secret::new(quick_xml::escape::escape(secret.expose()))).collect();
        let mut known: Vec<Secret> = plain.into_iter().chain(escaped).filter(|secret| !secret.is_empty()).collect();
        // Longest first, so that a secret that is part of a longer one does not leave the rest of it unmasked.
        known.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        Self { known }
    }

    /// Masks the secrets, including `more`, which were learned during the operation.
    pub(super) fn apply(&self, text: &str, more: &[Secret]) -> String {
        let mut text = text.to_owned();
        for secret in more.iter().chain(&self.known).filter(|secret| !secret.is_empty()) {
            if text.contains(secret.expose()) {
                text = text.replace(secret.expose(), BLOT);
            }
        }
        for (pattern, blotted) in PATTERNS.iter() {
            if pattern.is_match(&text) {
                text = pattern.replace_all(&text, *blotted).into_owned();
            }
        }
        shortened(text, LONGEST)
    }
}

/// Truncates at a character boundary and marks the cut.
pub(super) fn shortened(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        let cut = (0..=longest).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(cut);
        text.push_str(" ...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{phone::instance::InstanceId, redirect::operation::ServerEntry};

    fn mask() -> Mask {
        let account = RedirectAccount {
            instance: InstanceId(1),
            vendor: "yealink".into(),
            protocol: "yealink-xmlrpc".into(),
            url: String::new(),
            user: "reseller".into(),
            password: Secret::new("s3<cret&"),
            server_name: None,
            mac_only: false,
        };
        let operation = Operation::Register {
            mac: "805ec0aabbcc".parse().unwrap(),
            unique_url: Some(Secret::new("https://gw.example/x/y/phone/abcdefghijklmnopqrstuvwxyz/")),
            server: ServerEntry { name: "x".into(), url: Secret::new("https://boot:st@rt@gw.example/x/y/phone/") },
            serial: None,
        };
        Mask::new(&account, &operation)
    }

    #[test]
    fn every_pattern_compiles() {
        assert_eq!(PATTERNS.len(), 5);
    }

    #[test]
    fn secrets_are_blotted_out_wherever_a_service_echoes_them() {
        let mask = mask();
        for (echo, redacted) in [
            ("password s3<cret& is wrong", "password *** is wrong"),
            ("<v>s3&lt;cret&amp;</v>", "<v>***</v>"),
            ("https://boot:st@rt@gw.example/", "https://***@gw.example/"),
            ("http://someone:else@host/", "http://***@host/"),
            ("url /phone/abcdefghijklmnopqrstuvwxyz/", "url /phone/***/"),
            ("other /phone/bbcdefghijklmnopqrstuvwxyz/", "other /phone/***/"),
            ("Authorization: Basic cmVzZWxsZXI6czM8Y3JldCY=", "Authorization: Basic ***"),
            (r#"{"access_token" : "abc.def","expires_in":9}"#, r#"{"access_token" : "***","expires_in":9}"#),
            (r#"{"access_token":"abc.d"#, r#"{"access_token":"***"#),
            (r#"[{"mac":"805ec0aabbcc","pin":"12345"}]"#, r#"[{"mac":"805ec0aabbcc","pin":"***"}]"#),
            (r#"[{"pin":12345}]"#, r#"[{"pin":***}]"#),
            ("nothing to hide, mail me@example.com", "nothing to hide, mail me@example.com"),
        ] {
            assert_eq!(mask.apply(echo, &[]), redacted);
        }
    }

    #[test]
    fn what_was_learned_on_the_way_is_blotted_out_too() {
        assert_eq!(mask().apply("token xyz is old", &[Secret::new("xyz"), Secret::new("")]), "token *** is old");
    }

    #[test]
    fn a_long_answer_is_cut_between_characters() {
        let text = mask().apply(&"ä".repeat(5000), &[]);
        assert!(text.len() <= LONGEST + 4 && text.ends_with(" ..."));
    }
}
