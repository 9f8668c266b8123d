//! Families of models and the firmware generations of a family. Each family has separate templates, because its phones
//! use other parameter names or another format.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::format::Format;

/// The family name for a vendor that defines no families.
pub const ONLY: &str = "all";

/// A family of models.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// Identifier as a plain word: `desk`, `dect`.
    pub name: String,
    /// Name for display.
    #[serde(default)]
    pub title: String,
    /// Used for models without a family and if the model is unknown. If no family is marked, the first one is the
    /// default.
    #[serde(default)]
    pub default: bool,
    /// Format of its files; the vendor's format if not given.
    #[serde(default)]
    pub format: Option<Format>,
    /// Content-Type of its files; the vendor's if not given.
    #[serde(default)]
    pub media_type: Option<String>,
    /// Properties of its models that are not listed; the vendor's if not given.
    #[serde(default)]
    pub unknown_model: Option<UnknownModel>,
    /// Defaults of directory settings (`ldap_...`) for its phones, if different from the usual ones.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

/// Properties of a model that is not listed.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UnknownModel {
    /// Number of accounts.
    pub accounts: u16,
    /// Number of line keys.
    pub line_keys: u32,
}

/// A firmware generation of one family. The first generation whose ranges contain the numbers of the version is used.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    /// Name for display and for the cache.
    pub name: String,
    /// Its family; the default family if not given.
    #[serde(default)]
    pub family: Option<String>,
    /// Range of the first number of its versions.
    #[serde(default)]
    pub first_number: Option<Range>,
    /// Range of the second number of its versions.
    #[serde(default)]
    pub second_number: Option<Range>,
    /// Used if the version is unknown or in no range. Implied for the only generation of a family.
    #[serde(default)]
    pub default: bool,
    /// Whether its phones may reject a server certificate with an elliptic-curve key.
    #[serde(default)]
    pub needs_rsa: bool,
    /// Template of the open stage, relative to the vendor's templates.
    pub open: String,
    /// Template that delivers our CA and the https URL to a phone that does not trust our certificate yet; `None` if
    /// its phones accept no CA from a file.
    #[serde(default)]
    pub bootstrap: Option<String>,
    /// Template of the common file; `None` if there is no such file.
    #[serde(default)]
    pub common: Option<String>,
    /// Template of the personal stage.
    pub personal: String,
}

/// An inclusive range.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// First number.
    pub from: u32,
    /// Last number.
    pub to: u32,
}

impl Range {
    /// Whether the range contains the number.
    #[must_use]
    pub fn holds(self, number: u32) -> bool {
        (self.from..=self.to).contains(&number)
    }
}

impl Generation {
    /// Whether the version is within the ranges; false if there are none.
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
