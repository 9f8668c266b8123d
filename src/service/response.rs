//! Parses requests and creates answers.

use gangway_base::mac::Mac;
use gangway_wire::appws::{
    Envelope,
    envelope::{OUT_LIMIT, Outgoing},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::text::Text;
use crate::store::StoreError;

/// Why a request was rejected.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestError {
    /// The message.
    pub text: Text,
    /// Errors in individual fields.
    pub fields: Vec<(String, Text)>,
}

impl From<Text> for RequestError {
    fn from(text: Text) -> Self {
        Self { text, fields: Vec::new() }
    }
}

impl From<StoreError> for RequestError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the admin api could not use the store");
        Text::new("store-failed").with("sentence", error.to_string()).into()
    }
}

/// The messages of an answer.
pub type MessageResult = Result<Vec<String>, RequestError>;

/// Returns the answer to a rejected request.
#[must_use]
pub fn refusal(message: &Envelope, problem: &RequestError) -> String {
    let fields: serde_json::Map<String, Value> = problem
        .fields
        .iter()
        .map(|(name, text)| (name.clone(), serde_json::to_value(text).unwrap_or_default()))
        .collect();
    message
        .error_answer(&result_of(message), &problem.text.english())
        .field("code", &problem.text)
        .maybe("fields", (!fields.is_empty()).then_some(fields))
        .text()
}

fn result_of(message: &Envelope) -> String {
    // Limit the length of an unknown name.
    let name: String = message.mt.chars().take(40).collect();
    format!("{name}Result")
}

/// Starts the result of a request.
pub fn result(message: &Envelope) -> Outgoing {
    message.answer(&result_of(message))
}

/// Returns an answer that consists of one message.
///
/// # Errors
/// Never fails; the type is that of answers.
pub fn one(answer: Outgoing) -> MessageResult {
    Ok(vec![answer.text()])
}

/// Returns an answer with the list `name` in as many messages as needed: all but the last contain `part`, the last
/// contains `last`.
///
/// # Errors
/// If a single row is too long for a message.
pub fn list(answer: Outgoing, name: &str, rows: &[Value]) -> MessageResult {
    /// As long as the marker of the last part, for which space was reserved.
    const MORE: &str = ",\"part\":true}";
    let mut texts = answer
        .split(name, rows)
        .map_err(|error| RequestError::from(Text::new("bad-request").with("sentence", error.to_string())))?;
    let last = texts.len().saturating_sub(1);
    for text in texts.iter_mut().take(last).filter(|text| text.ends_with('}')) {
        text.pop();
        text.push_str(MORE);
    }
    Ok(texts)
}

/// Answers with a response type as one message.
///
/// # Errors
/// When it cannot be written as an object.
pub fn reply(message: &Envelope, body: &impl Serialize) -> MessageResult {
    one(members(body)?.into_iter().fold(result(message), |answer, (name, value)| answer.field(&name, value)))
}

/// Answers with a response type whose member `name` is a list, in as many messages as it takes.
///
/// # Errors
/// When a single row is too long for a message.
pub fn reply_list(message: &Envelope, body: &impl Serialize, name: &str) -> MessageResult {
    let mut members = members(body)?;
    let rows = match members.shift_remove(name) {
        Some(Value::Array(rows)) => rows,
        _ => Vec::new(),
    };
    let head = members.into_iter().fold(result(message), |answer, (name, value)| answer.field(&name, value));
    list(head, name, &rows)
}

/// Answers with a long text: `text` in pieces, all but the last with `part`, the last with `last`.
#[must_use]
pub fn text_in_pieces(message: &Envelope, text: &str) -> Vec<String> {
    /// A character takes at most six bytes in JSON; the rest of the message is short.
    const PIECE: usize = OUT_LIMIT / 6 - 512;
    let (mut texts, mut rest) = (Vec::new(), text);
    loop {
        let cut = rest.floor_char_boundary(PIECE.min(rest.len()));
        let (piece, after) = rest.split_at(cut);
        let mark = if after.is_empty() { "last" } else { "part" };
        texts.push(result(message).field("text", piece).field(mark, true).text());
        if after.is_empty() {
            return texts;
        }
        rest = after;
    }
}

fn members(body: &impl Serialize) -> Result<serde_json::Map<String, Value>, RequestError> {
    let failed = |sentence: String| RequestError::from(Text::new("bad-request").with("sentence", sentence));
    match serde_json::to_value(body).map_err(|error| failed(error.to_string()))? {
        Value::Object(members) => Ok(members),
        other => Err(failed(format!("{other} is no object"))),
    }
}

/// Parses the members of a request.
///
/// # Errors
/// If a member has an unexpected type.
pub fn read<T: DeserializeOwned>(message: &Envelope) -> Result<T, RequestError> {
    T::deserialize(&message.body).map_err(|error| Text::new("bad-request").with("sentence", error.to_string()).into())
}

/// Parses a MAC in any notation.
///
/// # Errors
/// If it is not a MAC.
pub fn mac(typed: &str) -> Result<Mac, RequestError> {
    typed
        .parse()
        .map_err(|error: gangway_base::mac::MacError| Text::new("bad-mac").with("sentence", error.to_string()).into())
}

/// Truncates a text of untrusted length to `most` characters.
#[must_use]
pub fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use gangway_wire::appws::envelope::OUT_LIMIT;
    use serde_json::json;

    use super::*;

    #[test]
    fn parts_are_told_from_whole_answers_and_none_is_too_long() {
        let request = Envelope::parse(r#"{"mt":"Devices","api":"gangway","src":"1"}"#, 1_000).unwrap();
        let (mut parts, mut longest) = (0, 0);
        for size in 700..760 {
            let rows = vec![json!("x".repeat(size)); 200];
            let texts = list(result(&request).field("total", 200), "rows", &rows).unwrap();
            for (place, text) in texts.iter().enumerate() {
                let part: Value = serde_json::from_str(text).unwrap();
                let is_last = place + 1 == texts.len();
                assert_eq!((part["part"] == true, part["last"] == true), (!is_last, is_last));
                longest = longest.max(text.len());
            }
            parts += texts.len();
        }
        assert!(parts > 120 && longest <= OUT_LIMIT, "{parts} {longest}");
    }

    #[test]
    fn what_is_long_is_cut_between_characters() {
        assert_eq!((clip("äöü", 2).as_str(), clip("äöü", 3).as_str()), ("äö…", "äöü"));
    }
}
