//! All tenants ever configured, each with a permanent number.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A tenant as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct InstanceRecord {
    pub(in crate::store) id: i64,
    pub(in crate::store) domain: String,
    pub(in crate::store) name: String,
}

/// All tenants, in memory. Sealed values are bound to their numbers.
#[derive(Debug, Default)]
pub(in crate::store) struct InstanceTable(Mutex<BTreeMap<i64, InstanceRecord>>);

impl InstanceTable {
    /// A table of these tenants.
    pub(in crate::store) fn new(known: impl IntoIterator<Item = InstanceRecord>) -> Self {
        Self(Mutex::new(known.into_iter().map(|one| (one.id, one)).collect()))
    }

    /// Adds the tenant. Another process may have created it.
    pub(in crate::store) fn add(&self, id: i64, domain: &str, name: &str) {
        let known = || InstanceRecord { id, domain: domain.to_owned(), name: name.to_owned() };
        self.lock().entry(id).or_insert_with(known);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i64, InstanceRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::store) fn all(&self) -> Vec<InstanceRecord> {
        self.lock().values().cloned().collect()
    }
}
