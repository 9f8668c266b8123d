//! Parses the path of a request: `/<domain>/<instance>` and the part below. Empty components (`//file`) are skipped.
//! Components that would escape their directory are rejected.

use std::borrow::Cow;

/// What a path points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestTarget<'a> {
    /// `/healthz`.
    Health,
    /// A path of an instance.
    Instance {
        /// First component.
        domain: Cow<'a, str>,
        /// Second component.
        name: Cow<'a, str>,
        /// The part below the instance.
        below: Below<'a>,
    },
    /// No known path.
    Nothing,
}

/// What lies below an instance's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Below<'a> {
    /// `phone/<file>` and `phone/<token>/<file>`.
    Phone {
        /// The token, if present.
        token: Option<Cow<'a, str>>,
        /// The file name.
        file: Cow<'a, str>,
    },
    /// `phone` itself, or a path below it that is too deep for a file.
    NoFile,
    /// The path below `api`, still percent-encoded. Invalid paths are answered by the API, too.
    Api(String),
    /// Everything else: pages and websockets. Components are joined by `/`.
    Page(String),
}

/// Parses the path as received, still percent-encoded.
#[must_use]
pub fn read(path: &str) -> RequestTarget<'_> {
    if path == "/healthz" {
        return RequestTarget::Health;
    }
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let (Some(domain), Some(name)) = (parts.next(), parts.next()) else { return RequestTarget::Nothing };
    let (Some(domain), Some(name)) = (component(domain), component(name)) else { return RequestTarget::Nothing };
    match below(parts) {
        Some(below) => RequestTarget::Instance { domain, name, below },
        None => RequestTarget::Nothing,
    }
}

fn below<'a>(mut parts: impl Iterator<Item = &'a str>) -> Option<Below<'a>> {
    let Some(first) = parts.next() else { return Some(Below::Page(String::new())) };
    if first == "api" {
        return Some(Below::Api(parts.collect::<Vec<_>>().join("/")));
    }
    if first != "phone" {
        let mut page = component(first)?.into_owned();
        for part in parts {
            page.push('/');
            page.push_str(&component(part)?);
        }
        return Some(Below::Page(page));
    }
    let (one, two, three) = (parts.next(), parts.next(), parts.next());
    Some(match (one, two, three) {
        // A token without a file name must not be read as a file name, because file names are logged and stored.
        (Some(file), None, _) if is_token(&component(file)?) => Below::NoFile,
        (Some(file), None, _) => Below::Phone { token: None, file: component(file)? },
        (Some(token), Some(file), None) => Below::Phone { token: Some(component(token)?), file: component(file)? },
        _ => Below::NoFile,
    })
}

/// Whether a component has the form of a phone token (`phone::record::new_token`). No file name has this form.
fn is_token(text: &str) -> bool {
    text.len() == 26 && text.bytes().all(|c| matches!(c, b'a'..=b'z' | b'2'..=b'7'))
}

/// Decodes one component. Returns `None` if it is `.` or `..`, or contains slashes, control characters, or invalid
/// encoding.
#[must_use]
pub fn component(raw: &str) -> Option<Cow<'_, str>> {
    let decoded = if raw.contains('%') { Cow::Owned(decode(raw)?) } else { Cow::Borrowed(raw) };
    let odd = decoded.as_ref() == "."
        || decoded.as_ref() == ".."
        || decoded.contains(|c: char| c == '/' || c == '\\' || c.is_control());
    (!odd).then_some(decoded)
}

fn decode(raw: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone(path: &str) -> Option<(Option<String>, String)> {
        match read(path) {
            RequestTarget::Instance { below: Below::Phone { token, file }, .. } => {
                Some((token.map(Cow::into_owned), file.into_owned()))
            }
            _ => None,
        }
    }

    #[test]
    fn files_with_and_without_token() {
        let file = || "805ec0123456.cfg".to_owned();
        for path in ["/example.com/gw/phone/805ec0123456.cfg", "//example.com/gw//phone//805ec0123456.cfg"] {
            assert_eq!(phone(path), Some((None, file())), "{path}");
        }
        assert_eq!(phone("/example.com/gw/phone/tok/805ec0123456.cfg"), Some((Some("tok".into()), file())));
        assert_eq!(phone("/example.com/gw/phone/%74ok/805ec0123456%2ecfg"), Some((Some("tok".into()), file())));
    }

    #[test]
    fn no_name_leaves_its_place() {
        for path in [
            "/example.com/gw/phone/a%2fb",
            "/example.com/gw/phone/a%5Cb",
            "/example.com/gw/phone/a\\b",
            "/example.com/gw/phone/..",
            "/example.com/gw/phone/%2e%2e/x",
            "/example.com/gw/phone/../x",
            "/example.com/gw/phone/a%00",
            "/example.com/gw/phone/a%0d%0a",
            "/example.com/gw/phone/a%",
            "/example.com/gw/phone/a%zz",
            "/example.com/gw/phone/%ff",
            "/example.com/gw/phone/",
            "/example.com/gw/phone/abcdefghijklmnopqrstuvwxyz",
            "/example.com/gw/phone/abcdefghijklmnopqrstuvwxy%37/",
            "/example.com/gw/phone/a/b/c",
            "/example.com/gw/phone/a/b/c/d",
            "/",
            "/example.com",
        ] {
            assert_eq!(phone(path), None, "{path}");
        }
    }

    #[test]
    fn the_rest_is_pages() {
        assert_eq!(read("/healthz"), RequestTarget::Health);
        let RequestTarget::Instance { domain, name, below } = read("/example.com/gw/gangway-admin.htm") else {
            panic!()
        };
        assert_eq!((domain.as_ref(), name.as_ref()), ("example.com", "gw"));
        assert_eq!(below, Below::Page("gangway-admin.htm".into()));
        let RequestTarget::Instance { below, .. } = read("/example.com/gw/api//v1/a%2fb") else { panic!() };
        assert_eq!(below, Below::Api("v1/a%2fb".into()));
        let RequestTarget::Instance { below, .. } = read("/example.com/gw/") else { panic!() };
        assert_eq!(below, Below::Page(String::new()));
    }

    proptest::proptest! {
        #[test]
        fn no_path_panics_or_hides_a_slash(path in "(/[a-z0-9%./\\\\]{0,12}){0,6}") {
            if let Some((token, file)) = phone(&path) {
                proptest::prop_assert!(!file.contains('/') && file != "..");
                proptest::prop_assert!(token.is_none_or(|token| !token.contains('/')));
            }
        }
    }
}
