//! The learned values of all instances.

use std::sync::{
    PoisonError, RwLock, RwLockReadGuard,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::watch;

use crate::store::api::learned::LearnedValues;

/// The values, and the announcement of their changes.
#[derive(Default)]
pub(in crate::store) struct LearnedCache {
    values: RwLock<LearnedValues>,
    /// Incremented by every change, while the values are locked.
    revision: AtomicU64,
    changed: watch::Sender<()>,
}

impl LearnedCache {
    /// A cache of these values.
    pub(in crate::store) fn new(values: LearnedValues) -> Self {
        Self { values: RwLock::new(values), ..Self::default() }
    }

    /// The values, for reading.
    pub(in crate::store) fn read(&self) -> RwLockReadGuard<'_, LearnedValues> {
        self.values.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the values by committed ones. The caller holds the write lock of the database.
    pub(in crate::store) fn replace(&self, values: LearnedValues) {
        let mut known = self.values.write().unwrap_or_else(PoisonError::into_inner);
        self.revision.fetch_add(1, Ordering::AcqRel);
        self.changed.send_replace(());
        *known = values;
    }

    /// Changes whenever a value changes.
    pub(in crate::store) fn revision(&self) -> u64 {
        // The number is incremented while the values are locked. A caller that sees the new number waits for the lock
        // and then reads the change.
        self.revision.load(Ordering::Acquire)
    }

    /// Notifies after every change.
    pub(in crate::store) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}
