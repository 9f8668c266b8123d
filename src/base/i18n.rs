//! Translatable messages of timelines: a stable key, the English text, and the parameters. The key and parameters are
//! stored together with the English text, so that pages can show the message in their language and everything else
//! shows English.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::base::telemetry::escape_control;

/// A message with placeholders in braces, e.g. `Configuration delivered to {source}.`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageTemplate {
    /// The stable key, identical in all languages.
    pub key: &'static str,
    /// The English text.
    pub english: &'static str,
}

impl MessageTemplate {
    /// The message without any parameters yet.
    #[must_use]
    pub fn said(self) -> Message {
        Message { key: Some(Cow::Borrowed(self.key)), english: Cow::Borrowed(self.english), params: Map::new() }
    }

    /// The message with a first parameter.
    #[must_use]
    pub fn with(self, name: &'static str, value: impl Into<Value>) -> Message {
        self.said().with(name, value)
    }
}

/// Declares message templates: the constant, the key below a common prefix, and the English text.
macro_rules! sayings {
    ($beginning:literal: $($name:ident = $key:literal, $english:expr;)+) => {
        $(pub(crate) const $name: $crate::base::i18n::MessageTemplate =
            $crate::base::i18n::MessageTemplate { key: concat!($beginning, $key), english: $english };)+
        /// All templates, so that pages can check their translations.
        pub const SAYINGS: &[$crate::base::i18n::MessageTemplate] = &[$($name,)+];
    };
}
pub(crate) use sayings;

/// A message with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `None` if the message exists in English only. Its text then has no placeholders.
    key: Option<Cow<'static, str>>,
    english: Cow<'static, str>,
    params: Map<String, Value>,
}

impl Message {
    /// An untranslated message, such as the text of a service or a peer.
    #[must_use]
    pub fn plain(sentence: impl Into<Cow<'static, str>>) -> Self {
        let sentence = escape_control::line(&sentence.into()).into_owned();
        Self { key: None, english: Cow::Owned(sentence), params: Map::new() }
    }

    /// A message from a list that generates its keys.
    #[must_use]
    pub fn keyed(key: String, english: &'static str) -> Self {
        Self { key: Some(Cow::Owned(key)), english: Cow::Borrowed(english), params: Map::new() }
    }

    /// Adds a parameter. Parameters are data, never markup.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        // Names and responses are untrusted, and a timeline shows each on one line.
        let value = match value.into() {
            Value::String(text) => Value::String(escape_control::line(&text).into_owned()),
            value => value,
        };
        self.params.insert(name.to_owned(), value);
        self
    }

    /// The English text.
    #[must_use]
    pub fn text(&self) -> String {
        match self.key {
            Some(_) => filled(&self.english, |name| self.params.get(name)),
            None => self.english.clone().into_owned(),
        }
    }

    /// Key and parameters in the stored form; `None` for a plain message.
    #[must_use]
    pub fn kept(&self) -> Option<String> {
        self.key.as_ref().map(|key| json!({ "key": key, "params": self.params }).to_string())
    }

    /// The message as a parameter of another message.
    #[must_use]
    pub fn nested(&self) -> Value {
        match &self.key {
            Some(key) => json!({ "key": key, "params": self.params, "text": self.text() }),
            None => Value::String(self.english.clone().into_owned()),
        }
    }
}

/// Fills in the placeholders of a template in one pass, so that the text of a parameter is never parsed for
/// placeholders. A parameter that is itself a message is shown as its English text; a placeholder without a parameter
/// stays unchanged.
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
