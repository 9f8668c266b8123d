//! Parses `Authorization` headers, copying only values that need unescaping.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::GeneralPurpose};
use gangway_base::secret::Secret;
use zeroize::Zeroize;

/// The longest header that is parsed, in bytes.
pub const HEADER_LIMIT: usize = 2_048;

/// Standard alphabet. Padding is optional because some phones omit it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    base64::engine::GeneralPurposeConfig::new()
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);

/// The parsed header of a client.
#[derive(Debug, PartialEq, Eq)]
pub enum Authorization<'a> {
    /// Basic: user and password.
    Basic {
        /// The user; may be empty.
        user: String,
        /// The password; may be empty.
        password: Secret,
    },
    /// The fields of a Digest response.
    Digest(Box<DigestFields<'a>>),
    /// Another scheme.
    Other,
    /// The header could not be parsed.
    Malformed,
}

/// The fields of a Digest response that are used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DigestFields<'a> {
    /// User name; decoded if it was sent as `username*`.
    pub username: Cow<'a, str>,
    /// Realm.
    pub realm: Cow<'a, str>,
    /// Nonce.
    pub nonce: Cow<'a, str>,
    /// Request target as the client sees it (`uri`).
    pub uri: Cow<'a, str>,
    /// The response hash in hex.
    pub response: Cow<'a, str>,
    /// Algorithm; `None` if the client omitted it.
    pub algorithm: Option<Cow<'a, str>>,
    /// Client nonce; only with `qop`.
    pub cnonce: Option<Cow<'a, str>>,
    /// Quality of protection; `None` in the old form.
    pub qop: Option<Cow<'a, str>>,
    /// Nonce count exactly as sent, because it enters the hash as text.
    pub nc: Option<Cow<'a, str>>,
}

impl<'a> Authorization<'a> {
    /// Parses the value of an `Authorization` header.
    #[must_use]
    pub fn parse(header: &'a str) -> Self {
        let header = header.trim();
        if header.len() > HEADER_LIMIT {
            return Self::Malformed;
        }
        let (scheme, rest) = header.split_once([' ', '\t']).unwrap_or((header, ""));
        if scheme.eq_ignore_ascii_case("digest") {
            DigestFields::parse(rest).map_or(Self::Malformed, |fields| Self::Digest(Box::new(fields)))
        } else if scheme.eq_ignore_ascii_case("basic") {
            basic(rest.trim()).unwrap_or(Self::Malformed)
        } else {
            Self::Other
        }
    }
}

fn basic(token: &str) -> Option<Authorization<'static>> {
    let bytes = BASE64.decode(token).ok()?;
    let mut text = match String::from_utf8(bytes) {
        Ok(text) => text,
        // Phones without UTF-8 support send Latin-1.
        Err(error) => {
            let mut bytes = error.into_bytes();
            let text = bytes.iter().map(|byte| char::from(*byte)).collect();
            bytes.zeroize();
            text
        }
    };
    let parts = text
        .split_once(':')
        .map(|(user, password)| Authorization::Basic { user: user.to_owned(), password: Secret::new(password) });
    text.zeroize();
    parts
}

impl<'a> DigestFields<'a> {
    /// Parses `name=value, name="value"`. Unknown names are skipped; a duplicate name or a missing required one is
    /// rejected. Any value may be quoted or not, regardless of the standard, because phones differ.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (mut username, mut extended) = (None, None);
        let (mut realm, mut nonce, mut uri, mut response) = (None, None, None, None);
        let (mut algorithm, mut cnonce, mut qop, mut nc) = (None, None, None, None);
        let mut rest = text.trim_start_matches([' ', '\t', ',']);
        while !rest.is_empty() {
            let (name, after) = rest.split_once('=')?;
            let (value, after) = value(after.trim_start_matches([' ', '\t']))?;
            let name = name.trim_matches([' ', '\t']);
            let mut ignored = None;
            let slot = [
                ("username", &mut username),
                ("realm", &mut realm),
                ("nonce", &mut nonce),
                ("uri", &mut uri),
                ("response", &mut response),
                ("algorithm", &mut algorithm),
                ("cnonce", &mut cnonce),
                ("qop", &mut qop),
                ("nc", &mut nc),
                ("username*", &mut extended),
            ]
            .into_iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known))
            .map_or(&mut ignored, |(_, slot)| slot);
            if slot.replace(value).is_some() {
                return None;
            }
            let after = after.trim_start_matches([' ', '\t']);
            rest = match after.strip_prefix(',') {
                Some(next) => next.trim_start_matches([' ', '\t', ',']),
                None if after.is_empty() => after,
                None => return None,
            };
        }
        let username = match (username, extended) {
            (Some(username), None) => username,
            (None, Some(extended)) => Cow::Owned(extended_text(&extended)?),
            _ => return None,
        };
        Some(Self {
            username,
            realm: realm?,
            nonce: nonce?,
            uri: uri?,
            response: response?,
            algorithm,
            cnonce,
            qop,
            nc,
        })
    }
}

/// Parses a token or quoted string and returns it with the remaining text.
fn value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return text.split_at_checked(end).map(|(value, rest)| (Cow::Borrowed(value), rest));
    };
    let end = quoted.find(['"', '\\'])?;
    let (value, rest) = quoted.split_at_checked(end)?;
    if let Some(rest) = rest.strip_prefix('"') {
        return Some((Cow::Borrowed(value), rest));
    }
    let mut unescaped = value.to_owned();
    let mut characters = rest.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((Cow::Owned(unescaped), rest.get(at + 1..)?)),
            '\\' => unescaped.push(characters.next()?.1),
            other => unescaped.push(other),
        }
    }
    None
}

/// Parses `UTF-8''percent%20encoded` (RFC 8187).
fn extended_text(text: &str) -> Option<String> {
    let (charset, rest) = text.split_once('\'')?;
    let (_language, rest) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    String::from_utf8(percent_decoded(rest)?).ok()
}

/// Decodes percent encoding; `None` if an escape is malformed.
pub(super) fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            bytes.push(digit(rest.next()?)? << 4 | digit(rest.next()?)?);
        } else {
            bytes.push(byte);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_read_quoted_or_not() {
        let text = r#" username="a\"b\\c" ,realm=r, nonce="n",URI="/x,y=z", response=ff,qop="auth" , nc=00000001,cnonce="c",algorithm="MD5",x="y","#;
        let fields = DigestFields::parse(text).unwrap();
        assert_eq!((&*fields.username, &*fields.realm, &*fields.uri), ("a\"b\\c", "r", "/x,y=z"));
        assert_eq!((fields.qop.as_deref(), fields.nc.as_deref()), (Some("auth"), Some("00000001")));
        assert!(matches!(fields.nonce, Cow::Borrowed("n")));
    }

    #[test]
    fn an_extended_username_is_decoded() {
        let text = "username*=UTF-8''J%C3%A4s%C3%B8n%20Doe,realm=r,nonce=n,uri=u,response=0";
        assert_eq!(DigestFields::parse(text).unwrap().username, "Jäsøn Doe");
    }

    #[test]
    fn broken_input_is_malformed() {
        for header in [
            "Digest",
            "Digest username",
            "Digest username=\"a",
            "Digest username=a,realm=r,nonce=n,uri=u",
            "Digest username=a,username=b,realm=r,nonce=n,uri=u,response=0",
            "Digest username=a,username*=UTF-8''b,realm=r,nonce=n,uri=u,response=0",
            "Digest username=a realm=r,nonce=n,uri=u,response=0",
            "Basic",
            "Basic !!!",
            "Basic YWJj",
        ] {
            assert_eq!(Authorization::parse(header), Authorization::Malformed, "{header}");
        }
        assert_eq!(Authorization::parse(&format!("Basic {}", "a".repeat(5_000))), Authorization::Malformed);
        assert_eq!(Authorization::parse("Bearer x"), Authorization::Other);
    }

    #[test]
    fn basic_is_read_as_published_and_without_padding() {
        let all: serde_json::Value =
            serde_json::from_str(include_str!("../../../../fixtures/http_auth/examples.json")).unwrap();
        for example in all["basic"].as_array().unwrap() {
            let text = |name: &str| example[name].as_str().unwrap();
            let expected = || Authorization::Basic { user: text("user").into(), password: text("password").into() };
            assert_eq!(Authorization::parse(text("header")), expected());
            assert_eq!(Authorization::parse(text("header").trim_end_matches('=')), expected());
        }
        let latin = Authorization::parse("basic YTr8");
        assert_eq!(latin, Authorization::Basic { user: "a".into(), password: "ü".into() });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]
        #[test]
        fn any_header_is_read_without_panic(
            text: String,
            digest in r#"Digest (username|realm|nonce|uri|response|nc|=|"|\\|,| |a|%2|ä){0,30}"#,
            basic in "Basic [A-Za-z0-9+/=]{0,30}",
        ) {
            let _ = Authorization::parse(&text);
            let _ = Authorization::parse(&digest);
            let _ = Authorization::parse(&basic);
            let _ = percent_decoded(&text);
        }

        #[test]
        fn quoted_values_come_back(user in "[^\0-\x1f]{0,20}", uri in "[!-~]{0,20}") {
            let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let text = format!("username=\"{}\",realm=\"\",nonce=\"n\",uri=\"{}\",response=\"0\"", quote(&user), quote(&uri));
            let fields = DigestFields::parse(&text).unwrap();
            prop_assert_eq!(&*fields.username, user.as_str());
            prop_assert_eq!(&*fields.uri, uri.as_str());
        }
    }
}
