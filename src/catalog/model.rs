//! The models of a vendor.

use serde::{Deserialize, Serialize};

/// A model.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Name as in the User-Agent, without the brand and `SIP-`.
    pub name: String,
    /// Its family; the default family if not given.
    #[serde(default)]
    pub family: Option<String>,
    /// Number of accounts.
    pub accounts: u16,
    /// Number of line keys.
    pub line_keys: u32,
    /// First numbers of the firmware versions of this model.
    #[serde(default)]
    pub firmware: Vec<u32>,
    /// Whether it is a DECT base.
    #[serde(default)]
    pub dect: bool,
    /// Capabilities that not all models have, as plain words (`ice`, `opus`, `wifi`).
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// The firmware versions it was tested with.
    #[serde(default)]
    pub tested: Vec<Tested>,
}

/// A firmware version that a model was tested with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tested {
    /// Version as reported by the phone or named by the vendor.
    pub firmware: String,
    /// `2022-11`, `2026-03-14`.
    pub date: String,
    /// Who tested it, against which system, and anything unusual.
    #[serde(default)]
    pub note: String,
}
