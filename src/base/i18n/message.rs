//! A message and how its placeholders are filled in.

use std::borrow::Cow;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value, json};

use super::texts::english;
use crate::base::telemetry::escape_control;

/// The key of texts from elsewhere, such as the answer of a service. They exist in one language only.
const PLAIN: MessageKey = MessageKey("said");
/// The parameter of a plain message.
const SENTENCE: &str = "sentence";

/// The stable key of a text, identical in all languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageKey(pub &'static str);

impl MessageKey {
    /// A message without parameters.
    #[must_use]
    pub fn message(self) -> Message {
        Message::new(self.0)
    }

    /// A message with a first parameter.
    #[must_use]
    pub fn with(self, name: &'static str, value: impl Into<Value>) -> Message {
        self.message().with(name, value)
    }

    /// The English text with its placeholders.
    #[must_use]
    pub fn english(self) -> &'static str {
        english(self.0).unwrap_or(self.0)
    }
}

/// A message for users. Serialized as `{"key", "params", "text"}`, where `text` is the English text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    key: Cow<'static, str>,
    params: Map<String, Value>,
}

impl Message {
    /// A message without parameters.
    #[must_use]
    pub fn new(key: impl Into<Cow<'static, str>>) -> Self {
        Self { key: key.into(), params: Map::new() }
    }

    pub(super) fn with_params(key: &'static str, params: Map<String, Value>) -> Self {
        Self { key: key.into(), params }
    }

    /// A message that is not translated, such as the answer of a service or a peer.
    #[must_use]
    pub fn plain(sentence: impl std::fmt::Display) -> Self {
        PLAIN.message().with(SENTENCE, sentence.to_string())
    }

    /// Adds a parameter. Parameters are data, never markup. Control characters are escaped, because names and answers
    /// come from outside; line feeds stay, because errors of templates have several lines.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        let value = match value.into() {
            Value::String(text) => Value::String(escape_control::lines(&text).into_owned()),
            value => value,
        };
        self.params.insert(name.to_owned(), value);
        self
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// A parameter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&Value> {
        self.params.get(name)
    }

    /// The parameters by name.
    #[must_use]
    pub fn params(&self) -> &Map<String, Value> {
        &self.params
    }

    /// The English text. A key without a text is returned itself.
    #[must_use]
    pub fn english(&self) -> String {
        filled(english(&self.key).unwrap_or(&self.key), |name| self.params.get(name))
    }

    /// The English text on one line, for timelines and logs.
    #[must_use]
    pub fn line(&self) -> String {
        escape_control::line(&self.english()).into_owned()
    }

    /// Key and parameters in the form that timelines store; `None` for a plain message.
    #[must_use]
    pub fn stored(&self) -> Option<String> {
        (self.key != PLAIN.0).then(|| json!({ "key": self.key, "params": self.params }).to_string())
    }

    /// The message as a parameter of another message.
    #[must_use]
    pub fn nested(&self) -> Value {
        if let (true, Some(sentence)) = (self.key == PLAIN.0, self.params.get(SENTENCE)) {
            return sentence.clone();
        }
        json!({ "key": self.key, "params": self.params, "text": self.english() })
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("key", &self.key)?;
        map.serialize_entry("params", &self.params)?;
        map.serialize_entry("text", &self.english())?;
        map.end()
    }
}

/// Fills in the placeholders of a text in one pass, so that a parameter is never parsed for placeholders. A parameter
/// that is itself a message is shown as its English text; a placeholder without a parameter stays unchanged.
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

    const INNER: MessageKey = MessageKey("happened.person");
    const OUTER: MessageKey = MessageKey("happened.orphaned");

    #[test]
    fn placeholders_are_filled_once_and_messages_stand_in_messages() {
        let inner = INNER.with("deed", "{name}").with("name", "root");
        assert_eq!(inner.english(), "{name}, by root.");
        let outer = OUTER.with("user", "<b>{sentence}</b>").with("sentence", inner.nested());
        assert_eq!(outer.english(), "Account of <b>{sentence}</b>: {name}, by root.");
        let stored: Value = serde_json::from_str(&outer.stored().unwrap()).unwrap();
        assert_eq!(stored["params"]["sentence"]["key"], INNER.0);
        assert_eq!(serde_json::to_value(&outer).unwrap(), outer.nested());
        assert_eq!(Message::plain("hm").nested(), Value::from("hm"));
        let text = |name: &str| filled("{a}, {b}{c}.", |key| (key == name).then_some(&Value::Null));
        assert_eq!(text("b"), "{a}, null{c}.");
    }

    #[test]
    fn control_characters_are_escaped() {
        let message = INNER.with("deed", "a\nb\u{1b}[2J\u{202e}").with("name", "x");
        assert_eq!(message.english(), "a\nb\\u{1b}[2J\\u{202e}, by x.");
        assert_eq!(message.line(), "a\\nb\\u{1b}[2J\\u{202e}, by x.");
    }

    #[test]
    fn a_plain_message_is_never_parsed_for_placeholders() {
        let plain = Message::plain("a {sentence} with <b>braces</b> }{");
        assert_eq!((plain.english().as_str(), plain.stored()), ("a {sentence} with <b>braces</b> }{", None));
        assert_eq!(Message::new("no.such.key").english(), "no.such.key");
        let json = serde_json::to_value(&plain).unwrap();
        assert_eq!((&json["key"], &json["text"]), (&"said".into(), &json["params"]["sentence"]));
    }
}
