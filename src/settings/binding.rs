//! Binds a phone's own secret to the address it was set for. The vendor, model and category of a phone can change
//! without a change of any setting: the phone reports its model with its first request, and other firmware may report a
//! different one. The binding is therefore stored with the secret, and the secret is withheld from any other address.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::{addresses::is_same_place, scope::Scope, table::Setting};

/// Suffix of the row that contains the binding of a secret. Setting names cannot contain this character.
const SUFFIX: &str = "@address";

/// The values of the secret's address settings at the time the secret was set. Settings that had their default are
/// omitted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretBinding(BTreeMap<String, String>);

impl SecretBinding {
    /// The name of the stored row that contains the binding of a secret.
    #[must_use]
    pub fn row_name(secret: &str) -> String {
        format!("{secret}{SUFFIX}")
    }

    /// The secret whose binding a stored row contains; `None` for the row of a setting.
    #[must_use]
    pub fn secret_of(row_name: &str) -> Option<&str> {
        row_name.strip_suffix(SUFFIX)
    }

    /// The binding to these values, which are keyed by address setting.
    pub(super) fn to(values: impl Iterator<Item = (String, String)>) -> Self {
        Self(values.collect())
    }

    /// The stored form.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::json!(self.0).to_string()
    }

    /// Parses the stored form. A malformed text counts as a binding to the defaults, so that the secret is withheld
    /// rather than sent elsewhere.
    #[must_use]
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// Whether an address setting with the value `now` (or else `default`) refers to the same place as when the secret
    /// was set.
    pub(super) fn is_kept(&self, address: &Setting, now: Option<&str>, default: &str) -> bool {
        let then = self.0.get(address.name).map(String::as_str);
        is_same_place(address, then.unwrap_or(default), now.unwrap_or(default))
    }
}

/// The bindings of one instance.
pub(super) type Bindings = HashMap<Scope, HashMap<String, SecretBinding>>;
