//! Line keys in the form that templates need.

use serde::Serialize;

use super::{AccountSlot, ModelFacts};
use crate::settings::{
    Effective,
    line_keys::{KeyLimits, KeyType, LineKeys},
};

/// One line key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfiguredLineKey {
    /// Number of the key, from 1, ascending.
    pub key: u16,
    /// Function of the key.
    #[serde(rename = "type")]
    pub kind: KeyType,
    /// The vendor's word for the function.
    pub code: String,
    /// Number, tones or URL; may be empty.
    pub value: String,
    /// Text shown next to the key; may be empty.
    pub label: String,
    /// Account it uses, from 1.
    pub account: u16,
    /// For BLF: the number dialled to pick up a call; may be empty.
    pub pickup: String,
    /// The registrar of its account; empty if the value itself contains a host.
    pub host: String,
}

/// Returns the keys that the model supports and, if a list is set, the numbers of its other keys, which are reset to
/// the phone's defaults. Without a list both are empty, so that keys set by users are preserved. A key that the model
/// does not support adds a note.
pub(super) fn line_keys(
    settings: &Effective,
    facts: &ModelFacts<'_>,
    accounts: &[AccountSlot],
    notes: &mut Vec<String>,
) -> (Vec<ConfiguredLineKey>, Vec<u32>) {
    let Some(text) = settings.nonempty("line_keys") else { return (Vec::new(), Vec::new()) };
    let wanted = match LineKeys::read(text) {
        Ok(keys) => keys,
        Err(error) => {
            notes.push(format!("line_keys is not understood: {error}; set it anew"));
            return (Vec::new(), Vec::new());
        }
    };
    let room = facts.room();
    let host = |line| {
        let account = accounts.iter().find(|account| account.line == line);
        account.map(|account| account.server.host.clone()).unwrap_or_default()
    };
    let mut keys = Vec::new();
    for key in wanted.keys() {
        match (room.refuses(key), room.codes.get(&key.kind)) {
            (None, Some(code)) => keys.push(ConfiguredLineKey {
                key: key.key,
                kind: key.kind,
                code: code.clone(),
                value: key.value.clone(),
                label: key.label.clone(),
                account: key.account,
                pickup: key.pickup.clone(),
                host: if key.value.contains('@') { String::new() } else { host(key.account) },
            }),
            (refusal, _) => notes.extend(refusal),
        }
    }
    let taken = |number: &u32| keys.iter().any(|key| u32::from(key.key) == *number);
    let free = (1..=facts.line_keys).filter(|number| !taken(number)).collect();
    (keys, free)
}

impl ModelFacts<'_> {
    /// The line keys that the model supports.
    #[must_use]
    pub fn room(&self) -> KeyLimits<'_> {
        let model = if self.model.is_empty() { "an unknown model" } else { self.model };
        KeyLimits { model, keys: self.line_keys, accounts: self.accounts, codes: self.key_codes }
    }
}
