//! Line keys as a template needs them.

use serde::Serialize;

use super::{AccountSlot, ModelFacts};
use crate::settings::{
    Effective,
    line_keys::{KeyType, LineKeys, Room},
};

/// One line key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfiguredLineKey {
    /// From 1, ascending.
    pub key: u16,
    /// What it does.
    #[serde(rename = "type")]
    pub kind: KeyType,
    /// The vendor's word for that.
    pub code: String,
    /// Number, tones or URL; may be empty.
    pub value: String,
    /// What stands beside it; may be empty.
    pub label: String,
    /// Account it belongs to, from 1.
    pub account: u16,
    /// Of a BLF: what is dialled to pick up; may be empty.
    pub pickup: String,
    /// The registrar of its account; empty where the value names a host itself.
    pub host: String,
}

/// The keys the model can have, and the numbers of its other keys where a list is set: those return to what the
/// phone makes of them by itself. Without any list both are empty, and users' own keys survive. A key the model
/// cannot have is a note.
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
    /// What the model offers to line keys.
    #[must_use]
    pub fn room(&self) -> Room<'_> {
        let model = if self.model.is_empty() { "an unknown model" } else { self.model };
        Room { model, keys: self.line_keys, accounts: self.accounts, codes: self.key_codes }
    }
}
