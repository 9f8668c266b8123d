//! Values of table `fact`, by instance and key.

use std::{
    collections::BTreeMap,
    sync::{
        PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use gangway_base::secret::Secret;
use tokio::sync::watch;

use crate::phone::instance::InstanceId;

/// A fact.
#[derive(Clone, PartialEq)]
pub(in crate::store) enum Fact {
    /// Readable in the database.
    Open(String),
    /// Sealed in the database.
    Sealed(Secret),
}

/// Ordered, so that facts with a common prefix are adjacent.
pub(in crate::store) type FactMap = BTreeMap<(InstanceId, String), Fact>;

/// The facts of all instances.
pub(in crate::store) struct FactCache {
    map: RwLock<FactMap>,
    /// Incremented by every change, while the map is locked.
    revision: AtomicU64,
    /// Notified with every change.
    changed: watch::Sender<()>,
}

impl FactCache {
    /// A cache of these facts.
    pub(in crate::store) fn new(facts: FactMap) -> Self {
        Self { map: RwLock::new(facts), revision: AtomicU64::new(0), changed: watch::Sender::default() }
    }

    /// Changes whenever a fact changes.
    pub(in crate::store) fn revision(&self) -> u64 {
        // The number is incremented while the map is locked. A caller that sees the new number waits for the lock and
        // then reads the change.
        self.revision.load(Ordering::Acquire)
    }

    /// Notifies after every change.
    pub(in crate::store) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The facts, for reading.
    pub(in crate::store) fn read(&self) -> RwLockReadGuard<'_, FactMap> {
        self.map.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// One fact.
    pub(in crate::store) fn get(&self, instance: InstanceId, key: &str) -> Option<Fact> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.get(&(instance, key.to_owned())).cloned()
    }

    /// The facts, for a change that is committed.
    pub(in crate::store) fn change(&self) -> RwLockWriteGuard<'_, FactMap> {
        let map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        self.revision.fetch_add(1, Ordering::AcqRel);
        self.changed.send_replace(());
        map
    }

    /// A fact that is not secret.
    pub(in crate::store) fn open(&self, instance: InstanceId, key: &str) -> Option<String> {
        match self.get(instance, key)? {
            Fact::Open(value) => Some(value),
            Fact::Sealed(_) => None,
        }
    }

    /// A secret fact.
    pub(in crate::store) fn sealed(&self, instance: InstanceId, key: &str) -> Option<Secret> {
        match self.get(instance, key)? {
            Fact::Sealed(secret) => Some(secret),
            Fact::Open(_) => None,
        }
    }

    /// The non-secret facts of an instance whose keys start with `prefix`: the rest of the key, and the value.
    pub(in crate::store) fn open_of(&self, instance: InstanceId, prefix: &str) -> Vec<(String, String)> {
        let map = self.read();
        map.range((instance, prefix.to_owned())..)
            .take_while(|((of, key), _)| *of == instance && key.starts_with(prefix))
            .filter_map(|((_, key), fact)| match fact {
                Fact::Open(value) => Some((key.strip_prefix(prefix)?.to_owned(), value.clone())),
                Fact::Sealed(_) => None,
            })
            .collect()
    }

    /// The non-secret facts whose keys start with `prefix`: instance, key, value.
    pub(in crate::store) fn open_beginning(&self, prefix: &str) -> Vec<(InstanceId, String, String)> {
        let map = self.read();
        map.iter()
            .filter_map(|((instance, key), fact)| match fact {
                Fact::Open(value) if key.starts_with(prefix) => Some((*instance, key.clone(), value.clone())),
                _ => None,
            })
            .collect()
    }
}
