//! The last step for every text of a bundle: masks known secrets and replaces originals with aliases.
//!
//! Secrets are also masked by their kind where they are written (settings, configuration, files). This step
//! additionally covers logs from other sources.

use gangway_base::secret::Secret;
use serde_json::Value;

use super::{
    escapings::spellings,
    matcher::{Matcher, Span, Where, leftmost_longest},
    pseudonyms::{OriginalKind, Pseudonyms},
};
use crate::base::telemetry::redact;

/// Minimum length of a secret. Shorter ones would match everywhere by chance.
const SHORTEST: usize = 4;
/// From this length on, secrets are masked within a word as well.
const LONG: usize = 8;
const BLOT: &str = "***";

/// Removes secrets and names from a bundle.
pub struct Redaction {
    secrets: Matcher<()>,
    aliases: Option<Pseudonyms>,
}

impl Redaction {
    /// Creates a redaction of these secrets. Without `aliases`, names are kept.
    ///
    /// # Errors
    /// If they exceed the memory limit of the search.
    pub fn new(secrets: &[Secret], aliases: Option<Pseudonyms>) -> Result<Self, aho_corasick::BuildError> {
        let texts = secrets.iter().map(Secret::expose).filter(|secret| secret.len() >= SHORTEST).flat_map(|secret| {
            let place = if secret.len() >= LONG { Where::Anywhere } else { Where::Word };
            spellings(secret).into_iter().map(move |spelling| (spelling, place, ()))
        });
        Ok(Self { secrets: Matcher::new(texts, false)?, aliases })
    }

    /// Returns the redacted text.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        // Mask all credentials and tokens in URLs, including unknown ones.
        let text = &redact::urls(text);
        let mut spans = self.secret_spans(text);
        if let Some(aliases) = &self.aliases {
            let free = aliases.spans(text).into_iter().filter(|span| {
                let place = spans.partition_point(|secret| secret.range.end <= span.range.start);
                spans.get(place).is_none_or(|secret| secret.range.start >= span.range.end)
            });
            let free = leftmost_longest(free.collect());
            spans.extend(free);
            spans.sort_by_key(|span| span.range.start);
        }
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for span in spans {
            out.push_str(text.get(done..span.range.start).unwrap_or_default());
            out.push_str(&span.meaning);
            done = span.range.end;
        }
        out.push_str(text.get(done..).unwrap_or_default());
        out
    }

    /// Returns all secrets in the text; overlapping ones are merged.
    fn secret_spans(&self, text: &str) -> Vec<Span<String>> {
        let mut found = self.secrets.spans(text);
        found.sort_by_key(|span| span.range.start);
        let mut secret_spans: Vec<Span<String>> = Vec::new();
        for span in found {
            match secret_spans.last_mut() {
                Some(last) if span.range.start < last.range.end => {
                    last.range.end = last.range.end.max(span.range.end);
                }
                _ => secret_spans.push(Span { range: span.range, meaning: BLOT.to_owned() }),
            }
        }
        secret_spans
    }

    /// Redacts every text in a JSON value.
    #[must_use]
    pub fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(list) => list.into_iter().map(|value| self.value(value)).collect(),
            Value::Object(object) => object.into_iter().map(|(name, value)| (name, self.value(value))).collect(),
            other => other,
        }
    }

    /// Returns the name of an original in the bundle.
    #[must_use]
    pub fn called(&self, kind: OriginalKind, text: &str) -> String {
        match &self.aliases {
            Some(aliases) => aliases.of(kind, text),
            None => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use regex::Regex;

    use super::*;
    use crate::service::diagnostics::pseudonyms::KnownOriginals;

    fn redaction(secrets: &[&str], names: &[(OriginalKind, String)]) -> Redaction {
        let mut known = KnownOriginals::default();
        for (kind, text) in names {
            known.add(*kind, text);
        }
        let secrets: Vec<Secret> = secrets.iter().map(|secret| Secret::new(*secret)).collect();
        Redaction::new(&secrets, Some(Pseudonyms::new([1; 32], &known).unwrap())).unwrap()
    }

    /// Returns the text without masks and aliases.
    fn without_aliases(text: &str) -> String {
        static ALIAS: LazyLock<Regex> =
            LazyLock::new(|| Regex::new("(user|name|number|phone|host)-[a-z2-7]{8}").unwrap());
        ALIAS.replace_all(text, "\u{1}").into_owned()
    }

    #[test]
    fn secrets_go_before_names_and_names_get_aliases() {
        let names = [(OriginalKind::User, "anna".to_owned()), (OriginalKind::Name, "Anna Muster".to_owned())];
        let redaction = redaction(&["anna-hunter2", "1234"], &names);
        let alias = |kind, text| redaction.called(kind, text);
        let (user, name) = (alias(OriginalKind::User, "anna"), alias(OriginalKind::Name, "anna muster"));
        assert_eq!(
            redaction.text("anna: Anna Muster, xanna-hunter2x PIN 1234 12345 https://u:p@h/phone/tok/f"),
            format!("{user}: {name}, x***x PIN *** 12345 https://***@h/phone/***/f")
        );
        let value = serde_json::json!({ "anna": ["anna", 1234, { "x": "ANNA" }] });
        assert_eq!(redaction.value(value), serde_json::json!({ "anna": [user, 1234, { "x": user }] }));
    }

    #[test]
    fn with_names_only_secrets_go() {
        let redaction = Redaction::new(&[Secret::new("hunter22")], None).unwrap();
        assert_eq!(redaction.text("anna 805ec0123456 hunter22"), "anna 805ec0123456 ***");
    }

    fn original() -> impl Strategy<Value = (OriginalKind, String)> {
        let text = prop_oneof![
            "[a-z]{1,8}(\\.[a-z]{1,6})?",
            "[A-ZÄÖa-zéß]{1,8} [A-Za-zü&<>\"']{1,8}",
            "[0-9]{1,6}",
            "[a-z]{2,6}\\.[a-z]{2,6}\\.(com|net)",
            "805ec0[0-9a-f]{6}",
            "[王芳李]{2,3}",
        ];
        (prop::sample::select(OriginalKind::ALL.to_vec()), text)
    }

    /// Returns the text in one of several escaped forms.
    fn written(text: &str, way: u8) -> String {
        let mac = text.parse::<gangway_base::mac::Mac>().ok();
        match (way % 7, mac) {
            (0, Some(mac)) => mac.spelled(":"),
            (1, Some(mac)) => mac.spelled("-").to_lowercase(),
            (2, Some(mac)) => mac.spelled(":").replace(':', "%3A"),
            (0, None) => text.to_uppercase(),
            (1, None) => serde_json::to_string(text).unwrap(),
            (2, None) => url::form_urlencoded::byte_serialize(text.as_bytes()).collect(),
            (3, _) => quick_xml::escape::escape(text).into_owned(),
            (4, _) => format!("{text:?}"),
            _ => text.to_owned(),
        }
    }

    proptest! {
        #[test]
        fn no_original_is_left(
            originals in prop::collection::vec(original(), 1..8),
            message in prop::collection::vec((any::<prop::sample::Index>(), 0..7_u8, "[=<>\"'/,;(\\[]{1,3}"), 1..20),
        ) {
            let redaction = redaction(&[], &originals);
            let mut text = String::new();
            for (which, way, between) in &message {
                text += &written(&which.get(&originals).1, *way);
                text += between;
            }
            let left = without_aliases(&redaction.text(&text)).to_lowercase();
            // Only the separators must be left.
            prop_assert!(!left.contains(char::is_alphanumeric), "{:?} left of {:?}", left, text);
            for (_, original) in &originals {
                prop_assert!(!left.contains(&original.to_lowercase()), "{original} in {left}");
            }
        }

        #[test]
        fn no_text_panics_it(text: String, names in prop::collection::vec(("\\PC{1,6}", 0..5_usize), 0..4)) {
            let names: Vec<_> = names.into_iter().map(|(text, kind)| (OriginalKind::ALL[kind], text)).collect();
            let _ = redaction(&["\u{e9}secret"], &names).text(&text);
        }
    }
}
