//! Parses requests and creates answers.

use gangway_wire::appws::{
    Envelope,
    envelope::{OUT_LIMIT, Outgoing},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::service::ServiceError;

/// The messages of an answer.
pub type MessageResult = Result<Vec<String>, ServiceError>;

/// Returns the answer to a rejected request.
#[must_use]
pub fn rejection(message: &Envelope, error: &ServiceError) -> String {
    let fields: Map<String, Value> = error
        .fields()
        .iter()
        .map(|field| (field.name.clone(), serde_json::to_value(&field.message).unwrap_or_default()))
        .collect();
    message
        .error_answer(&result_of(message), &error.to_string())
        .field("code", error.message())
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

/// Returns an answer with the list `name` in as many messages as needed: all but the last contain `part`, the last
/// contains `last`.
///
/// # Errors
/// If a single row is too long for a message.
fn list(answer: Outgoing, name: &str, rows: &[Value]) -> MessageResult {
    /// As long as the marker of the last part, for which space was reserved.
    const MORE: &str = ",\"part\":true}";
    let mut texts = answer.split(name, rows).map_err(|error| ServiceError::BadRequest(error.to_string()))?;
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
    Ok(vec![whole(result(message), body)?])
}

/// Answers with a response type whose member `name` is a list, in as many messages as it takes.
///
/// # Errors
/// When a single row is too long for a message.
pub fn reply_list(message: &Envelope, body: &impl Serialize, name: &str) -> MessageResult {
    list_of(result(message), body, name)
}

/// Adds a response type to a message, split at the list `name` into as many messages as it takes.
///
/// # Errors
/// When a single row is too long for a message.
pub fn list_of(message: Outgoing, body: &impl Serialize, name: &str) -> MessageResult {
    let mut members = members(body)?;
    let rows = match members.shift_remove(name) {
        Some(Value::Array(rows)) => rows,
        _ => Vec::new(),
    };
    list(with_members(message, members), name, &rows)
}

/// Adds a response type to a message.
///
/// # Errors
/// When it cannot be written as an object.
pub fn whole(message: Outgoing, body: &impl Serialize) -> Result<String, ServiceError> {
    Ok(with_members(message, members(body)?).text())
}

fn with_members(message: Outgoing, members: Map<String, Value>) -> Outgoing {
    members.into_iter().fold(message, |message, (name, value)| message.field(&name, value))
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

fn members(body: &impl Serialize) -> Result<Map<String, Value>, ServiceError> {
    match serde_json::to_value(body).map_err(|error| ServiceError::BadRequest(error.to_string()))? {
        Value::Object(members) => Ok(members),
        other => Err(ServiceError::BadRequest(format!("{other} is no object"))),
    }
}

/// Parses the members of a request.
///
/// # Errors
/// If a member has an unexpected type.
pub fn read<T: DeserializeOwned>(message: &Envelope) -> Result<T, ServiceError> {
    T::deserialize(&message.body).map_err(|error| ServiceError::BadRequest(error.to_string()))
}

#[cfg(test)]
mod tests {
    use gangway_wire::appws::envelope::OUT_LIMIT;
    use serde_json::json;

    use super::*;
    use crate::{base::i18n::Message, service::InvalidField};

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
    fn a_rejection_names_the_request_the_error_and_its_fields() {
        let request = Envelope::parse(r#"{"mt":"SettingsSet","api":"gangway","src":"7"}"#, 1_000).unwrap();
        let field = InvalidField { name: "language".to_owned(), message: Message::new("not-for-this-scope") };
        let error = ServiceError::SettingsRefused(vec![field.clone()]);
        let answer: Value = serde_json::from_str(&rejection(&request, &error)).unwrap();
        assert_eq!((&answer["mt"], &answer["src"]), (&json!("SettingsSetResult"), &json!("7")));
        assert_eq!((&answer["error"], &answer["code"]), (&json!(error.to_string()), &json!(error.message())));
        assert_eq!(answer["fields"], json!({ "language": field.message }));
        let answer: Value = serde_json::from_str(&rejection(&request, &ServiceError::Busy)).unwrap();
        assert_eq!((&answer["code"]["key"], answer.get("fields")), (&json!("busy"), None));
    }
}
