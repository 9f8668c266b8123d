//! Families of models: each has its own templates, because its phones read other names or another format; and inside a
//! family the generations of firmware.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::format::Format;

/// The family of a vendor that names none.
pub const ONLY: &str = "all";

/// A family of models.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// A plain word: `desk`, `dect`.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub title: String,
    /// Used for models without a family, and when nothing says which one it is. The first one if none is marked.
    #[serde(default)]
    pub default: bool,
    /// Format of its files; the vendor's when not given.
    #[serde(default)]
    pub format: Option<Format>,
    /// Content-Type of its files; the vendor's when not given.
    #[serde(default)]
    pub media_type: Option<String>,
    /// What a model of it without an entry has; the vendor's when not given.
    #[serde(default)]
    pub unknown_model: Option<UnknownModel>,
    /// Directory settings (`ldap_...`) and their defaults for its phones, where these are not the usual ones.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

/// What a model without an entry has.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UnknownModel {
    /// Accounts.
    pub accounts: u16,
    /// Line keys.
    pub line_keys: u32,
}

/// A generation of firmware of one family. The first one whose ranges hold the version's numbers is used.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    /// For people and the cache.
    pub name: String,
    /// Its family; the default one when not given.
    #[serde(default)]
    pub family: Option<String>,
    /// The first number of the versions that belong to it.
    #[serde(default)]
    pub first_number: Option<Range>,
    /// The second number of the versions that belong to it.
    #[serde(default)]
    pub second_number: Option<Range>,
    /// Used when the version is unknown or in nobody's range. The only one of a family need not say so.
    #[serde(default)]
    pub default: bool,
    /// Its phones may refuse a server's certificate with an elliptic-curve key.
    #[serde(default)]
    pub needs_rsa: bool,
    /// Template of the open stage, below the vendor's templates.
    pub open: String,
    /// Template that carries our CA and the https URL to a phone that does not trust our certificate yet; none = its phones
    /// take no CA from a file.
    #[serde(default)]
    pub bootstrap: Option<String>,
    /// Template of the common file; none = such a file does not exist.
    #[serde(default)]
    pub common: Option<String>,
    /// Template of the personal stage.
    pub personal: String,
}

/// Both ends belong to it.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// First.
    pub from: u32,
    /// Last.
    pub to: u32,
}

impl Range {
    /// Whether the number belongs to it.
    #[must_use]
    pub fn holds(self, number: u32) -> bool {
        (self.from..=self.to).contains(&number)
    }
}

impl Generation {
    /// Whether the version is in its ranges; never where it has none.
    pub(super) fn holds(&self, firmware: &str) -> bool {
        let mut numbers = firmware.split('.').map(|part| {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part.get(..digits).and_then(|digits| digits.parse::<u32>().ok())
        });
        let (first, second) = (numbers.next().flatten(), numbers.next().flatten());
        let fits = |range: Option<Range>, number: Option<u32>| range.is_none_or(|r| number.is_some_and(|n| r.holds(n)));
        let ranged = self.first_number.is_some() || self.second_number.is_some();
        ranged && fits(self.first_number, first) && fits(self.second_number, second)
    }
}
