//! Types for settings.

use std::collections::BTreeMap;

use gangway_base::secret::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::TextInfo;

/// What a value may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SettingKind {
    /// `bool`, `number`, `choice`, `text`, `host`, `url`, `zone`, `country`, `language`, `line-keys` or `prefixes`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Least number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u32>,
    /// Greatest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// The choices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<Vec<String>>,
    /// Most characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest: Option<u32>,
}

/// A value that lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Beaten {
    /// Where it was set.
    pub origin: String,
    /// What it was.
    pub value: String,
}

/// One setting at one scope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Setting)]
pub struct SettingInfo {
    /// Its name.
    pub name: String,
    /// What belongs together.
    pub group: String,
    /// What its values may be.
    pub kind: SettingKind,
    /// `minutes`, `days`, ... or empty.
    pub unit: String,
    /// Whether values are never shown.
    pub secret: bool,
    /// Whether vendor, model, category and phone may set it, too.
    pub layered: bool,
    /// The value without any layer.
    pub default: String,
    /// Whether this scope has a value of its own.
    pub set: bool,
    /// That value; empty for secrets.
    pub value: Option<String>,
    /// What holds here; empty for secrets.
    pub effective: String,
    /// Where that comes from.
    pub origin: String,
    /// Whether a secret of a wider layer does not hold here, because it was set for another address.
    pub withheld: bool,
    /// What it beats.
    pub beats: Vec<Beaten>,
    /// When a change is felt.
    pub effect: String,
    /// What it does.
    pub help: TextInfo,
}

/// The settings of a scope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Settings)]
pub struct SettingList {
    /// The scope.
    pub scope: String,
    /// Scopes that have values of their own.
    pub scopes: Vec<String>,
    /// Every setting the scope may have.
    pub settings: Vec<SettingInfo>,
}

/// New values; all or nothing.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsChange {
    /// By name; null takes a value back, an empty text leaves a secret as it is.
    #[schema(value_type = BTreeMap<String, Option<String>>)]
    pub values: BTreeMap<String, Option<Secret>>,
}

/// A stored secret that was emptied: its address has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EmptiedSecret {
    /// Where it was stored.
    pub scope: String,
    /// Its name.
    pub name: String,
}

/// What a change brought about besides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SettingsChanged {
    /// Secrets that were emptied: set them again.
    pub emptied: Vec<EmptiedSecret>,
    /// Contradictions that were not there before.
    pub remarks: Vec<TextInfo>,
}

/// [`Pending`], and for each setting of the scope how many phones wait for its change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PendingByField {
    /// The counts.
    #[serde(flatten)]
    pub counts: Pending,
    /// By the setting's name.
    pub fields: BTreeMap<String, u32>,
}

/// Phones that would get another file now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Pending {
    /// Phones that have fetched a file.
    pub phones: u64,
    /// Those that would get another one now.
    pub outdated: u64,
}

/// What is wrong with a row of a list of line keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LineKeyProblem {
    /// The row, from 1.
    pub row: usize,
    /// Why.
    pub text: TextInfo,
}

/// A type of line keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LineKeyType {
    /// Its word in the list.
    pub word: String,
    /// Whether a key of it has a value: `must`, `may` or `never`.
    pub value: String,
}

/// A list of line keys, checked for a scope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LineKeyCheck {
    /// What is wrong, the first 50 of it.
    pub rows: Vec<LineKeyProblem>,
    /// The types of keys that the scope has.
    pub types: Vec<LineKeyType>,
    /// The model; null where none is known, like the next two.
    pub model: Option<String>,
    /// Its line keys.
    pub keys: Option<u32>,
    /// Its accounts.
    pub accounts: Option<u16>,
    /// Most rows of a list.
    pub most: u16,
}
