//! Finds the message of an English sentence.
//!
//! Records and errors hold English sentences. A page in another language needs key and parameters. The texts below
//! `error.` are the sentences of errors, so a sentence is compared with them. The part that matches a
//! placeholder is the parameter. A parameter may be such a sentence itself.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::{
    message::Message,
    texts::{english, keys},
};

/// Keys of texts that are compared. Those below `happened.` only where they have no placeholders.
const ERRORS: &str = "error.";
const TIMELINE: &str = "happened.";
/// Two sentences, one after the other.
const BOTH: &str = "error.both";
/// The number of sentences within sentences that are looked into.
const DEPTH: usize = 4;

/// A text, divided at its placeholders.
struct Template {
    key: &'static str,
    /// The text before the first placeholder.
    start: &'static str,
    /// The name of each placeholder and the text after it.
    rest: Vec<(&'static str, &'static str)>,
}

impl Template {
    fn new(key: &'static str) -> Option<Self> {
        let text = english(key)?;
        let mut pieces = text.split('{');
        let start = pieces.next()?;
        let rest: Vec<_> = pieces.filter_map(|piece| piece.split_once('}')).collect();
        let compared = key.starts_with(ERRORS) && key != BOTH || key.starts_with(TIMELINE) && rest.is_empty();
        compared.then_some(Self { key, start, rest })
    }

    /// The number of bytes that must be equal.
    fn literal(&self) -> usize {
        self.start.len() + self.rest.iter().map(|(_, after)| after.len()).sum::<usize>()
    }

    fn params<'s>(&self, sentence: &'s str) -> Option<Vec<(&'static str, &'s str)>> {
        let mut left = sentence.strip_prefix(self.start)?;
        let mut params = Vec::with_capacity(self.rest.len());
        for (place, (name, after)) in self.rest.iter().enumerate() {
            let is_last = place + 1 == self.rest.len();
            let (value, behind) = match is_last {
                true => (left.strip_suffix(after)?, ""),
                false => left.split_once(after)?,
            };
            params.push((*name, value));
            left = behind;
        }
        left.is_empty().then_some(params)
    }
}

/// Texts with more literal characters come first, because they say more about a sentence.
static TEMPLATES: LazyLock<Vec<Template>> = LazyLock::new(|| {
    let mut templates: Vec<Template> = keys().filter_map(Template::new).collect();
    templates.sort_by_key(|template| std::cmp::Reverse(template.literal()));
    templates
});

/// The message of an English sentence; a plain message if no text matches.
#[must_use]
pub fn message_of(sentence: &str) -> Message {
    find(sentence, DEPTH).unwrap_or_else(|| Message::plain(sentence))
}

fn find(sentence: &str, depth: usize) -> Option<Message> {
    let depth = depth.checked_sub(1)?;
    let whole = TEMPLATES.iter().find_map(|template| Some((template.key, template.params(sentence)?)));
    if let Some((key, params)) = whole {
        let nested = |value: &str| find(value, depth).map_or_else(|| Value::from(value), |inner| inner.nested());
        let params: Map<String, Value> =
            params.into_iter().map(|(name, value)| (name.to_owned(), nested(value))).collect();
        return Some(Message::with_params(key, params));
    }
    sentence.match_indices(". ").take(DEPTH).find_map(|(at, _)| {
        let (first, second) = (find(&sentence[..=at], depth)?, find(&sentence[at + 2..], depth)?);
        Some(Message::new(BOTH).with("first", first.nested()).with("second", second.nested()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_leads_back_to_its_key_and_parameters() {
        let inner = "the answer of https://a.example:1 is larger than 5 bytes, reading was stopped: check that the address is the right one";
        let message = message_of(&format!("The redirect service was not reached: {inner}."));
        assert_eq!(message.key(), "error.redirect.not-reached");
        let nested = message.param("error").unwrap();
        assert_eq!((&nested["key"], &nested["params"]["limit"]), (&"error.http.too-large".into(), &"5".into()));
        assert_eq!(message.english(), format!("The redirect service was not reached: {inner}."));
        let two =
            "Done. The server name asked for belongs to another customer of the vendor, so the entry is called 'x'.";
        let message = message_of(two);
        assert_eq!((message.key(), message.english().as_str()), (BOTH, two));
        assert_eq!(message_of("What a service said.").stored(), None);
    }

    proptest::proptest! {
        #[test]
        fn the_english_text_stays_the_same(sentence in "(the PBX refused: |\\{|\\}|Done\\. |nothing was sent to |: |[a-z .]{0,9}){0,6}") {
            proptest::prop_assert_eq!(message_of(&sentence).english(), sentence);
        }
    }
}
