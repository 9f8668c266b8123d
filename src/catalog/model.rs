//! A vendor's models.

use serde::{Deserialize, Serialize};

/// A model.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// As the User-Agent names it, without brand and `SIP-`.
    pub name: String,
    /// Its family; the default one when not given.
    #[serde(default)]
    pub family: Option<String>,
    /// Accounts.
    pub accounts: u16,
    /// Line keys.
    pub line_keys: u32,
    /// First numbers of its firmware versions.
    #[serde(default)]
    pub firmware: Vec<u32>,
    /// A DECT base.
    #[serde(default)]
    pub dect: bool,
    /// Plain words: what it can do that not all can (`ice`, `opus`, `wifi`).
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// What it was tried with.
    #[serde(default)]
    pub tested: Vec<Tested>,
}

/// A firmware a model was tried with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tested {
    /// Version as the phone reports or the vendor names it.
    pub firmware: String,
    /// `2022-11`, `2026-03-14`.
    pub date: String,
    /// By whom, against what, what was odd.
    #[serde(default)]
    pub note: String,
}
