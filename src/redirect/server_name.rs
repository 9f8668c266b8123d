//! Names of server entries. They are unique over all customers of a vendor, and an entry cannot be edited, so a changed
//! URL needs another name.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// Maximum length at services that limit it. The original app uses this many characters of the domain.
const LONGEST: usize = 24;
/// Maximum length before the suffix of `-` and eight hex digits.
const STEM: usize = 15;

/// The name of the entry for `url`.
///
/// `previous` is the current entry (name, URL); `configured` is an administrator's choice instead of the domain. The
/// first entry is named after the first 24 characters of the domain. When the URL has changed, the name consists of the
/// first 15 characters, `-`, and eight hex digits of the URL's hash.
#[must_use]
pub fn server_name(domain: &str, url: &str, previous: Option<(&str, &str)>, configured: Option<&str>) -> String {
    let base = configured.map(str::trim).filter(|name| !name.is_empty()).unwrap_or(domain);
    let first = fit(base, LONGEST);
    match previous {
        None => first,
        Some((name, old)) if old == url => {
            // Replace a name from an earlier setting; keep a name derived from the current one.
            let ours = name == first || name.starts_with(&format!("{}-", fit(base, STEM)));
            if ours { name.to_owned() } else { first }
        }
        Some(_) => with_hash(base, url),
    }
}

/// Another name for the same URL, for the case that `name` belongs to another customer. `attempt` starts at 1.
#[must_use]
pub fn alternative_name(name: &str, url: &str, attempt: u32) -> String {
    with_hash(name, &format!("{url}|{name}|{attempt}"))
}

fn with_hash(base: &str, text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    format!("{}-{}", fit(base, STEM), HEXLOWER.encode(&digest[..4]))
}

/// At most `count` allowed characters, with others replaced; never empty and without spaces at the ends.
fn fit(text: &str, count: usize) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    let name: String = text.trim().chars().map(|c| if allowed(c) { c } else { '-' }).take(count).collect();
    let name = name.trim();
    if name.is_empty() { "gangway".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://gw.example.com/example.com/gangway/phone/";

    #[test]
    fn the_first_name_is_the_beginning_of_the_domain() {
        assert_eq!(server_name("example.com", URL, None, None), "example.com");
        assert_eq!(server_name("a-very-long-domain.branch.example.com", URL, None, None), "a-very-long-domain.branc");
        assert_eq!(server_name("example.com", URL, None, Some("my name")), "my name");
        assert_eq!(server_name("example.com", URL, None, Some("  ")), "example.com");
        assert_eq!(server_name("müller.example", URL, None, None), "m-ller.example");
        assert_eq!(server_name("", URL, None, None), "gangway");
    }

    #[test]
    fn another_url_needs_another_name() {
        let moved = server_name("communications.example", "https://new/", Some(("communications.example", URL)), None);
        assert_eq!(moved.len(), 24);
        assert!(moved.starts_with("communications.-"), "{moved}");
        assert_eq!(server_name("communications.example", "https://new/", Some((&moved, "https://new/")), None), moved);
        let back = server_name("communications.example", URL, Some((&moved, "https://new/")), None);
        assert_ne!(back, "communications.example", "that entry may be gone or somebody else's by now");
        assert_ne!(back, moved);
    }

    #[test]
    fn another_setting_is_another_name() {
        assert_eq!(server_name("example.com", URL, Some(("example.com", URL)), Some("other")), "other");
        assert_eq!(server_name("example.com", URL, Some(("other", URL)), None), "example.com");
        let own = alternative_name("example.com", URL, 1);
        assert_eq!(server_name("example.com", URL, Some((&own, URL)), None), own, "an alternative name is kept");
    }

    proptest::proptest! {
        #[test]
        fn every_name_is_allowed(domain in ".{0,60}", url in ".{0,60}", configured in proptest::option::of(".{0,40}")) {
            let first = server_name(&domain, &url, None, configured.as_deref());
            let moved = server_name(&domain, &url, Some((&first, "old")), configured.as_deref());
            let other = alternative_name(&first, &url, 1);
            for name in [&first, &moved, &other] {
                proptest::prop_assert!((1..=24).contains(&name.len()));
                let allowed = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
                proptest::prop_assert!(name.chars().all(allowed) && name.trim() == name.as_str());
            }
        }
    }
}
