//! Interprets the result texts of Yealink's RPS.

use crate::redirect::{protocols::xmlrpc_call::normal, result::RedirectResult};

/// The meaning of a result text, for every method except `checkDevice`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    Done,
    Existing,
    ForeignMac,
    InvalidMac,
    UnknownServer(String),
    ServerNameUsed,
    BadServerName(String),
    BadUrl(String),
    Refused(String),
}

/// The meaning of a result of `checkDevice`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ownership {
    Mine,
    Nobody,
    Elsewhere,
    InvalidMac,
    Unclear(String),
}

/// Matches `Error:<mac>`: ten or more hex digits at the beginning, with any separators.
fn begins_with_mac(normal: &str) -> bool {
    normal.chars().filter(|c| !matches!(c, ':' | '-' | ' ')).take_while(char::is_ascii_hexdigit).count() >= 10
}

/// A known rejection counts even if the boolean is true. An unknown text with a false boolean never counts as success.
pub(crate) fn meaning(success: bool, text: &str) -> Meaning {
    let normalized = normal(text);
    let begins = |with: &str| normalized.starts_with(with);
    let raw = || text.trim().to_owned();
    if begins("invalid mac") {
        Meaning::InvalidMac
    } else if begins("existing mac") {
        Meaning::Existing
    } else if begins("are you sure") || begins("registered elsewhere") {
        Meaning::ForeignMac
    } else if begins("invalid server") {
        Meaning::UnknownServer(raw())
    } else if begins("the server name has been used") {
        Meaning::ServerNameUsed
    } else if begins("the server name can only") {
        Meaning::BadServerName(raw())
    } else if begins("the url can only") {
        Meaning::BadUrl(raw())
    } else if success {
        Meaning::Done
    } else if begins_with_mac(&normalized) {
        Meaning::ForeignMac
    } else {
        Meaning::Refused(raw())
    }
}

/// Interprets a text of `checkDevice`. The boolean is ignored, because its value is not documented for a phone that
/// belongs to no account.
pub(crate) fn ownership(text: &str) -> Ownership {
    let normalized = normal(text);
    match normalized.trim_end_matches('.') {
        "registered" => Ownership::Mine,
        "unregistered" | "unknown" => Ownership::Nobody,
        word if word.starts_with("registered elsewhere") => Ownership::Elsewhere,
        word if word.starts_with("invalid mac") => Ownership::InvalidMac,
        _ => Ownership::Unclear(text.trim().to_owned()),
    }
}

impl Meaning {
    /// The result in the terms common to all vendors. `server` is the entry that the call named.
    pub(crate) fn outcome(&self, server: &str) -> RedirectResult {
        match self {
            Self::Done => RedirectResult::done(),
            Self::Existing => RedirectResult::AlreadyMine,
            Self::ForeignMac => RedirectResult::OwnedByOther,
            Self::InvalidMac => RedirectResult::InvalidMac,
            Self::UnknownServer(text) | Self::BadServerName(text) => RedirectResult::InvalidServerName(text.clone()),
            Self::ServerNameUsed => RedirectResult::ServerNameTaken { name: server.to_owned(), foreign: false },
            Self::BadUrl(text) => RedirectResult::InvalidUrl(text.clone()),
            Self::Refused(text) => RedirectResult::Unknown(text.clone()),
        }
    }
}

impl Ownership {
    pub(crate) fn outcome(&self) -> RedirectResult {
        match self {
            Self::Mine => RedirectResult::AlreadyMine,
            Self::Nobody => RedirectResult::NotFound,
            Self::Elsewhere => RedirectResult::OwnedByOther,
            Self::InvalidMac => RedirectResult::InvalidMac,
            Self::Unclear(text) => RedirectResult::Unknown(text.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_text_is_understood_in_every_spelling() {
        let url = "The url can only begin with 'http://' or 'https://' or 'ftp://' or 'tftp://'";
        let name = "The server name can only contain 'A-z 0-9 - _ . '(include space)";
        for (core, expected) in [
            ("Invalid MAC(s):805ec0aabbcc", Meaning::InvalidMac),
            ("Invalid MAC(s): 805ec0aabbcc", Meaning::InvalidMac),
            ("Invalid MAC(s)", Meaning::InvalidMac),
            ("Existing MAC(s): 805ec0aabbcc", Meaning::Existing),
            ("Are you sure you want to override MAC addresses\n805ec0aabbcc", Meaning::ForeignMac),
            ("The server name has been used", Meaning::ServerNameUsed),
        ] {
            for text in
                [core.to_owned(), format!("Error:{core}"), format!("Error: {core}"), format!(" error : {core} ")]
            {
                assert_eq!(meaning(false, &text), expected, "{text}");
                assert_eq!(meaning(false, &text.to_uppercase()), expected, "{text}");
                assert_eq!(meaning(true, &text), expected, "{text}");
            }
        }
        let error = |core: &str| format!("Error:{core}");
        assert_eq!(meaning(false, &error(url)), Meaning::BadUrl(error(url)));
        assert_eq!(meaning(false, &error(name)), Meaning::BadServerName(error(name)));
        assert_eq!(meaning(false, "Error:Invalid server"), Meaning::UnknownServer("Error:Invalid server".to_owned()));
    }

    #[test]
    fn a_bare_mac_is_somebody_elses_phone_and_a_word_is_not() {
        for text in ["Error:805ec0aabbcc", "Error: 80-5E-C0-AA-BB-CC", "Error:805ec0aabbcc,805ec0aabbcd"] {
            assert_eq!(meaning(false, text), Meaning::ForeignMac, "{text}");
        }
        for text in ["Error:unauthorized", "Error:databaseerror", "", "OK"] {
            assert_eq!(meaning(false, text), Meaning::Refused(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn the_boolean_decides_where_the_text_says_nothing() {
        assert_eq!(meaning(true, "OK"), Meaning::Done);
        assert_eq!(meaning(true, ""), Meaning::Done);
        assert_eq!(meaning(false, "OK"), Meaning::Refused("OK".to_owned()));
    }

    #[test]
    fn check_device_knows_four_words() {
        for (text, expected) in [
            ("Registered", Ownership::Mine),
            (" unregistered\n", Ownership::Nobody),
            ("Unknown", Ownership::Nobody),
            ("Registered Elsewhere", Ownership::Elsewhere),
            ("Error:Invalid MAC", Ownership::InvalidMac),
            ("Unknown error", Ownership::Unclear("Unknown error".to_owned())),
        ] {
            assert_eq!(ownership(text), expected, "{text}");
        }
    }
}
