//! The records: a database on disk, the phones in memory.
//!
//! | Part | Contains |
//! |---|---|
//! | `api` | the types of what is stored, the errors, and what the store asks of a database engine |
//! | `memory` | what readers see: phones, settings, tokens, last requests, and the announcements of changes |
//! | `sqlite` | the engine: all SQL, and what a database that is one file needs |
//! | `sealing` | the key file and the sealing of secrets |
//! | `backup` | one file with everything, and back again |
//!
//! Readers see only committed data in memory and never wait.

mod api;
mod audit;
mod backup;
mod delivered_task;
mod deliveries;
mod files;
mod history;
mod learned;
mod lifecycle;
mod memory;
mod phones;
mod request_task;
mod requests;
mod sealing;
mod settings;
pub mod snapshots;
mod sqlite;
mod staging;
mod tokens;
mod uploads;

use std::path::{Path, PathBuf};

use gangway_base::{clock::SharedClock, tasks::Tasks};

pub use self::{
    api::{
        activity::Activity,
        audit::{AUDIT_KEPT, AuditEntry, AuditRow},
        delivered::{DeliveredFile, KeptFile},
        error::StoreError,
        event::{EVENTS_KEPT, EventRow, NewEvent},
        health::Health,
        history::{HistoryEntry, HistoryFilter, HistoryRow},
        learned::{BootstrapTicket, NamedUrls},
        loss::Loss,
        phone::{DeferredChange, PhoneChanged},
        recovery::RecoveryResult,
        request::{RequestFacts, RequestNote},
        restoration::Restoration,
        rotation::{Rotation, RotationStep},
        setting::SettingChange,
        token::{ApiToken, NewToken, TOKEN_PREFIX, TokenCheck, TokenScope},
        upload::{UPLOAD_LIMIT, UPLOADS_KEPT, UploadRow},
    },
    audit::AuditRecords,
    backup::{
        Contents, Damage, PASSPHRASE_LEAST, Progress, RESTORED, Restore, RestoreError, Restored, finish_restoration,
    },
    delivered_task::WriteDeliveredFiles,
    deliveries::DeliveryRecords,
    files::{DATABASE, ServeLock},
    history::HistoryRecords,
    learned::LearnedRecords,
    phones::PhoneRecords,
    requests::RequestRecords,
    settings::SettingRecords,
    tokens::TokenRecords,
    uploads::UploadRecords,
};
use self::{
    request_task::WriteRequests,
    sqlite::{FirstStart, Sqlite},
};

/// The store of one data directory. Clones share the same store.
#[derive(Clone)]
pub struct Store {
    database: Sqlite,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let memory = self.database.memory();
        f.debug_struct("Store").field("dir", &self.database.dir()).field("phones", &memory.phones).finish()
    }
}

impl Store {
    /// Opens the store in `dir`, creates what is missing (directory 0700, files 0600, sealing key, schema) and loads
    /// all phones. Starts the tasks that detect changes by other processes and that write in the background.
    ///
    /// # Errors
    /// When the store cannot be served: see [`StoreError`]. A single phone whose row is damaged is logged and skipped.
    /// A database that can be read but not written is opened; see [`Store::condition`].
    #[tracing::instrument(name = "store.open", skip_all, fields(dir = %dir.display()))]
    pub async fn open(dir: &Path, clock: SharedClock, tasks: &Tasks) -> Result<Self, StoreError> {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Self::open_with(dir, credentials.as_deref(), clock, tasks).await.map_err(|error| error.with_copy_in(dir))
    }

    async fn open_with(
        dir: &Path,
        credentials: Option<&Path>,
        clock: SharedClock,
        tasks: &Tasks,
    ) -> Result<Self, StoreError> {
        Self::refuse_unfinished_restore(dir)?;
        let database = Sqlite::open(dir, credentials, clock.clone(), tasks, FirstStart::First).await?;
        let store = Self { database };
        tasks.every(WriteRequests(store.clone()), &clock);
        Ok(store)
    }

    fn refuse_unfinished_restore(dir: &Path) -> Result<(), StoreError> {
        match backup::is_unfinished(dir) {
            true => Err(StoreError::RestoreUnfinished { dir: dir.to_owned() }),
            false => Ok(()),
        }
    }
}

/// Waits until no connection is inside a writing transaction on the database in `dir`.
#[cfg(test)]
pub(crate) async fn wait_for_other_writers(dir: &Path) -> Result<(), StoreError> {
    sqlite::connection::wait_for_other_writers(&dir.join(DATABASE)).await
}

#[cfg(test)]
mod tests;
