//! Handles database files that are lost while the gateway runs. No change is accepted until everything committed is in
//! a separate file again. Phones are served from memory meanwhile.
//!
//! - Nothing is at the path, or only remains of the gateway's own files: a copy of what the open connection sees is
//!   kept in `backups/` and put in the place of the database. The gateway continues with it.
//! - Another file or directory is at the path: the copy is kept, the gateway's own log is set aside and the other file
//!   is left alone. Nothing is written until an administrator decides.

use std::{
    fs,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use gangway_base::periodic::{PeriodicTask, RunResult};
use jiff::Timestamp;
use sqlx::SqlitePool;

use super::{Sqlite, connection, phone, snapshots, vacuum_into, writer::Writing};
use crate::store::{
    api::{error::StoreError, health::Health, loss::Loss, recovery::RecoveryResult},
    files,
    files::{DATABASE, failed},
};

/// Pause between two checks of the files.
const PAUSE: Duration = Duration::from_secs(2);
/// Pause between two attempts to make a copy.
const AGAIN: Duration = Duration::from_secs(10);

/// What is known about a loss that is not repaired yet.
#[derive(Default)]
struct OpenConnectionCopy {
    loss: Option<Loss>,
    since: Option<Timestamp>,
    copy: Option<PathBuf>,
    is_from_memory: bool,
    next: Option<Timestamp>,
}

/// Checks whether the database's files are still the ones that were opened, and repairs what it can.
pub(in crate::store) struct WatchFiles {
    store: Sqlite,
    lasting: OpenConnectionCopy,
}

impl WatchFiles {
    /// No loss known.
    pub(in crate::store) fn new(store: Sqlite) -> Self {
        Self { store, lasting: OpenConnectionCopy::default() }
    }
}

impl PeriodicTask for WatchFiles {
    const NAME: &'static str = "watch database files";

    fn period(&self) -> Duration {
        PAUSE
    }

    async fn run(&mut self) -> RunResult {
        match self.store.inner.identity.look() {
            Ok(()) => {
                if self.lasting.loss.is_some() {
                    self.store.files_are_back().await;
                    self.lasting = OpenConnectionCopy::default();
                }
                Ok(())
            }
            Err(loss) => {
                self.store.files_are_lost(loss, &mut self.lasting).await;
                Err(loss.to_string())
            }
        }
    }
}

impl Sqlite {
    /// The original files were put back. Nothing was written meanwhile, so the connections continue with them.
    async fn files_are_back(&self) {
        self.inner.writer.hold().await.allow().await;
        self.inner.memory.health.set(&Health::Healthy);
    }

    async fn files_are_lost(&self, loss: Loss, lasting: &mut OpenConnectionCopy) {
        let now = self.inner.clock.now();
        // Waits for a running write, so that the copy contains it.
        let mut writing = self.inner.writer.hold().await;
        let since = *lasting.since.get_or_insert(now);
        // Only the serving gateway repairs the loss, not a command.
        let is_serving = self.inner.serving.load(Ordering::Relaxed);
        let is_due = is_serving && lasting.next.is_none_or(|next| next <= now);
        if is_due && lasting.copy.is_none() && loss != Loss::Directory {
            writing.allow().await;
            let mut copied = match self.inner.identity.is_overwritten() {
                // The file has pages of two databases, and so may the connection's view.
                true => Err(StoreError::Corrupt {
                    action: "copy the lost database",
                    reason: "another database was written into the file".to_owned(),
                    copy: None,
                }),
                false => self.copy_of_loss(&mut writing, now).await,
            };
            if let Err(error @ StoreError::Corrupt { .. }) = &copied {
                tracing::warn!(%error, "the lost database cannot be read any more: a copy is written from memory");
                copied = self.copy_from_memory(now).await;
                lasting.is_from_memory = true;
            }
            match copied {
                Ok(copy) => lasting.copy = Some(copy),
                Err(error) => {
                    tracing::warn!(%error, "what the gateway has of the lost database cannot be copied; tried again");
                    lasting.next = now.saturating_add(AGAIN).ok();
                }
            }
        }
        if let (true, Some(copy)) = (is_due && loss.is_ours_to_mend(), lasting.copy.clone()) {
            match self.put_back(&mut writing, loss, &copy, now).await {
                Ok(aside) => {
                    let is_from_memory = lasting.is_from_memory;
                    let recovery = RecoveryResult { at: since, loss, copy, aside, is_from_memory };
                    // The request facts in the copy may be older than memory.
                    self.inner.memory.requests.write_all_again();
                    tracing::error!("{}", recovery.sentence());
                    self.inner.memory.recovery.store(Some(Arc::new(recovery)));
                    self.inner.memory.health.set(&Health::Healthy);
                    *lasting = OpenConnectionCopy::default();
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "the copy cannot be put in the place of the lost database; tried again");
                    lasting.next = now.saturating_add(AGAIN).ok();
                }
            }
        }
        if loss == Loss::Replaced && is_serving && lasting.copy.is_some() {
            // At the next start SQLite would replay this log into the other file.
            let own = self.inner.identity.own_log();
            if let Err(error) = files::set_aside(&self.inner.dir, &files::aside("lost", now), &own) {
                tracing::warn!(%error, "the log of the replaced database cannot be put aside; tried again");
            }
        }
        lasting.loss = Some(loss);
        let condition = Health::Lost { loss, copy: lasting.copy.clone() };
        let sentence = condition.message().unwrap_or_default();
        if self.inner.memory.health.get() != condition {
            match is_serving {
                true => tracing::error!("{sentence}"),
                false => tracing::warn!("{sentence}"),
            }
        }
        writing.refuse(sentence).await;
        self.inner.memory.health.set(&condition);
    }

    /// Copies what the connection still sees, if that is the complete database. An emptied file is an intact database
    /// to SQLite.
    async fn copy_of_loss(&self, writing: &mut Writing<'_>, now: Timestamp) -> Result<PathBuf, StoreError> {
        let copy = snapshots::of_loss(writing, &self.inner.dir, now).await?;
        let looked = async {
            let mut opened = vacuum_into::open(&copy).await?;
            connection::prove_schema(&mut opened).await?;
            phone::extent(&mut opened).await
        };
        let known = self.inner.memory.phones.extent();
        match looked.await {
            Ok(found) if found.covers(&known) => Ok(copy),
            looked => {
                fs::remove_file(&copy).map_err(failed("remove the copy", &copy))?;
                let reason = match looked {
                    Ok(found) => format!(
                        "{} phones of {}, up to the change {} of {}, are left",
                        found.phones, known.phones, found.newest, known.newest
                    ),
                    Err(error) => error.to_string(),
                };
                Err(StoreError::Corrupt { action: "copy the lost database", reason, copy: None })
            }
        }
    }

    /// Puts a copy in the place of the database and continues with it. The remains of the previous files are set aside.
    async fn put_back(
        &self,
        writing: &mut Writing<'_>,
        loss: Loss,
        copy: &Path,
        now: Timestamp,
    ) -> Result<PathBuf, StoreError> {
        let inner = &self.inner;
        let path = inner.dir.join(DATABASE);
        let fresh = Fresh::of(copy, &inner.dir)?;
        let aside = files::aside("lost", now);
        // SQLite would replay a log of the previous database into the new one.
        let left = match loss {
            Loss::Removed => &files::OF_DATABASE[..2],
            _ => &files::OF_DATABASE[..],
        };
        if inner.identity.look() != Err(loss) {
            return Err(StoreError::Moving);
        }
        files::set_aside(&inner.dir, &aside, left)?;
        // A hard link does not overwrite a file that was created meanwhile.
        fs::hard_link(&fresh.0, &path).map_err(failed("put the copy in the place of", &path))?;
        drop(fresh);
        File::open(&inner.dir).and_then(|dir| dir.sync_all()).map_err(failed("write", &inner.dir))?;
        let mut opened = connection::writer(&path).await?;
        connection::prove_key(&mut opened, &inner.keyring).await?;
        inner.identity.note()?;
        inner.identity.report_served();
        writing.exchange(opened);
        inner.readers.store(Arc::new(connection::readers(&path)));
        Ok(inner.dir.join(aside))
    }

    /// Pool of read-only connections, provided that the file at the path is the one being written.
    pub(in crate::store) fn readers(&self) -> Result<SqlitePool, StoreError> {
        self.prove_files()?;
        Ok(SqlitePool::clone(&self.inner.readers.load()))
    }

    /// Opens a read-only connection to the database being written, and to no other.
    pub(in crate::store) async fn reader(&self) -> Result<sqlx::SqliteConnection, StoreError> {
        self.prove_files()?;
        let reader = connection::reader(&self.inner.dir.join(DATABASE)).await?;
        self.prove_files()?;
        Ok(reader)
    }

    pub(in crate::store) fn prove_files(&self) -> Result<(), StoreError> {
        self.inner.identity.check_paths().map_err(|loss| StoreError::Lost { loss })
    }
}

/// A separate file in the data directory with the content of a copy. Dropping this value removes its name.
struct Fresh(PathBuf);

impl Fresh {
    fn of(copy: &Path, dir: &Path) -> Result<Self, StoreError> {
        let fresh = Self(dir.join(format!(".{DATABASE}.{:08x}.partial", rand::random::<u32>())));
        let written = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh.0)?;
            io::copy(&mut File::open(copy)?, &mut file)?;
            file.sync_all()
        };
        written().map_err(failed("write", &fresh.0))?;
        Ok(fresh)
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
