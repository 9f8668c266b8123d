//! A message for users: a key and parameters, which a page shows in its own language, and the English text for logs and
//! programs. Parameters are data and never contain markup.

use std::borrow::Cow;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json};

use super::english;
use crate::base::i18n::filled;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    key: Cow<'static, str>,
    params: Vec<(&'static str, Value)>,
}

impl Text {
    /// Creates a message without parameters.
    #[must_use]
    pub fn new(key: impl Into<Cow<'static, str>>) -> Self {
        Self { key: key.into(), params: Vec::new() }
    }

    /// Creates a message that exists in English only, from a store, a service, or a check.
    #[must_use]
    pub fn said(sentence: impl std::fmt::Display) -> Self {
        Self::new("said").with("sentence", sentence.to_string())
    }

    /// Adds a parameter.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.params.push((name, value.into()));
        self
    }

    /// Converts the message to a parameter of another one.
    #[must_use]
    pub fn nested(&self) -> Value {
        let params: serde_json::Map<String, Value> =
            self.params.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        json!({ "key": self.key, "params": params, "text": self.english() })
    }

    /// Returns the key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns a parameter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&Value> {
        self.params.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Returns the English text. A key without an English text is returned itself.
    #[must_use]
    pub fn english(&self) -> String {
        filled(english::template(&self.key).unwrap_or(&self.key), |name| self.param(name))
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("key", &self.key)?;
        let params: serde_json::Map<String, Value> =
            self.params.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        map.serialize_entry("params", &params)?;
        map.serialize_entry("text", &self.english())?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_put_in_once_and_never_read_as_places() {
        let text = Text::said("a {sentence} with <b>braces</b> }{");
        assert_eq!(text.english(), "a {sentence} with <b>braces</b> }{");
        assert_eq!(Text::new("no.such.key").english(), "no.such.key");
        let json = serde_json::to_value(&text).unwrap();
        assert_eq!((&json["key"], &json["text"]), (&"said".into(), &json["params"]["sentence"]));
    }
}
