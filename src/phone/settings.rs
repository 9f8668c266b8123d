//! The settings (DESIGN 6.4): one table, layers, validation, origin of every value.

use std::fmt;

use super::mac::Mac;
use crate::secret::Secret;

/// Where a value was set. Later variants beat earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// For the whole instance.
    Instance,
    /// For a vendor.
    Vendor(String),
    /// For a model, `vendor/model`.
    Model(String),
    /// For a Devices category.
    Category(String),
    /// For one phone.
    Phone(Mac),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance => f.write_str("instance"),
            Self::Vendor(name) => write!(f, "vendor:{name}"),
            Self::Model(name) => write!(f, "model:{name}"),
            Self::Category(name) => write!(f, "category:{name}"),
            Self::Phone(mac) => write!(f, "phone:{mac}"),
        }
    }
}

/// One value somebody set.
#[derive(Debug, Clone)]
pub struct SettingRow {
    /// Where.
    pub scope: Scope,
    /// The setting's name.
    pub name: String,
    /// Its value as text.
    pub value: Secret,
}

/// All values set in one instance. Immutable; a change makes a new one with a higher revision.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    rows: Vec<SettingRow>,
    revision: u64,
}

impl Layers {
    /// The rows of one instance.
    #[must_use]
    pub fn new(rows: Vec<SettingRow>, revision: u64) -> Self {
        Self { rows, revision }
    }

    /// Grows with every change.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The rows as set.
    #[must_use]
    pub fn rows(&self) -> &[SettingRow] {
        &self.rows
    }
}
