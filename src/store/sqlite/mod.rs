//! The engine for SQLite: all SQL, the connections, and what a database that is one file needs: the identity of the file,
//! copies, recovery, rotation of the key.
//!
//! A change is computed on a copy inside an immediate transaction, written, committed and then published. So no decision
//! is based on data that a crash could undo. One connection writes, and writers wait for it. Other processes (commands)
//! may write to the same file: the engine polls `PRAGMA data_version` every 300 ms and loads their changes.

pub(in crate::store) mod account;
pub(in crate::store) mod activity;
pub(in crate::store) mod audit;
pub(in crate::store) mod codec;
pub(in crate::store) mod connection;
pub(in crate::store) mod copy;
pub(in crate::store) mod damage_check;
pub(in crate::store) mod degraded;
pub(in crate::store) mod delivered;
pub(in crate::store) mod device_config;
pub(in crate::store) mod error_context;
pub(in crate::store) mod event;
pub(in crate::store) mod external_changes;
#[cfg(feature = "demo")]
pub(in crate::store) mod fault_injection;
pub(in crate::store) mod history;
pub(in crate::store) mod identity;
pub(in crate::store) mod instance;
pub(in crate::store) mod learned;
pub(in crate::store) mod loader;
pub(in crate::store) mod lost_database;
pub(in crate::store) mod missing_database;
pub(in crate::store) mod phone;
pub(in crate::store) mod phone_writes;
pub(in crate::store) mod request;
pub(in crate::store) mod rescue;
pub(in crate::store) mod restore_state;
pub(in crate::store) mod rotate;
pub(in crate::store) mod schema;
pub(in crate::store) mod sealed_columns;
pub(in crate::store) mod sequence;
pub(in crate::store) mod setting;
pub(in crate::store) mod setting_change;
pub(in crate::store) mod snapshots;
pub(in crate::store) mod token;
pub(in crate::store) mod upload;
pub(in crate::store) mod vacuum_into;
pub(in crate::store) mod write_batch;
pub(in crate::store) mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use gangway_base::{clock::SharedClock, tasks::Tasks};
use jiff::Timestamp;
use sqlx::{Connection, SqlitePool};

pub(in crate::store) use self::{
    copy::{CopiedRecords, verify},
    missing_database::FirstStart,
    schema::newest as newest_schema,
};
use self::{
    damage_check::CheckDatabase, external_changes::WatchDatabase, identity::Identity, lost_database::WatchFiles,
    write_batch::PendingWrites, writer::Writer,
};
use super::{
    api::{error::StoreError, health::Health},
    files::{self, DATABASE, ServeLock},
    memory::{
        LoadedMemory, Memory,
        phone_cache::{PhoneCache, TokenIndex},
    },
    sealing::{key_file, keyring::Keyring},
};

/// One open database. Clones share it.
#[derive(Clone)]
pub(in crate::store) struct Sqlite {
    pub(in crate::store) inner: Arc<Inner>,
}

pub(in crate::store) struct Inner {
    pub(in crate::store) dir: PathBuf,
    pub(in crate::store) clock: SharedClock,
    pub(in crate::store) keyring: Arc<Keyring>,
    pub(in crate::store) writer: Writer,
    readers: ArcSwap<SqlitePool>,
    pub(in crate::store) identity: Identity,
    /// Whether this process is the serving gateway. Commands leave repairs to it.
    serving: AtomicBool,
    later: PendingWrites,
    pub(in crate::store) memory: Arc<Memory>,
}

impl Sqlite {
    /// Opens the database in `dir`, creates what is missing (directory 0700, files 0600, sealing key, schema) and loads
    /// everything that memory holds. Starts the tasks that detect changes by other processes and that write in the
    /// background.
    pub(in crate::store) async fn open(
        dir: &Path,
        credentials: Option<&Path>,
        clock: SharedClock,
        tasks: &Tasks,
        beginning: FirstStart,
    ) -> Result<Self, StoreError> {
        files::prepare_directory(dir)?;
        let path = dir.join(DATABASE);
        // Before the file is opened: another first start may create schema and key, in this order, at the same time.
        let refusal = if beginning == FirstStart::First { missing_database::refusal(dir) } else { None };
        let refusal = match refusal {
            Some(refusal) if !missing_database::has_content(dir) => return Err(refusal),
            later => later,
        };
        identity::prove_served(dir)?;
        let existed = files::prepare_database(dir)?;
        let opened = async {
            let mut writer = connection::writer(&path).await?;
            if let Some(refusal) = refusal
                && !connection::has_schema(&mut writer).await?
            {
                let _ = writer.close().await;
                return Err(refusal);
            }
            let keyring = if existed && connection::is_bound(&mut writer).await? {
                let keyring = key_file::keyring(dir, credentials, true)?;
                schema::bring_forward(&mut writer, dir, clock.now()).await?;
                keyring
            } else {
                // The key is created last: a key beside a database without a schema shows that the log was lost.
                schema::bring_forward(&mut writer, dir, clock.now()).await?;
                key_file::keyring(dir, credentials, false)?
            };
            connection::prove_key(&mut writer, &keyring).await?;
            Ok((writer, Arc::new(keyring)))
        };
        let (mut connection, keyring, mut cause) = match opened.await {
            Ok((writer, keyring)) => (writer, keyring, None),
            Err(cause) if existed && degraded::may_be_readable(&cause) => match degraded::check_contents(&path).await {
                Ok(mut connection) => {
                    let keyring = Arc::new(key_file::keyring(dir, credentials, true)?);
                    connection::prove_key(&mut connection, &keyring).await?;
                    (connection, keyring, Some(cause))
                }
                Err(_) => return Err(cause),
            },
            Err(error) => return Err(error),
        };
        let phones = PhoneCache::new(TokenIndex::new(&keyring));
        let restoration = restore_state::read(&mut connection).await?;
        let instances = instance::load(&mut connection).await?;
        let mut loaded = loader::everything(&mut connection, &keyring, &phones).await?;
        // A damaged database is not written to: that would make it worse.
        cause = loaded.damage.take().or(cause);
        let mut health = Health::Healthy;
        let identity = Identity::new(dir);
        if cause.is_none() {
            identity.note()?;
        }
        let writer = match cause.map(|cause| cause.with_copy_in(dir)) {
            None => Writer::new(connection, Arc::clone(&keyring)),
            Some(cause) => {
                health = degraded::condition(&cause);
                degraded::only_read(&mut connection).await?;
                Writer::ailing(connection, cause, &path, Arc::clone(&keyring))
            }
        };
        let memory = Arc::new(Memory::new(LoadedMemory {
            phones,
            instances,
            settings: loaded.settings,
            learned: loaded.learned,
            tokens: loaded.tokens,
            requests: loaded.requests,
            restoration,
        }));
        memory.health.set(&health);
        let readers = ArcSwap::from_pointee(connection::readers(&path));
        let (later, queue) = write_batch::queue();
        let (dir, serving) = (dir.to_owned(), AtomicBool::new(false));
        let inner = Inner { dir, clock, keyring, writer, readers, identity, serving, later, memory };
        let database = Self { inner: Arc::new(inner) };
        let clock = &database.inner.clock;
        tasks.every(WatchDatabase::new(database.clone(), loaded.seen), clock);
        tasks.every(WatchFiles::new(database.clone()), clock);
        tasks.spawn("store later changes", write_batch::run(database.clone(), queue, tasks.stop_token()));
        tasks.every(CheckDatabase(database.clone()), clock);
        Ok(database)
    }

    /// The data directory.
    pub(in crate::store) fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// The keys that seal this database.
    pub(in crate::store) fn keyring(&self) -> &Keyring {
        &self.inner.keyring
    }

    /// What is kept in memory.
    pub(in crate::store) fn memory(&self) -> &Arc<Memory> {
        &self.inner.memory
    }

    /// The time.
    pub(in crate::store) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Checkpoints the log into the database, so that the file alone is complete once the gateway has stopped. If it
    /// fails, the data stays in the log file as before.
    pub(in crate::store) async fn close(&self) {
        let mut writing = self.inner.writer.hold().await;
        if self.inner.memory.health.get() != Health::Healthy || self.inner.identity.look().is_err() {
            return;
        }
        let brought = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut *writing).await;
        if let Err(error) = brought {
            tracing::debug!(%error, "the log of the database is not brought into it");
        }
    }

    /// Claims the directory for serving, until the returned lock is dropped.
    pub(in crate::store) fn claim(&self) -> Result<ServeLock, StoreError> {
        let claim = ServeLock::take(&self.inner.dir)?;
        self.inner.serving.store(true, Ordering::Relaxed);
        self.inner.identity.report_served();
        Ok(claim)
    }

    /// Checks the database for damage, for at most `within`.
    pub(in crate::store) async fn look_for_damage(&self, within: Duration) -> Result<(), StoreError> {
        let looked = async {
            let mut reader = self.reader().await?;
            let looked = vacuum_into::look_for_damage(&mut reader, within).await;
            let _ = reader.close().await;
            looked
        };
        looked.await.map_err(|error: StoreError| error.with_copy_in(&self.inner.dir))
    }
}
