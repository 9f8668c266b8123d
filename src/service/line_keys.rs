//! Line keys as the page edits them: the keys available in a scope, and the errors in a list.

use gangway_wire::appws::Envelope;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ServiceDependencies,
    response::{MessageResult, clip, one, read, result},
    settings::scope,
    text::Text,
};
use crate::{
    phone::instance::InstanceId,
    settings::{
        Scope,
        line_keys::{KeyType, LineKeys, MOST_KEYS, Room},
    },
};

/// Maximum number of errors in one answer.
const MOST: usize = 50;
/// Maximum length of an error, in characters.
const LONGEST: usize = 400;

#[derive(Deserialize)]
struct Request {
    scope: String,
    #[serde(default)]
    value: String,
}

/// Answers `LineKeys`.
///
/// # Errors
/// If there is no such scope, or the value is not a list.
pub fn line_keys(deps: &ServiceDependencies, instance: InstanceId, message: &Envelope) -> MessageResult {
    let request: Request = read(message)?;
    let scope = scope(&request.scope)?;
    let phone = match &scope {
        Scope::Phone(mac) => deps.store.phones().by_mac(instance, *mac),
        _ => None,
    };
    let faults = |room: Option<&Room<'_>>| LineKeys::faults(&request.value, room);
    let registry = deps.registry.load();
    let there = registry.in_room(&scope, phone.as_deref(), |room| {
        (
            faults(Some(room)),
            types(|kind| room.codes.contains_key(&kind)),
            json!([room.model, room.keys, room.accounts]),
        )
    });
    let (faults, types, room) = there.unwrap_or_else(|| (faults(None), types(|_| true), Value::Null));
    let faults = faults.map_err(|error| Text::new("setting-refused").with("sentence", error.to_string()))?;
    let rows: Vec<Value> = faults
        .into_iter()
        .take(MOST)
        .map(|(row, reason)| json!({ "row": row, "text": Text::plain(clip(&reason, LONGEST)) }))
        .collect();
    let of_room = |place: usize| room.get(place).cloned().unwrap_or_default();
    one(result(message)
        .field("rows", rows)
        .field("types", types)
        .field("model", of_room(0))
        .field("keys", of_room(1))
        .field("accounts", of_room(2))
        .field("most", MOST_KEYS))
}

fn types(has: impl Fn(KeyType) -> bool) -> Vec<Value> {
    let all = KeyType::ALL.into_iter().filter(|kind| has(*kind));
    all.map(|kind| json!({ "word": kind.word(), "value": kind.value_word() })).collect()
}
