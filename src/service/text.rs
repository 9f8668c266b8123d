//! A sentence for people: a key and parameters, which a page shows in its own language, and the English rendering for
//! logs and programs. Parameters are data; nothing here is ever markup.

use std::borrow::Cow;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json};

use super::english;
use crate::base::i18n::filled;

/// One sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    key: Cow<'static, str>,
    params: Vec<(&'static str, Value)>,
}

impl Text {
    /// Without parameters.
    #[must_use]
    pub fn new(key: impl Into<Cow<'static, str>>) -> Self {
        Self { key: key.into(), params: Vec::new() }
    }

    /// A sentence that exists in English only: what a store, a service or a check said.
    #[must_use]
    pub fn said(sentence: impl std::fmt::Display) -> Self {
        Self::new("said").with("sentence", sentence.to_string())
    }

    /// With a parameter more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.params.push((name, value.into()));
        self
    }

    /// As a parameter of another text.
    #[must_use]
    pub fn nested(&self) -> Value {
        let params: serde_json::Map<String, Value> =
            self.params.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        json!({ "key": self.key, "params": params, "text": self.english() })
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// A parameter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&Value> {
        self.params.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// In English. A key without an English text shows itself.
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
