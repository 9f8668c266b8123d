//! The redirect history: calls to the redirect services and their responses.

use std::time::Duration;

use gangway_base::mac::Mac;
use jiff::Timestamp;

use super::error::StoreError;
use crate::phone::{instance::InstanceId, record::PhoneId};

/// One call and its response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The instance.
    pub instance: InstanceId,
    /// The phone; `None` for calls about the account.
    pub phone: Option<PhoneId>,
    /// MAC of the phone, kept even where there is no record.
    pub mac: Option<Mac>,
    /// The vendor whose service was called.
    pub vendor: String,
    /// `ADD SERVER`, `REDIRECT DEVICE`, `DEREGISTER DEVICE`, ...: the terms of the original app.
    pub command: String,
    /// When the call began.
    pub at: Timestamp,
    /// How long the call took; stored in milliseconds.
    pub took: Duration,
    /// The result, in a sentence.
    pub outcome: String,
    /// The response as received, with secrets masked.
    pub answer: String,
}

/// A stored entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// Row id; increases with time.
    pub id: i64,
    /// The entry.
    pub entry: HistoryEntry,
}

/// Selects entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryFilter {
    /// Only this instance.
    pub instance: InstanceId,
    /// Only this phone, if set.
    pub mac: Option<Mac>,
    /// Only entries older than this one (for paging).
    pub before: Option<i64>,
    /// Maximum number of entries.
    pub limit: u32,
}

/// The redirect history in the database.
pub(in crate::store) trait HistoryRepository {
    /// Adds an entry.
    async fn add_history(&self, entry: HistoryEntry) -> Result<(), StoreError>;

    /// Entries that match the filter, newest first.
    async fn history(&self, filter: HistoryFilter) -> Result<Vec<HistoryRow>, StoreError>;

    /// Deletes entries of an instance that are older than `days`. Returns how many were deleted.
    async fn prune_history(&self, instance: InstanceId, days: u32) -> Result<u64, StoreError>;
}
