//! Calls to the redirect services and their responses.

use super::{HistoryEntry, HistoryFilter, HistoryRow, Store, StoreError, api::history::HistoryRepository};
use crate::phone::instance::InstanceId;

/// Calls to the redirect services and their responses.
#[derive(Debug, Clone, Copy)]
pub struct HistoryRecords<'s>(&'s Store);

impl Store {
    /// Calls to the redirect services and their responses.
    #[must_use]
    pub fn redirect_history(&self) -> HistoryRecords<'_> {
        HistoryRecords(self)
    }
}

impl HistoryRecords<'_> {
    /// Adds an entry.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn add(self, entry: HistoryEntry) -> Result<(), StoreError> {
        self.0.database.add_history(entry).await
    }

    /// Entries that match the filter, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn entries(self, filter: HistoryFilter) -> Result<Vec<HistoryRow>, StoreError> {
        self.0.database.history(filter).await
    }

    /// Deletes entries of an instance that are older than `days`. Returns how many were deleted.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn prune(self, instance: InstanceId, days: u32) -> Result<u64, StoreError> {
        self.0.database.prune_history(instance, days).await
    }
}
