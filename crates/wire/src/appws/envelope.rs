//! The envelope of every AppWebsocket message: `mt` (type), `api` (sub-protocol), `src` (request id). Responses repeat
//! `api` and `src` of the request unchanged.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::lenient_json;

/// The longest message that gangway sends, in bytes: a JS-runtime service accepts at most 65,535 characters.
pub const OUT_LIMIT: usize = 65_535;
/// The longest message that is accepted after login, in bytes.
pub const IN_LIMIT: usize = 1 << 20;
/// The longest message that is accepted before login, in bytes.
pub const PRE_LOGIN_LIMIT: usize = 4_096;

/// Why a message could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Longer than allowed.
    #[error("the message has {size} bytes, {limit} are allowed")]
    TooLarge {
        /// Actual length in bytes.
        size: usize,
        /// Maximum length in bytes.
        limit: usize,
    },
    /// Not a JSON object, or a reserved member is duplicated or of the wrong type.
    #[error("the message is no JSON object of the expected form: {0}")]
    Json(#[source] serde_json::Error),
}

/// A received message.
#[derive(Clone)]
pub struct Envelope {
    /// Type of the message.
    pub mt: String,
    /// Sub-protocol; `None` for the service's own messages.
    pub api: Option<String>,
    /// Request id exactly as received; any JSON value.
    pub src: Option<Box<RawValue>>,
    /// The whole message, parsed.
    pub body: Value,
    /// The whole message, as received.
    pub raw: String,
}

#[derive(Deserialize)]
struct Head<'a> {
    mt: String,
    #[serde(default)]
    api: Option<String>,
    #[serde(borrow, default)]
    src: Option<&'a RawValue>,
}

impl Envelope {
    /// Parses a message of at most `limit` bytes.
    ///
    /// # Errors
    /// If the message is too long, is not a JSON object, lacks `mt`, or has `mt`, `api` or `src` more than once (two
    /// parsers might use different values).
    pub fn parse(text: &str, limit: usize) -> Result<Self, EnvelopeError> {
        if text.len() > limit {
            return Err(EnvelopeError::TooLarge { size: text.len(), limit });
        }
        let body: Value = serde_json::from_str(text).map_err(EnvelopeError::Json)?;
        // serde would accept an array as the members in order.
        if !body.is_object() {
            return Err(EnvelopeError::Json(serde::de::Error::custom("no object")));
        }
        let head: Head<'_> = serde_json::from_str(text).map_err(EnvelopeError::Json)?;
        // An empty API counts as missing.
        let api = head.api.filter(|api| !api.is_empty());
        Ok(Self { mt: head.mt, api, src: head.src.map(ToOwned::to_owned), body, raw: text.to_owned() })
    }

    /// The request id if it is a string or number, as in our own requests.
    #[must_use]
    pub fn src_text(&self) -> Option<String> {
        lenient_json::text(&self.body, "src")
    }

    /// The `error` of a result, if any.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        lenient_json::error(&self.body)
    }

    /// Starts a response with the given `mt` and with `api` and `src` of this message.
    pub fn answer(&self, mt: &str) -> Outgoing {
        Outgoing::start(self.api.as_deref(), mt, self.src.as_deref())
    }

    /// A response that only contains an error message.
    pub fn error_answer(&self, mt: &str, sentence: &str) -> Outgoing {
        self.answer(mt).field("error", sentence)
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The body may contain passwords.
        f.debug_struct("Envelope").field("mt", &self.mt).field("api", &self.api).finish_non_exhaustive()
    }
}

/// A message being written.
#[derive(Clone)]
#[must_use]
pub struct Outgoing {
    text: String,
    /// Length of the part with `mt`, `api` and `src`.
    head: usize,
    failed: bool,
}

impl Outgoing {
    /// A message without request id.
    pub fn new(api: Option<&str>, mt: &str) -> Self {
        Self::start(api, mt, None)
    }

    /// A request. The result and all indications that follow from it repeat `src`.
    pub fn request(api: Option<&str>, mt: &str, src: &str) -> Self {
        let request = Self::new(api, mt).field("src", src);
        Self { head: request.text.len(), ..request }
    }

    fn start(api: Option<&str>, mt: &str, src: Option<&RawValue>) -> Self {
        let mut text = String::from("{\"mt\":");
        push_json_text(&mut text, mt);
        if let Some(api) = api {
            push_text(&mut text, "api", api);
        }
        if let Some(src) = src {
            text.push_str(",\"src\":");
            text.push_str(src.get());
        }
        Self { head: text.len(), text, failed: false }
    }

    /// Adds a member. A value that cannot be serialized as JSON (a map with non-string keys) invalidates the message.
    pub fn field(mut self, name: &str, value: impl Serialize) -> Self {
        match serde_json::to_string(&value) {
            Ok(value) => {
                self.text.push(',');
                push_json_text(&mut self.text, name);
                self.text.push(':');
                self.text.push_str(&value);
            }
            Err(_) => self.failed = true,
        }
        self
    }

    /// Adds a member if there is a value.
    pub fn maybe(self, name: &str, value: Option<impl Serialize>) -> Self {
        match value {
            Some(value) => self.field(name, value),
            None => self,
        }
    }

    /// Returns the text of the message.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLarge`] beyond [`OUT_LIMIT`].
    pub fn finish(mut self) -> Result<String, EnvelopeError> {
        self.text.push('}');
        if self.failed || self.text.len() > OUT_LIMIT {
            return Err(EnvelopeError::TooLarge { size: self.text.len(), limit: OUT_LIMIT });
        }
        Ok(self.text)
    }

    /// Returns the text of a message whose content is bounded in size. If the message is unexpectedly too long, it is
    /// replaced by an error with the same `mt`, `api` and `src`, so that the peer does not wait in vain.
    #[must_use]
    pub fn text(self) -> String {
        let head =
            self.text.get(..self.head).filter(|head| head.len() <= 1_024).unwrap_or("{\"mt\":\"Error\"").to_owned();
        self.finish().unwrap_or_else(|error| {
            let mut text = head;
            push_text(&mut text, "error", &error.to_string());
            text.push('}');
            text
        })
    }

    /// Splits `rows` over as many messages as [`OUT_LIMIT`] requires. Each is this message plus the array `name`; only
    /// the last one has `"last":true`. Without rows there is one message with an empty array.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLarge`] if a single row does not fit into a message.
    pub fn split<T: Serialize>(self, name: &str, rows: &[T]) -> Result<Vec<String>, EnvelopeError> {
        let mut head = self.text;
        head.push(',');
        push_json_text(&mut head, name);
        head.push_str(":[");
        const LAST: &str = "],\"last\":true}";
        let (mut messages, mut current, mut empty) = (Vec::new(), head.clone(), true);
        for row in rows {
            let row = serde_json::to_string(row).map_err(EnvelopeError::Json)?;
            let alone = head.len() + row.len() + LAST.len();
            if alone > OUT_LIMIT {
                return Err(EnvelopeError::TooLarge { size: alone, limit: OUT_LIMIT });
            }
            if !empty && current.len() + 1 + row.len() + LAST.len() > OUT_LIMIT {
                current.push_str("]}");
                messages.push(std::mem::replace(&mut current, head.clone()));
                empty = true;
            }
            if !empty {
                current.push(',');
            }
            current.push_str(&row);
            empty = false;
        }
        current.push_str(LAST);
        messages.push(current);
        Ok(messages)
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("bytes", &self.text.len()).finish_non_exhaustive()
    }
}

/// Appends `,"name":"text"`; `name` needs no escaping.
pub(super) fn push_text(out: &mut String, name: &str, text: &str) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
    push_json_text(out, text);
}

fn push_json_text(out: &mut String, text: &str) {
    out.push_str(&Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_echo_api_and_src_as_they_came() {
        let request = Envelope::parse(r#"{"mt":"Do","api":"X","src":{"a": 1.50}}"#, IN_LIMIT).unwrap();
        let answer = request.answer("DoResult").field("ok", true).finish().unwrap();
        assert_eq!(answer, r#"{"mt":"DoResult","api":"X","src":{"a": 1.50},"ok":true}"#);
        let plain = Envelope::parse(r#"{"mt":"Do"}"#, IN_LIMIT).unwrap();
        assert_eq!(plain.error_answer("DoResult", "no \"x\"").text(), r#"{"mt":"DoResult","error":"no \"x\""}"#);
    }

    #[test]
    fn an_invalid_message_is_rejected() {
        for text in [
            "",
            "[]",
            "1",
            r#"["Do","X","7"]"#,
            r#"{"mt":1}"#,
            r#"{"api":"x"}"#,
            r#"{"mt":"a","mt":"b"}"#,
            r#"{"mt":"a"} x"#,
        ] {
            assert!(Envelope::parse(text, IN_LIMIT).is_err(), "{text}");
        }
        assert!(matches!(Envelope::parse(r#"{"mt":"a"}"#, 5), Err(EnvelopeError::TooLarge { size: 10, limit: 5 })));
        let deep = format!(r#"{{"mt":"a","x":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
        assert!(Envelope::parse(&deep, IN_LIMIT).is_err());
    }

    #[test]
    fn nothing_longer_than_the_limit_leaves() {
        let request = Envelope::parse(r#"{"mt":"Do","src":"7"}"#, IN_LIMIT).unwrap();
        let long = request.answer("DoResult").field("text", "x".repeat(OUT_LIMIT));
        assert!(long.clone().finish().is_err());
        let text = long.text();
        let read = Envelope::parse(&text, OUT_LIMIT).unwrap();
        assert_eq!((read.mt.as_str(), read.src_text().as_deref()), ("DoResult", Some("7")));
        assert!(read.error().is_some());
        let huge = "y".repeat(OUT_LIMIT);
        let request = Envelope::parse(&format!(r#"{{"mt":"Do","src":"{huge}"}}"#), IN_LIMIT).unwrap();
        assert!(request.answer("DoResult").text().len() < 1_000);
    }

    #[test]
    fn a_message_does_not_show_its_body() {
        let message = Envelope::parse(r#"{"mt":"Do","password":"hunter2"}"#, IN_LIMIT).unwrap();
        assert!(!format!("{message:?}").contains("hunter2"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]
        #[test]
        fn any_text_is_read_without_panic(text: String, members in "[{}\\[\\]\":,a-z0-9 \\\\]{0,60}") {
            let _ = Envelope::parse(&text, IN_LIMIT);
            if let Ok(message) = Envelope::parse(&format!(r#"{{"mt":"x",{members}}}"#), IN_LIMIT) {
                let _ = Envelope::parse(&message.answer("y").text(), IN_LIMIT).unwrap();
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn split_rows_arrive_whole_and_in_order(sizes in prop::collection::vec(0..30_000_usize, 0..20)) {
            let rows: Vec<Value> = sizes.iter().enumerate().map(|(n, size)| json!({"n": n, "x": "ä".repeat(*size)})).collect();
            let messages = Outgoing::request(Some("Api"), "Info", "1").split("rows", &rows).unwrap();
            let mut seen = Vec::new();
            for (n, message) in messages.iter().enumerate() {
                prop_assert!(message.len() <= OUT_LIMIT);
                let read = Envelope::parse(message, OUT_LIMIT).unwrap();
                prop_assert_eq!(lenient_json::flag(&read.body, "last"), n + 1 == messages.len());
                seen.extend(lenient_json::rows(&read.body, "rows").to_vec());
            }
            prop_assert_eq!(seen, rows);
            prop_assert!(Outgoing::new(None, "x").split("rows", &["z".repeat(OUT_LIMIT)]).is_err());
        }
    }
}
