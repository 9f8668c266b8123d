//! The address a phone's own secret was set for. Vendor, model and category of a phone can change without a change of a
//! setting: the phone tells its model with its first request, and another firmware may tell another one. What the secret
//! was set for is therefore stored beside it, and the secret is withheld from any other address.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::{addresses::is_same_place, scope::Scope, table::Setting};

/// What the name of a secret's row is followed by in the name of the row with its binding. No setting has this character.
const SUFFIX: &str = "@address";

/// The values the address settings of a secret had when it was set; those that had their default are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretBinding(BTreeMap<String, String>);

impl SecretBinding {
    /// The name of the stored row that holds the binding of a secret.
    #[must_use]
    pub fn row_name(secret: &str) -> String {
        format!("{secret}{SUFFIX}")
    }

    /// The secret a stored row holds the binding of; `None` for the row of a setting.
    #[must_use]
    pub fn secret_of(row_name: &str) -> Option<&str> {
        row_name.strip_suffix(SUFFIX)
    }

    /// The binding to these values, by the names of the address settings.
    pub(super) fn to(values: impl Iterator<Item = (String, String)>) -> Self {
        Self(values.collect())
    }

    /// As it is stored.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::json!(self.0).to_string()
    }

    /// As it was stored. A text that is none is the binding to the defaults: the secret stays here rather than travels.
    #[must_use]
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// Whether an address setting whose value is `now`, or else `default`, names the place it named then.
    pub(super) fn is_kept(&self, address: &Setting, now: Option<&str>, default: &str) -> bool {
        let then = self.0.get(address.name).map(String::as_str);
        is_same_place(address, then.unwrap_or(default), now.unwrap_or(default))
    }
}

/// The bindings of one instance.
pub(super) type Bindings = HashMap<Scope, HashMap<String, SecretBinding>>;
