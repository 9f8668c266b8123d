//! Aliases for names that a bundle must not contain. The same original has the same alias in every bundle of a gateway.
//! Aliases are from a keyed hash, so that names cannot be guessed without the gateway's key.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::LazyLock,
};

use gangway_base::mac::Mac;
use hmac::{Hmac, KeyInit as _, Mac as _};
use regex::Regex;
use sha2::Sha256;

use super::{
    escapings::{ends_an_escape, spellings_in_any_case},
    matcher::{Matcher, Span, Where, stands_alone},
};

/// The kind of original. The alias starts with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OriginalKind {
    /// A login of a user or a service account.
    User,
    /// A long name, or the label of a key.
    Name,
    /// A phone number.
    Number,
    /// A MAC address, in any notation.
    Phone,
    /// A host name or a domain.
    Host,
}

impl OriginalKind {
    /// All of them.
    #[cfg(test)]
    pub const ALL: [Self; 5] = [Self::User, Self::Name, Self::Number, Self::Phone, Self::Host];

    fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Name => "name",
            Self::Number => "number",
            Self::Phone => "phone",
            Self::Host => "host",
        }
    }
}

/// The known originals in lower case, each with the forms in which it is written. The first kind of an original is
/// kept.
#[derive(Debug, Default)]
pub struct KnownOriginals(BTreeMap<String, (OriginalKind, BTreeSet<String>)>);

impl KnownOriginals {
    /// Adds an original. IP addresses are ignored. A MAC is always a phone, regardless of `kind`. A host adds its
    /// domain as well.
    pub fn add(&mut self, kind: OriginalKind, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        if let Ok(mac) = text.parse::<Mac>() {
            let digits = mac.to_string();
            self.insert(OriginalKind::Phone, &digits);
            let (first, last) = digits.split_at(digits.len() / 2);
            let halves = format!("{first}-{last}");
            if let Some((_, ways)) = self.0.get_mut(&digits) {
                ways.insert(halves);
            }
            return;
        }
        if kind != OriginalKind::Host {
            self.insert(kind, text);
            return;
        }
        let host = text.trim_end_matches('.');
        if host.is_empty() || host.parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost") {
            return;
        }
        if let Some((_, domain)) = host.split_once('.').filter(|(_, domain)| domain.contains('.')) {
            self.insert(OriginalKind::Host, domain);
        }
        self.insert(OriginalKind::Host, host);
    }

    fn insert(&mut self, kind: OriginalKind, text: &str) {
        let (_, ways) = self.0.entry(text.to_lowercase()).or_insert_with(|| (kind, BTreeSet::new()));
        ways.insert(text.to_owned());
    }

    /// Adds the host in a URL or in `host:port`.
    pub fn add_host_of(&mut self, text: &str) {
        let authority = text.split_once("://").map_or(text, |(_, rest)| rest);
        let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        let is_v6 = host.starts_with('[') || host.matches(':').count() > 1;
        if !is_v6 {
            self.add(OriginalKind::Host, host.split(':').next().unwrap_or_default());
        }
    }

    /// Iterates over all originals, in lower case.
    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = (&str, OriginalKind)> {
        self.0.iter().map(|(text, (kind, _))| (text.as_str(), *kind))
    }
}

/// Replaces originals with aliases.
pub struct Pseudonyms {
    key: [u8; 32],
    search: Matcher<usize>,
    aliases: Vec<(OriginalKind, String)>,
}

/// Every notation of a possible MAC address. Bare digits are checked for their number afterwards.
static MACS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        "(?i)[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}|[0-9a-f]{2}(?:%3a[0-9a-f]{2}){5}|[0-9a-f]{4}[.][0-9a-f]{4}[.][0-9a-f]{4}\
         |[0-9a-f]{6}-[0-9a-f]{6}|[0-9a-f]{12,}",
    )
    .ok()
});

impl Pseudonyms {
    /// Creates aliases for these originals and for all MAC addresses.
    ///
    /// # Errors
    /// If they exceed the memory limit of the search.
    pub fn new(key: [u8; 32], names: &KnownOriginals) -> Result<Self, aho_corasick::BuildError> {
        let mut aliases = Vec::new();
        let mut texts = Vec::new();
        for (place, (text, (kind, ways))) in names.0.iter().enumerate() {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            let counts = match kind {
                OriginalKind::Phone => Where::Anywhere,
                _ if is_number => Where::Number,
                _ => Where::Word,
            };
            aliases.push((*kind, alias(&key, *kind, text)));
            let spellings: BTreeSet<String> = ways.iter().flat_map(|way| spellings_in_any_case(way)).collect();
            texts.extend(spellings.into_iter().map(|spelling| (spelling, counts, place)));
        }
        Ok(Self { key, search: Matcher::new(texts, true)?, aliases })
    }

    /// Returns the alias of an original, whether or not it is known.
    #[must_use]
    pub fn of(&self, kind: OriginalKind, text: &str) -> String {
        alias(&self.key, kind, &text.trim().to_lowercase())
    }

    /// Returns the positions of originals and the alias of each.
    pub(super) fn spans(&self, text: &str) -> Vec<Span<String>> {
        let named = self.search.spans(text).into_iter().filter_map(|span| {
            let (kind, alias) = self.aliases.get(span.meaning)?;
            let start =
                if *kind == OriginalKind::Host { start_of_host(text, span.range.start) } else { span.range.start };
            let range = start..span.range.end;
            let alias = match start == span.range.start {
                true => alias.clone(),
                // A different host in a known domain.
                false => self.of(OriginalKind::Host, text.get(range.clone())?),
            };
            Some(Span { range, meaning: alias })
        });
        let mut spans: Vec<_> = named.collect();
        spans.extend(self.macs(text));
        spans
    }

    /// Finds MAC addresses of unknown phones.
    fn macs(&self, text: &str) -> Vec<Span<String>> {
        let Some(macs) = &*MACS else { return Vec::new() };
        let judged = macs.find_iter(text).filter_map(|found| {
            let mut range = found.range();
            let is_bare = found.as_str().bytes().all(|byte| byte.is_ascii_hexdigit());
            // The two preceding digits belong to an escape.
            let behind = range.start + 2;
            if is_bare && range.len() == 14 && text.get(..behind).is_some_and(ends_an_escape) {
                range.start = behind;
            }
            // Digits with few or no separators also occur in times, hashes, and numbers.
            let few = is_bare || range.len() <= 14;
            let in_halves = range.len() == 13;
            if few && !stands_alone(text, &range)
                || is_bare && range.len() != 12
                || in_halves && !found.as_str().contains(|c: char| c.is_ascii_alphabetic())
            {
                return None;
            }
            let spelled = text.get(range.clone())?.to_lowercase().replace("%3a", ":");
            let mac: Mac = spelled.parse().ok()?;
            Some(Span { range, meaning: self.of(OriginalKind::Phone, &mac.to_string()) })
        });
        judged.collect()
    }
}

/// Returns the start of the host name that ends with the match.
fn start_of_host(text: &str, found: usize) -> usize {
    let before = text.get(..found).unwrap_or_default();
    if !before.ends_with('.') {
        return found;
    }
    let label = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut start = before.trim_end_matches(label).len();
    if before.get(start..start + 2).is_some() && before.get(..start).is_some_and(|text| text.ends_with('%')) {
        start += 2;
    }
    // The dot may be the end of a sentence before the name.
    if before.get(start..).is_some_and(|labels| labels.trim_matches('.').is_empty()) { found } else { start }
}

/// 40 bits of a keyed hash in base32.
fn alias(key: &[u8; 32], kind: OriginalKind, text: &str) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let word = kind.word();
    // HMAC accepts keys of any length, so this error cannot occur.
    let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(key) else { return word.to_owned() };
    hmac.update(word.as_bytes());
    hmac.update(&[0]);
    hmac.update(text.as_bytes());
    let hash = hmac.finalize().into_bytes();
    let bits = hash.iter().take(5).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let digits = (0..8).rev().map(|place| {
        let index = usize::try_from(bits >> (5 * place) & 31).unwrap_or_default();
        char::from(ALPHABET[index])
    });
    format!("{word}-{}", digits.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    #[test]
    fn one_original_has_one_alias_in_every_spelling() {
        let aliases = Pseudonyms::new(KEY, &KnownOriginals::default()).unwrap();
        let text = "80:5e:c0:12:34:56 80-5E-C0-12-34-56 805e.c012.3456 805ec0-123456 805EC0123456 /805ec0123456.cfg \
                    80%3A5e%3ac0%3A12%3A34%3A56 x%2F805ec0123456";
        let spans = aliases.spans(text);
        assert_eq!(spans.len(), 8, "{spans:?}");
        assert!(spans.iter().all(|span| span.meaning == aliases.of(OriginalKind::Phone, "805ec0123456")), "{spans:?}");
        assert!(aliases.spans("d5b1f5c0805ec0123456aa 0123456789ab7 10:11:12 2001:db8::1").is_empty());
        assert!(aliases.spans("x-20261121-180314.zip 261121-180314 a00413.c012.3456").is_empty());
    }

    #[test]
    fn another_key_or_kind_makes_another_alias() {
        let of = |key, kind| alias(&key, kind, "anna");
        assert_eq!(of(KEY, OriginalKind::User), of(KEY, OriginalKind::User));
        assert_ne!(of(KEY, OriginalKind::User), of([8; 32], OriginalKind::User));
        assert_ne!(of(KEY, OriginalKind::User)[5..], of(KEY, OriginalKind::Name)[5..]);
        assert_eq!(of(KEY, OriginalKind::Host).len(), "host-".len() + 8);
    }

    #[test]
    fn hosts_of_a_domain_are_hosts_of_the_customer() {
        let mut names = KnownOriginals::default();
        names.add(OriginalKind::Host, "pbx.example.com");
        for none in ["192.0.2.1", "::1", "localhost", " "] {
            names.add(OriginalKind::Host, none);
        }
        names.add_host_of("https://user:p@gw.customer.net:8443/d/i/");
        names.add_host_of("[2001:db8::1]:80");
        let known: Vec<&str> = names.iter().map(|(text, _)| text).collect();
        assert_eq!(known, ["customer.net", "example.com", "gw.customer.net", "pbx.example.com"]);
        let aliases = Pseudonyms::new(KEY, &names).unwrap();
        let hosts = |text: &str| -> Vec<String> {
            super::super::matcher::leftmost_longest(aliases.spans(text))
                .iter()
                .map(|span| text[span.range.clone()].to_owned())
                .collect()
        };
        assert_eq!(
            hosts("at PBX.Example.com, mail.example.com: down. example.com"),
            ["PBX.Example.com", "mail.example.com", "example.com"]
        );
        assert_eq!(hosts("sip%3Aanna%40pbx.example.com"), ["pbx.example.com"]);
        assert_eq!(
            hosts("https://x.customer.net/example.com/gangway example.community"),
            ["x.customer.net", "example.com"]
        );
    }
}
