//! Line keys as the page edits them: the keys available in a scope, and the errors in a list.

use super::{
    ServiceDependencies,
    clip::clip,
    error::ServiceError,
    settings::scope,
    types::{LineKeyCheck, LineKeyProblem, LineKeyType},
};
use crate::{
    base::i18n::Message,
    phone::instance::InstanceId,
    settings::{
        Scope,
        line_keys::{KeyLimits, KeyType, LineKeys, MOST_KEYS},
    },
};

/// Maximum number of errors in one answer.
const MOST: usize = 50;
/// Maximum length of an error, in characters.
const LONGEST: usize = 400;

/// Checks a list of line keys for a scope.
///
/// # Errors
/// If there is no such scope, or the value is not a list.
pub fn line_keys(
    deps: &ServiceDependencies,
    instance: InstanceId,
    typed: &str,
    value: &str,
) -> Result<LineKeyCheck, ServiceError> {
    let scope = scope(typed)?;
    let phone = match &scope {
        Scope::Phone(mac) => deps.store.phones().by_mac(instance, *mac),
        _ => None,
    };
    let faults = |room: Option<&KeyLimits<'_>>| {
        let faults = LineKeys::faults(value, room);
        faults.map_err(|error| ServiceError::SettingRefused(error.to_string()))
    };
    let check = |faults: Vec<(usize, String)>, types| {
        let rows = faults
            .into_iter()
            .take(MOST)
            .map(|(row, reason)| LineKeyProblem { row, text: (&Message::plain(clip(&reason, LONGEST))).into() });
        LineKeyCheck { rows: rows.collect(), types, model: None, keys: None, accounts: None, most: MOST_KEYS }
    };
    let registry = deps.registry.load();
    let in_room = registry.in_room(&scope, phone.as_deref(), |room| {
        let types = types(|kind| room.codes.contains_key(&kind));
        Ok(LineKeyCheck {
            model: Some(room.model.to_owned()),
            keys: Some(room.keys),
            accounts: Some(room.accounts),
            ..check(faults(Some(room))?, types)
        })
    });
    in_room.unwrap_or_else(|| Ok(check(faults(None)?, types(|_| true))))
}

fn types(has: impl Fn(KeyType) -> bool) -> Vec<LineKeyType> {
    let all = KeyType::ALL.into_iter().filter(|kind| has(*kind));
    all.map(|kind| LineKeyType { word: kind.word().to_owned(), value: kind.value_word().to_owned() }).collect()
}
