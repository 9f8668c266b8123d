//! Searches for secrets in every encoding in which they could leak.

use std::collections::BTreeSet;

use base64::{
    Engine,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use data_encoding::{HEXLOWER, HEXUPPER};

/// The secrets to search for, by name, with all their encodings.
#[derive(Default)]
pub struct Marks(Vec<(String, BTreeSet<String>)>);

impl Marks {
    pub fn add(&mut self, name: &str, secret: &str) {
        assert!(secret.len() >= 8 && secret.is_ascii(), "{name} cannot be searched for");
        self.0.push((name.to_owned(), spellings(secret)));
    }

    /// Returns a description of each secret found in `bytes`.
    pub fn find(&self, place: &str, bytes: &[u8]) -> Vec<String> {
        // All encodings are ASCII, so invalid UTF-8 can occur between them but not inside.
        let text = String::from_utf8_lossy(bytes);
        let mut found = Vec::new();
        for (name, spellings) in &self.0 {
            for spelling in spellings {
                if let Some(at) = text.find(spelling.as_str()) {
                    let before: String = text[..at].chars().rev().take(120).collect();
                    let before: String = before.chars().rev().collect();
                    found.push(format!("{place}: {name} as '{spelling}' after ...{before}"));
                }
            }
        }
        found
    }
}

fn spellings(secret: &str) -> BTreeSet<String> {
    let bytes = secret.as_bytes();
    let mut all: BTreeSet<String> = [
        secret.to_owned(),
        HEXLOWER.encode(bytes),
        HEXUPPER.encode(bytes),
        each(secret, |byte| format!("%{byte:02X}"), |_| false),
        each(secret, |byte| format!("%{byte:02X}"), |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)),
        each(secret, |byte| format!("%{byte:02x}"), |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)),
        each(secret, |byte| format!("%{byte:02X}"), |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
            .replace("%20", "+"),
        // XML with named, decimal and hexadecimal references.
        xml(secret, ["&amp;", "&lt;", "&gt;", "&quot;", "&apos;"]),
        xml(secret, ["&amp;", "&lt;", "&gt;", "\"", "'"]),
        xml(secret, ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"]),
        xml(secret, ["&#38;", "&#60;", "&#62;", "&#34;", "&#39;"]),
        xml(secret, ["&#x26;", "&#x3C;", "&#x3E;", "&#x22;", "&#x27;"]),
        secret.replace('\\', "\\\\").replace('"', "\\\""),
        format!("{secret:?}").trim_matches('"').to_owned(),
        // JSON as escaped for a web page.
        secret.replace('"', "\\\"").replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"),
    ]
    .into();
    // Inside a longer text, the secret can begin at any of three Base64 offsets.
    for shift in 0..3_usize {
        let shifted = [&b"\0\0\0"[..shift], bytes].concat();
        let whole = shifted.len() / 3 * 3;
        for text in [BASE64_STANDARD_NO_PAD.encode(&shifted[..whole]), BASE64_URL_SAFE_NO_PAD.encode(&shifted[..whole])]
        {
            all.insert(text[if shift == 0 { 0 } else { 4 }..].to_owned());
        }
    }
    all
}

fn each(text: &str, escaped: impl Fn(u8) -> String, kept: impl Fn(u8) -> bool) -> String {
    text.bytes().map(|byte| if kept(byte) { char::from(byte).to_string() } else { escaped(byte) }).collect()
}

fn xml(text: &str, names: [&str; 5]) -> String {
    let name = |c: char| "&<>\"'".find(c).map(|place| names[place].to_owned());
    text.chars().map(|c| name(c).unwrap_or_else(|| c.to_string())).collect()
}

#[test]
fn every_spelling_is_found_wherever_it_stands() {
    let secret = "M4rk<&\"'%+ secret";
    let mut marks = Marks::default();
    marks.add("it", secret);
    for around in ["", "a", "ab", "abc"] {
        let inside = format!("{around}{secret}{around}");
        for text in [
            inside.clone(),
            BASE64_STANDARD_NO_PAD.encode(&inside),
            BASE64_URL_SAFE_NO_PAD.encode(&inside),
            HEXUPPER.encode(inside.as_bytes()),
            HEXLOWER.encode(inside.as_bytes()),
            url::form_urlencoded::byte_serialize(inside.as_bytes()).collect(),
            quick_xml::escape::escape(&inside).into_owned(),
            serde_json::to_string(&inside).unwrap(),
            format!("{inside:?}"),
        ] {
            assert!(!marks.find("here", text.as_bytes()).is_empty(), "not found in {text}");
        }
    }
    assert!(marks.find("here", b"M4rk<&\"'%+ Secret").is_empty());
}
