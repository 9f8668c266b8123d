//! The audit: who did what, through the admin page, REST or a command.

use jiff::Timestamp;

use super::error::StoreError;
use crate::phone::instance::InstanceId;

/// Number of entries kept per instance; older ones are deleted.
pub const AUDIT_KEPT: u32 = 10_000;

/// One audited action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// The instance.
    pub instance: InstanceId,
    /// Display name of the user.
    pub who: String,
    /// `page`, `rest` or `command`.
    pub way: &'static str,
    /// Address of the client; empty for a command.
    pub source: String,
    /// The target: a MAC, a scope or a name; empty for the whole instance.
    pub target: String,
    /// What was done, without secrets.
    pub deed: String,
}

/// A stored entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Row id; increases with time.
    pub id: i64,
    /// When the action took place.
    pub at: Timestamp,
    /// See [`AuditEntry::who`].
    pub who: String,
    /// See [`AuditEntry::way`].
    pub way: String,
    /// See [`AuditEntry::source`].
    pub source: String,
    /// See [`AuditEntry::target`].
    pub target: String,
    /// See [`AuditEntry::deed`].
    pub deed: String,
}

/// The audit in the database.
pub(in crate::store) trait AuditRepository {
    /// Adds an entry and deletes entries beyond [`AUDIT_KEPT`].
    async fn add_audit(&self, entry: &AuditEntry) -> Result<(), StoreError>;

    /// Adds an entry of a command to every instance.
    async fn add_audit_everywhere(&self, who: &str, deed: &str) -> Result<(), StoreError>;

    /// Entries of an instance, newest first, older than `before`, at most `limit`.
    async fn audit(&self, instance: InstanceId, before: Option<i64>, limit: u32) -> Result<Vec<AuditRow>, StoreError>;
}
