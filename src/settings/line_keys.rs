//! Line keys (BLF, speed dials etc.) as one typed list. A layer of the settings contains a whole list or none. The list
//! of the narrowest layer applies; lists are never merged.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The function of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyType {
    /// No function.
    None,
    /// A line of an account.
    Line,
    /// Monitors another user and picks up the user's calls.
    Blf,
    /// Dials a number.
    SpeedDial,
    /// Calls with automatic answer.
    Intercom,
    /// Parks and retrieves a call.
    Park,
    /// Sends DTMF tones during a call.
    Dtmf,
    /// Calls the voice mail.
    VoiceMail,
    /// Picks up a call for one user.
    Pickup,
    /// Picks up a call for the group.
    GroupPickup,
    /// Requests a URL.
    Url,
    /// Phone book.
    Directory,
    /// LDAP directory.
    Ldap,
    /// Do not disturb.
    Dnd,
    /// Forwards calls.
    Forward,
    /// Transfers a call.
    Transfer,
    /// Conference.
    Conference,
    /// Holds a call.
    Hold,
}

/// Whether a key type has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// A value is required.
    Must,
    /// A value is optional.
    May,
    /// No value is allowed.
    Never,
}

impl KeyType {
    /// All types, in the order of the documentation.
    pub const ALL: [Self; 18] = [
        Self::Line,
        Self::Blf,
        Self::SpeedDial,
        Self::Intercom,
        Self::Park,
        Self::Pickup,
        Self::GroupPickup,
        Self::VoiceMail,
        Self::Dtmf,
        Self::Url,
        Self::Directory,
        Self::Ldap,
        Self::Dnd,
        Self::Forward,
        Self::Transfer,
        Self::Conference,
        Self::Hold,
        Self::None,
    ];

    /// The word for the type in lists.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Line => "line",
            Self::Blf => "blf",
            Self::SpeedDial => "speed_dial",
            Self::Intercom => "intercom",
            Self::Park => "park",
            Self::Dtmf => "dtmf",
            Self::VoiceMail => "voice_mail",
            Self::Pickup => "pickup",
            Self::GroupPickup => "group_pickup",
            Self::Url => "url",
            Self::Directory => "directory",
            Self::Ldap => "ldap",
            Self::Dnd => "dnd",
            Self::Forward => "forward",
            Self::Transfer => "transfer",
            Self::Conference => "conference",
            Self::Hold => "hold",
        }
    }

    /// The type with this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }

    /// Whether a key of this type has a value: `must`, `may` or `never`.
    #[must_use]
    pub fn value_word(self) -> &'static str {
        match self.value() {
            Need::Must => "must",
            Need::May => "may",
            Need::Never => "never",
        }
    }

    fn value(self) -> Need {
        match self {
            Self::Blf | Self::SpeedDial | Self::Intercom | Self::Park | Self::Dtmf | Self::Pickup | Self::Url => {
                Need::Must
            }
            Self::VoiceMail | Self::GroupPickup | Self::Forward | Self::Transfer => Need::May,
            Self::None | Self::Line | Self::Directory | Self::Ldap | Self::Dnd | Self::Conference | Self::Hold => {
                Need::Never
            }
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineKey {
    /// Number of the key, from 1.
    pub key: u16,
    /// The function of the key.
    #[serde(rename = "type")]
    pub kind: KeyType,
    /// Number, tones or URL.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// Text shown next to the key.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// Account it uses, from 1.
    pub account: u16,
    /// For BLF: the number dialled to pick up a call.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pickup: String,
}

/// A list of keys in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct LineKeys(Vec<LineKey>);

/// Maximum number of keys of any phone, including expansion modules.
pub const MOST_KEYS: u16 = 400;
const MOST_ACCOUNT: u16 = 1000;
const MOST_VALUE: usize = 255;
const MOST_LABEL: usize = 64;
/// Maximum length of the text of a list in bytes.
const MOST_TEXT: usize = 64 * 1024;
const FIELDS: [&str; 6] = ["key", "type", "value", "label", "account", "pickup"];

/// Why a text is not a valid list of keys: the entry, the error, and how to fix it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LineKeysError(String);

impl LineKeys {
    /// Parses a list: JSON (`[{"key": 2, "type": "blf", "value": "1002", "label": "Bob"}]`) or the same as a TOML
    /// array. A key without a number follows the previous one. An empty text is an empty list.
    ///
    /// # Errors
    /// The first error with its entry.
    pub fn read(text: &str) -> Result<Self, LineKeysError> {
        let mut keys: Vec<LineKey> = Vec::new();
        for (index, entry) in each(text)?.into_iter().enumerate() {
            keys.push(entry.map_err(|reason| LineKeysError(format!("entry {}: {reason}", index + 1)))?);
        }
        keys.sort_by_key(|key| key.key);
        Ok(Self(keys))
    }

    /// All errors of a list, each with its entry number, from 1. With a `room`, also the keys that the model does not
    /// support.
    ///
    /// # Errors
    /// If the text is not a list at all.
    pub fn faults(text: &str, room: Option<&KeyLimits<'_>>) -> Result<Vec<(usize, String)>, LineKeysError> {
        let fault = |entry: Result<LineKey, String>| match entry {
            Ok(key) => room.and_then(|room| room.refuses(&key)),
            Err(reason) => Some(reason),
        };
        let entries = each(text)?.into_iter().enumerate();
        Ok(entries.filter_map(|(index, entry)| Some((index + 1, fault(entry)?))).collect())
    }

    /// The keys in ascending order.
    #[must_use]
    pub fn keys(&self) -> &[LineKey] {
        &self.0
    }

    /// The list without one of its keys.
    #[must_use]
    pub fn without(&self, key: u16) -> Self {
        Self(self.0.iter().filter(|one| one.key != key).cloned().collect())
    }

    /// `no keys`, `1 key`, `7 keys`.
    #[must_use]
    pub fn count(&self) -> String {
        match self.0.len() {
            0 => "no keys".to_owned(),
            1 => "1 key".to_owned(),
            many => format!("{many} keys"),
        }
    }
}

/// Writes the canonical form: JSON on one line, with a number for every key and without empty members.
impl fmt::Display for LineKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_never| fmt::Error)?)
    }
}

/// The line keys that a model supports.
#[derive(Debug, Clone, Copy)]
pub struct KeyLimits<'a> {
    /// The phone in messages: `T31P`, `the model`.
    pub model: &'a str,
    /// Number of line keys.
    pub keys: u32,
    /// Number of accounts.
    pub accounts: u16,
    /// Key type -> the vendor's word.
    pub codes: &'a BTreeMap<KeyType, String>,
}

impl KeyLimits<'_> {
    /// Why the model does not support this key, as a message; `None` if it does.
    #[must_use]
    pub fn refuses(&self, key: &LineKey) -> Option<String> {
        let LineKey { key: number, kind, account, .. } = key;
        let model = self.model;
        if u32::from(*number) > self.keys {
            let has = match self.keys {
                0 => "no line keys".to_owned(),
                1 => "1 line key".to_owned(),
                many => format!("{many} line keys"),
            };
            return Some(format!("line key {number} ({kind}) is refused: {model} has {has}"));
        }
        if *account > self.accounts {
            let most = self.accounts;
            return Some(format!(
                "line key {number} ({kind}) is refused: {model} has no account {account}, only {most}"
            ));
        }
        if !self.codes.contains_key(kind) {
            let known: Vec<&str> = self.codes.keys().map(|kind| kind.word()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Some(format!("line key {number} is refused: {model} has no keys of type {kind}; it has {known}"));
        }
        None
    }
}

/// The keys of a list as written, each with its error if it is invalid.
fn each(text: &str) -> Result<Vec<Result<LineKey, String>>, LineKeysError> {
    let mut last = 0_u16;
    let mut places = BTreeMap::new();
    let entries = entries(text)?.into_iter().enumerate();
    Ok(entries
        .map(|(index, entry)| {
            let key = one(&entry, last.saturating_add(1))?;
            last = key.key;
            match places.insert(key.key, index + 1) {
                Some(other) => Err(format!("key {} stands in entry {other} already", key.key)),
                None => Ok(key),
            }
        })
        .collect())
}

fn entries(text: &str) -> Result<Vec<Value>, LineKeysError> {
    let error = |reason: String| LineKeysError(reason);
    let text = text.trim();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    if text.len() > MOST_TEXT {
        return Err(error(format!("the list is longer than {} KiB", MOST_TEXT / 1024)));
    }
    let value = match serde_json::from_str::<Value>(text) {
        Ok(value) => value,
        Err(json) => {
            let toml = toml::from_str::<Map<String, Value>>(&format!("keys = {text}"));
            let read = toml.ok().filter(|table| table.len() == 1).and_then(|mut table| table.remove("keys"));
            read.ok_or_else(|| {
                let example = r#"[{"key": 2, "type": "blf", "value": "1002", "label": "Bob"}]"#;
                error(format!("it is no list as JSON or TOML ({json}); write it like {example}"))
            })?
        }
    };
    match value {
        Value::Array(entries) if entries.len() > usize::from(MOST_KEYS) => {
            Err(error(format!("it has {} entries, no phone has more than {MOST_KEYS} keys", entries.len())))
        }
        Value::Array(entries) => Ok(entries),
        _ => Err(error("it is no list: write [ ... ] around the keys".to_owned())),
    }
}

fn one(entry: &Value, next: u16) -> Result<LineKey, String> {
    let Value::Object(fields) = entry else {
        return Err(r#"it is no key: write {"type": "blf", "value": "1002"}"#.to_owned());
    };
    if let Some(unknown) = fields.keys().find(|field| !FIELDS.contains(&field.as_str())) {
        return Err(format!("a key has no '{}'; it has {}", unknown.escape_debug(), FIELDS.join(", ")));
    }
    let kind = kind(fields)?;
    let key = number(fields, "key", MOST_KEYS)?.unwrap_or(next);
    if key > MOST_KEYS {
        return Err(format!("no phone has a key {key}"));
    }
    let value = text(fields, "value", MOST_VALUE)?;
    match kind.value() {
        Need::Must if value.is_empty() => {
            return Err(format!("a key of type {kind} needs a value: what it dials or calls"));
        }
        Need::Never if !value.is_empty() => return Err(format!("a key of type {kind} has no value")),
        _ => {}
    }
    if kind == KeyType::Url {
        let parsed = url::Url::parse(&value).map_err(|error| format!("its value is no URL ({error})"))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err("its URL must start with https:// or http://".to_owned());
        }
    } else if value.contains(char::is_whitespace) {
        return Err("its value holds a blank, which nobody can dial".to_owned());
    }
    let pickup = text(fields, "pickup", MOST_VALUE)?;
    if kind != KeyType::Blf && !pickup.is_empty() {
        return Err(format!("only a key of type blf has a pickup code, not {kind}"));
    }
    if pickup.contains(char::is_whitespace) {
        return Err("its pickup code holds a blank, which nobody can dial".to_owned());
    }
    let account = number(fields, "account", MOST_ACCOUNT)?.unwrap_or(1);
    Ok(LineKey { key, kind, value, label: text(fields, "label", MOST_LABEL)?, account, pickup })
}

fn kind(fields: &Map<String, Value>) -> Result<KeyType, String> {
    let words = || KeyType::ALL.map(KeyType::word).join(", ");
    let Some(value) = fields.get("type") else { return Err(format!("its type is missing: one of {}", words())) };
    let word = value.as_str().unwrap_or_default().to_ascii_lowercase().replace('-', "_");
    KeyType::of_word(&word).ok_or_else(|| format!("{value} is no type of key: one of {}", words()))
}

fn number(fields: &Map<String, Value>, field: &str, most: u16) -> Result<Option<u16>, String> {
    let Some(value) = fields.get(field).filter(|value| !value.is_null()) else { return Ok(None) };
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok()).and_then(|number| u16::try_from(number).ok());
    match number.filter(|number| (1..=most).contains(number)) {
        Some(number) => Ok(Some(number)),
        None => Err(format!("its {field} {value} is no number from 1 to {most}")),
    }
}

/// A text field. Numbers are accepted where users write one.
fn text(fields: &Map<String, Value>, field: &str, most: usize) -> Result<String, String> {
    let text = match fields.get(field) {
        None | Some(Value::Null) => return Ok(String::new()),
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) if number.is_u64() => number.to_string(),
        Some(other) => return Err(format!("its {field} {other} is no text")),
    };
    if let Some(odd) = gangway_base::characters::unwritable(&text) {
        return Err(format!("its {field} holds a character no phone's file can carry (U+{:04X})", u32::from(odd)));
    }
    if text.chars().count() > most {
        return Err(format!("its {field} has {} characters, at most {most} are possible", text.chars().count()));
    }
    if text.starts_with('#') || text.contains(" #") || text.contains("\t#") {
        return Err(format!(
            "its {field} has a '#' at the start or after a blank: that begins a comment in phones' files"
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
