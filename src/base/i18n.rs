//! Sentences of time lines: a lasting key, its English text and what stands in the text's places. They are kept beside
//! the English sentence, so that a page shows them in its own language and everything else reads English.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::base::telemetry::escape_control;

/// A sentence with places in braces, e.g. `Configuration delivered to {source}.`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageTemplate {
    /// The lasting key, the same in all languages.
    pub key: &'static str,
    /// In English.
    pub english: &'static str,
}

impl MessageTemplate {
    /// With nothing in its places yet.
    #[must_use]
    pub fn said(self) -> Message {
        Message { key: Some(Cow::Borrowed(self.key)), english: Cow::Borrowed(self.english), params: Map::new() }
    }

    /// With something in its first place to fill.
    #[must_use]
    pub fn with(self, name: &'static str, value: impl Into<Value>) -> Message {
        self.said().with(name, value)
    }
}

/// Declares sentences once: their name in code, their key below a beginning they share, and their English text.
macro_rules! sayings {
    ($beginning:literal: $($name:ident = $key:literal, $english:expr;)+) => {
        $(pub(crate) const $name: $crate::base::i18n::MessageTemplate =
            $crate::base::i18n::MessageTemplate { key: concat!($beginning, $key), english: $english };)+
        /// All of them, for pages that check their translations.
        pub const SAYINGS: &[$crate::base::i18n::MessageTemplate] = &[$($name,)+];
    };
}
pub(crate) use sayings;

/// A sentence, ready to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Without one the sentence exists in English only, and nothing in it is a place.
    key: Option<Cow<'static, str>>,
    english: Cow<'static, str>,
    params: Map<String, Value>,
}

impl Message {
    /// One that exists in English only: what a service or a peer said.
    #[must_use]
    pub fn plain(sentence: impl Into<Cow<'static, str>>) -> Self {
        let sentence = escape_control::line(&sentence.into()).into_owned();
        Self { key: None, english: Cow::Owned(sentence), params: Map::new() }
    }

    /// One of a list that makes its keys itself.
    #[must_use]
    pub fn keyed(key: String, english: &'static str) -> Self {
        Self { key: Some(Cow::Owned(key)), english: Cow::Borrowed(english), params: Map::new() }
    }

    /// With something more in its places: data, never markup.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        // Names and answers come from outside; a time line shows them on one line.
        let value = match value.into() {
            Value::String(text) => Value::String(escape_control::line(&text).into_owned()),
            value => value,
        };
        self.params.insert(name.to_owned(), value);
        self
    }

    /// In English.
    #[must_use]
    pub fn text(&self) -> String {
        match self.key {
            Some(_) => filled(&self.english, |name| self.params.get(name)),
            None => self.english.clone().into_owned(),
        }
    }

    /// Key and parameters, as they are kept; nothing for a plain sentence.
    #[must_use]
    pub fn kept(&self) -> Option<String> {
        self.key.as_ref().map(|key| json!({ "key": key, "params": self.params }).to_string())
    }

    /// As a parameter of another sentence.
    #[must_use]
    pub fn nested(&self) -> Value {
        match &self.key {
            Some(key) => json!({ "key": key, "params": self.params, "text": self.text() }),
            None => Value::String(self.english.clone().into_owned()),
        }
    }
}

/// A template with its places filled in one pass: what stands in a parameter is never taken for a place of another one.
/// A parameter that is a sentence itself shows its English text; a place nobody fills stays as it is.
#[must_use]
pub fn filled<'a>(template: &str, param: impl Fn(&str) -> Option<&'a Value>) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, place)) = rest.split_once('{') {
        let Some((name, after)) = place.split_once('}') else { break };
        text.push_str(before);
        match param(name) {
            Some(Value::String(value)) => text.push_str(value),
            Some(value) => match value.get("text").and_then(Value::as_str) {
                Some(nested) => text.push_str(nested),
                None => text.push_str(&value.to_string()),
            },
            None => text.push_str(&format!("{{{name}}}")),
        }
        rest = after;
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const INNER: MessageTemplate = MessageTemplate { key: "a.inner", english: "{what} is away" };
    const OUTER: MessageTemplate = MessageTemplate { key: "a.outer", english: "{user}: {why}, {line}{gone}." };

    #[test]
    fn places_are_filled_once_and_sentences_stand_in_sentences() {
        let inner = INNER.with("what", "{user}");
        let said = OUTER.with("user", "<b>{why}</b>").with("why", inner.nested()).with("line", 3);
        assert_eq!(said.text(), "<b>{why}</b>: {user} is away, 3{gone}.");
        let kept: Value = serde_json::from_str(&said.kept().unwrap()).unwrap();
        assert_eq!((&kept["key"], &kept["params"]["why"]["key"]), (&"a.outer".into(), &"a.inner".into()));
        assert_eq!(kept["params"]["why"]["params"]["what"], "{user}");
    }

    #[test]
    fn a_sentence_is_one_line_whatever_stands_in_it() {
        let said = INNER.with("what", "a\nb\u{1b}[2J\u{202e}");
        assert_eq!(said.text(), "a\\nb\\u{1b}[2J\\u{202e} is away");
        assert!(OUTER.with("why", said.nested()).kept().unwrap().contains(r"a\\nb\\u{1b}"));
        assert_eq!(Message::plain("a\r\u{9b}").text(), "a\\r\\u{9b}");
    }

    #[test]
    fn what_somebody_else_said_stays_as_it_is() {
        let said = Message::plain("Sorry, {no}.");
        assert_eq!((said.text().as_str(), said.kept()), ("Sorry, {no}.", None));
        assert_eq!(said.nested(), Value::String("Sorry, {no}.".to_owned()));
    }
}
