//! The records: SQLite on disk, the phones in memory.
//!
//! Readers see only committed data in memory. A change is computed on a copy inside an immediate transaction, written,
//! committed and then published. So no decision is based on data that a crash could undo. One connection writes, and
//! writers wait for it. Readers of [`PhoneCache`], settings and facts never wait. Other processes (commands) may write
//! to the same file: the store polls `PRAGMA data_version` every 300 ms and loads their changes.

mod api;
mod backup;
mod files;
mod memory;
mod sealing;
mod sqlite;
mod staging;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use gangway_base::{clock::SharedClock, tasks::Tasks};
use sqlx::{Connection, SqlitePool};
use tokio::sync::broadcast;

pub use self::{
    api::error::StoreError,
    api::loss::Loss,
    backup::{
        Contents, Damage, PASSPHRASE_LEAST, Progress, RESTORED, Restore, RestoreError, Restored, finish_restoration,
    },
    files::{DATABASE, ServeLock},
    memory::phone_cache::PhoneCache,
    sqlite::activity::Activity,
    sqlite::audit::{AUDIT_KEPT, AuditEntry, AuditRow},
    sqlite::command_payload::HANDOVER_LIMIT,
    sqlite::degraded::Health,
    sqlite::delivered::{DeliveredFile, KeptFile, WriteDeliveredFiles},
    sqlite::event::{EVENTS_KEPT, EventRow, NewEvent},
    sqlite::history::{HistoryEntry, HistoryFilter, HistoryRow},
    sqlite::lost_database::RecoveryResult,
    sqlite::phone_writes::PhoneChanged,
    sqlite::request::{RequestFacts, RequestNote},
    sqlite::restore_state::Restoration,
    sqlite::rotate::{Rotation, RotationStep},
    sqlite::setting_change::SettingChange,
    sqlite::snapshots,
    sqlite::token::{ApiToken, NewToken, TOKEN_PREFIX, TokenCheck, TokenScope},
    sqlite::upload::{UPLOAD_LIMIT, UPLOADS_KEPT, UploadRow},
    sqlite::write_batch::DeferredChange,
};
use self::{
    memory::phone_cache::TokenIndex, sealing::keyring::Keyring, sqlite::fact::FactCache, sqlite::identity::Identity,
    sqlite::missing_database::FirstStart, sqlite::request::Requests, sqlite::setting::SettingsCache,
    sqlite::token::TokenCache, sqlite::writer::Writer,
};
use self::{
    sqlite::degraded::CheckDatabase, sqlite::external_changes::WatchDatabase, sqlite::lost_database::WatchFiles,
    sqlite::request::WriteRequests,
};
use crate::phone::{instance::InstanceId, record::PhoneId};

/// Number of notifications a slow receiver may lag behind before it gets an error that it missed some.
const ANNOUNCEMENTS: usize = 4096;

/// The store of one data directory. Clones share the same store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    clock: SharedClock,
    keyring: Arc<Keyring>,
    writer: Writer,
    readers: ArcSwap<SqlitePool>,
    identity: Identity,
    /// Whether this process is the serving gateway. Commands leave repairs to it.
    serving: AtomicBool,
    mended: ArcSwapOption<RecoveryResult>,
    roster: PhoneCache,
    instances: sqlite::instance::InstanceTable,
    settings: SettingsCache,
    facts: FactCache,
    restoration: ArcSwapOption<Restoration>,
    tokens: TokenCache,
    requests: Requests,
    delivered: sqlite::delivered::Waiting,
    later: sqlite::write_batch::PendingWrites,
    condition: sqlite::degraded::PublishedHealth,
    changes: broadcast::Sender<PhoneChanged>,
    settings_changes: broadcast::Sender<InstanceId>,
    request_changes: broadcast::Sender<Arc<[PhoneId]>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("dir", &self.inner.dir).field("roster", &self.inner.roster).finish()
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
        Self::open_as(dir, credentials, clock, tasks, FirstStart::First).await
    }

    async fn open_as(
        dir: &Path,
        credentials: Option<&Path>,
        clock: SharedClock,
        tasks: &Tasks,
        beginning: FirstStart,
    ) -> Result<Self, StoreError> {
        files::prepare_directory(dir)?;
        if backup::is_unfinished(dir) {
            return Err(StoreError::RestoreUnfinished { dir: dir.to_owned() });
        }
        let path = dir.join(DATABASE);
        // Before the file is opened: another first start may create schema and key, in this order, at the same time.
        let refusal = if beginning == FirstStart::First { sqlite::missing_database::refusal(dir) } else { None };
        let refusal = match refusal {
            Some(refusal) if !sqlite::missing_database::has_content(dir) => return Err(refusal),
            later => later,
        };
        sqlite::identity::prove_served(dir)?;
        let existed = files::prepare_database(dir)?;
        let opened = async {
            let mut writer = sqlite::connection::writer(&path).await?;
            if let Some(refusal) = refusal
                && !sqlite::connection::has_schema(&mut writer).await?
            {
                let _ = writer.close().await;
                return Err(refusal);
            }
            let keyring = if existed && sqlite::connection::is_bound(&mut writer).await? {
                let keyring = sealing::key_file::keyring(dir, credentials, true)?;
                sqlite::schema::bring_forward(&mut writer, dir, clock.now()).await?;
                keyring
            } else {
                // The key is created last: a key beside a database without a schema shows that the log was lost.
                sqlite::schema::bring_forward(&mut writer, dir, clock.now()).await?;
                sealing::key_file::keyring(dir, credentials, false)?
            };
            sqlite::connection::prove_key(&mut writer, &keyring).await?;
            Ok((writer, Arc::new(keyring)))
        };
        let (mut connection, keyring, mut cause) = match opened.await {
            Ok((writer, keyring)) => (writer, keyring, None),
            Err(cause) if existed && sqlite::degraded::may_be_readable(&cause) => {
                match sqlite::degraded::check_contents(&path).await {
                    Ok(mut connection) => {
                        let keyring = Arc::new(sealing::key_file::keyring(dir, credentials, true)?);
                        sqlite::connection::prove_key(&mut connection, &keyring).await?;
                        (connection, keyring, Some(cause))
                    }
                    Err(_) => return Err(cause),
                }
            }
            Err(error) => return Err(error),
        };
        let roster = PhoneCache::new(TokenIndex::new(&keyring));
        let restoration = sqlite::restore_state::read(&mut connection).await?;
        let instances = sqlite::instance::InstanceTable::load(&mut connection).await?;
        let mut loaded = sqlite::loader::everything(&mut connection, &keyring, &roster).await?;
        // A damaged database is not written to: that would make it worse.
        cause = loaded.damage.take().or(cause);
        let condition = sqlite::degraded::PublishedHealth::default();
        let identity = Identity::new(dir);
        if cause.is_none() {
            identity.note()?;
        }
        let writer = match cause.map(|cause| cause.with_copy_in(dir)) {
            None => Writer::new(connection, Arc::clone(&keyring)),
            Some(cause) => {
                condition.set(&sqlite::degraded::condition(&cause));
                sqlite::degraded::only_read(&mut connection).await?;
                Writer::ailing(connection, cause, &path, Arc::clone(&keyring))
            }
        };
        let readers = sqlite::connection::readers(&path);
        let (later, queue) = sqlite::write_batch::queue();
        let store = Self {
            inner: Arc::new(Inner {
                dir: dir.to_owned(),
                clock,
                keyring,
                writer,
                readers: ArcSwap::from_pointee(readers),
                identity,
                serving: AtomicBool::new(false),
                mended: ArcSwapOption::empty(),
                roster,
                instances,
                settings: loaded.settings,
                facts: loaded.facts,
                restoration: ArcSwapOption::new(restoration.map(Arc::new)),
                tokens: loaded.tokens,
                requests: loaded.requests,
                delivered: sqlite::delivered::Waiting::default(),
                later,
                condition,
                changes: broadcast::Sender::new(ANNOUNCEMENTS),
                settings_changes: broadcast::Sender::new(ANNOUNCEMENTS),
                request_changes: broadcast::Sender::new(16),
            }),
        };
        let clock = &store.inner.clock;
        tasks.every(WatchDatabase::new(store.clone(), loaded.seen), clock);
        tasks.every(WatchFiles::new(store.clone()), clock);
        tasks.spawn("store later changes", sqlite::write_batch::run(store.clone(), queue, tasks.stop_token()));
        tasks.every(WriteRequests(store.clone()), clock);
        tasks.every(CheckDatabase(store.clone()), clock);
        Ok(store)
    }

    /// Whether the database can be read and written, or the reason why not.
    #[must_use]
    pub fn condition(&self) -> Health {
        self.inner.condition.get()
    }

    /// Checkpoints the log into the database, so that the file alone is complete once the gateway has stopped. Call it
    /// at shutdown. If it fails, the data stays in the log file as before.
    pub async fn close(&self) {
        let mut writing = self.inner.writer.hold().await;
        if self.condition() != Health::Healthy || self.inner.identity.look().is_err() {
            return;
        }
        let brought = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut *writing).await;
        if let Err(error) = brought {
            tracing::debug!(%error, "the log of the database is not brought into it");
        }
    }

    /// Claims the directory for serving. The claim lasts until the returned lock is dropped. Commands do not need it.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process serves from it.
    pub fn claim(&self) -> Result<ServeLock, StoreError> {
        let claim = ServeLock::take(&self.inner.dir)?;
        self.inner.serving.store(true, Ordering::Relaxed);
        self.inner.identity.report_served();
        Ok(claim)
    }

    /// Checks the database for damage, for at most `within`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], which names the newest copy.
    pub async fn look_for_damage(&self, within: Duration) -> Result<(), StoreError> {
        let looked = async {
            let mut reader = self.reader().await?;
            let looked = sqlite::vacuum_into::look_for_damage(&mut reader, within).await;
            let _ = reader.close().await;
            looked
        };
        looked.await.map_err(|error: StoreError| error.with_copy_in(&self.inner.dir))
    }

    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// The cache of all phones.
    #[must_use]
    pub fn roster(&self) -> &PhoneCache {
        &self.inner.roster
    }

    /// Derives a key for `label` (nonces, ETags, ...). It stays the same as long as the sealing key does.
    #[must_use]
    pub fn derive_key(&self, label: &str) -> [u8; 32] {
        self.inner.keyring.derive(label)
    }
}

#[cfg(test)]
mod tests;
