//! Who did what, through the admin page, REST or a command.

use super::{AuditEntry, AuditRow, Store, StoreError, api::audit::AuditRepository};
use crate::phone::instance::InstanceId;

/// Who did what, through the admin page, REST or a command.
#[derive(Debug, Clone, Copy)]
pub struct AuditRecords<'s>(&'s Store);

impl Store {
    /// Who did what, through the admin page, REST or a command.
    #[must_use]
    pub fn audit_log(&self) -> AuditRecords<'_> {
        AuditRecords(self)
    }
}

impl AuditRecords<'_> {
    /// Adds an entry and deletes entries beyond [`AUDIT_KEPT`].
    ///
    /// # Errors
    /// When the database cannot be written; the caller must not perform the action then.
    pub async fn add(self, entry: &AuditEntry) -> Result<(), StoreError> {
        self.0.database.add_audit(entry).await
    }

    /// Adds an entry to every instance, for commands on this machine that affect all of them.
    ///
    /// # Errors
    /// When the database cannot be written; the caller must not perform the action then.
    pub async fn add_everywhere(self, who: &str, deed: &str) -> Result<(), StoreError> {
        self.0.database.add_audit_everywhere(who, deed).await
    }

    /// Entries of an instance, newest first, older than `before`, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn entries(
        self,
        instance: InstanceId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditRow>, StoreError> {
        self.0.database.audit(instance, before, limit).await
    }
}
