//! The only connection that writes, and transactions on it that clean up after their callers.
//!
//! SQLite ends a transaction by itself when the disk is full, and a future that waits for a statement may be dropped at
//! any time. So an abandoned transaction is only marked. The next user of the connection (at the latest the check for
//! external changes, 300 ms later) rolls it back before it does anything else.

use std::{
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use sqlx::SqliteConnection;
use tokio::sync::{Mutex, MutexGuard};

use super::{
    connection,
    degraded::{condition, is_recoverable},
    error_context::ErrorContext,
};
use crate::store::{api::error::StoreError, sealing::keyring::Keyring};

/// Pause between two attempts to write again.
const MEND: Duration = Duration::from_secs(10);
/// Pause before a write test after a transaction was abandoned.
const DOUBT: Duration = Duration::from_secs(1);

/// The connection and whether a transaction may be open on it.
pub(in crate::store) struct Writer {
    slot: Mutex<Slot>,
    keyring: Arc<Keyring>,
}

struct Slot {
    connection: SqliteConnection,
    open: bool,
    /// Set while the connection cannot write.
    ailing: Option<Ailing>,
    /// Why writes are rejected, while the files of the connection are lost.
    refused: Option<String>,
    works: Works,
}

/// What is known about whether the disk accepts writes.
#[derive(Default)]
struct Works {
    /// A transaction was abandoned; perhaps the disk rejected it.
    doubt: bool,
    /// Something was written, but whether it succeeded is not known.
    untold: bool,
    /// A transaction was committed since the last check.
    worked: bool,
    /// The last attempt failed.
    fails: bool,
    tried: Option<Timestamp>,
}

/// Why the connection cannot write, and when to retry.
struct Ailing {
    cause: StoreError,
    path: PathBuf,
    next: Timestamp,
}

/// The write lock. Statements commit individually.
pub(in crate::store) struct Writing<'w> {
    slot: MutexGuard<'w, Slot>,
}

/// The write lock with an immediate transaction. Dropping it without [`Transaction::commit`] discards the changes.
pub(in crate::store) struct Transaction<'w> {
    writing: Writing<'w>,
    action: &'static str,
}

impl Writer {
    pub(in crate::store) fn new(connection: SqliteConnection, keyring: Arc<Keyring>) -> Self {
        Self { slot: Mutex::new(Slot::new(connection, None)), keyring }
    }

    /// A writer whose connection is read-only because of `cause`.
    pub(in crate::store) fn ailing(
        connection: SqliteConnection,
        cause: StoreError,
        path: &Path,
        keyring: Arc<Keyring>,
    ) -> Self {
        let ailing = Ailing { cause, path: path.to_owned(), next: Timestamp::MIN };
        Self { slot: Mutex::new(Slot::new(connection, Some(ailing))), keyring }
    }

    /// Tests, at most every [`MEND`], whether the database can be written again. Returns true when it has just become
    /// writable.
    pub(in crate::store) async fn retry_open(&self, now: Timestamp) -> bool {
        let Ok(mut slot) = self.slot.try_lock() else { return false };
        let Some(ailing) = slot.ailing.as_mut().filter(|ailing| now >= ailing.next && is_recoverable(&ailing.cause))
        else {
            return false;
        };
        ailing.next = now.saturating_add(MEND).unwrap_or(Timestamp::MAX);
        let opened = async {
            let mut writer = connection::writer(&ailing.path).await?;
            connection::prove_key(&mut writer, &self.keyring).await?;
            try_to_write(&mut writer).await?;
            Ok::<_, StoreError>(writer)
        };
        match opened.await {
            Ok(writer) => {
                slot.connection = writer;
                slot.ailing = None;
                true
            }
            Err(error) => {
                tracing::debug!(%error, "the database still cannot be written");
                false
            }
        }
    }

    /// Tests whether the disk accepts writes: a second after a transaction was abandoned, and every [`MEND`] while
    /// writes fail or their result is not known. Returns `None` when the result is unchanged.
    pub(in crate::store) async fn prove(&self, now: Timestamp) -> Option<Result<(), StoreError>> {
        let mut slot = self.slot.try_lock().ok()?;
        if slot.ailing.is_some() || slot.refused.is_some() {
            return None;
        }
        slot.tidy().await;
        let works = &mut slot.works;
        if std::mem::take(&mut works.worked) && std::mem::take(&mut works.fails) {
            return Some(Ok(()));
        }
        let pause = if works.doubt && !works.fails { DOUBT } else { MEND };
        let is_due = works.tried.and_then(|tried| tried.checked_add(pause).ok()).is_none_or(|next| next <= now);
        if !is_due || !(works.doubt || works.untold || works.fails) {
            return None;
        }
        let tried = try_to_write(&mut slot.connection).await;
        let fails = match &tried {
            Ok(()) => false,
            // Another process holds the lock. This does not say anything about the disk.
            Err(StoreError::Locked { .. }) => slot.works.fails,
            Err(_) => true,
        };
        slot.works = Works { fails, tried: Some(now), ..Works::default() };
        match tried {
            Err(StoreError::Locked { .. }) => None,
            tried => Some(tried),
        }
    }

    /// Waits for the write lock, in order to write.
    pub(in crate::store) async fn take(&self) -> Writing<'_> {
        let mut writing = self.hold().await;
        writing.slot.works.untold = true;
        writing
    }

    /// Waits for the write lock.
    pub(in crate::store) async fn hold(&self) -> Writing<'_> {
        let mut slot = self.slot.lock().await;
        slot.tidy().await;
        Writing { slot }
    }

    /// Waits for the write lock and begins a transaction. Updates the keyring to the key that may seal. `action`
    /// completes "cannot ...".
    pub(in crate::store) async fn begin(&self, action: &'static str) -> Result<Transaction<'_>, StoreError> {
        let mut writing = self.hold().await;
        if let Some(condition) = writing.slot.refused.clone() {
            return Err(StoreError::Ailing { action, condition });
        }
        if let Some(Ailing { cause, .. }) = &writing.slot.ailing {
            let condition = condition(cause).message().unwrap_or_default();
            return Err(StoreError::Ailing { action, condition });
        }
        writing.slot.open = true;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *writing).await.attempt(action)?;
        // No other process can admit another key until this transaction ends.
        let admitted = connection::admitted(&mut writing).await?;
        self.keyring.refresh_keys(&admitted)?;
        Ok(Transaction { writing, action })
    }

    /// Rolls back an abandoned transaction, unless a write is in progress.
    pub(in crate::store) async fn tidy(&self) {
        if let Ok(mut slot) = self.slot.try_lock() {
            slot.tidy().await;
        }
    }
}

/// Opening a database needs no disk space, but a commit does. SQLite writes this even if the value is unchanged.
async fn try_to_write(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("PRAGMA user_version = 0").execute(connection).await.attempt("write to the database").map(drop)
}

impl Slot {
    fn new(connection: SqliteConnection, ailing: Option<Ailing>) -> Self {
        Self { connection, open: false, ailing, refused: None, works: Works::default() }
    }

    async fn tidy(&mut self) {
        if self.open {
            self.works.doubt = true;
            // Fails when SQLite has rolled back by itself already, which has the same effect.
            let _ = sqlx::query("ROLLBACK").execute(&mut self.connection).await;
            self.open = false;
        }
    }
}

impl<'w> Transaction<'w> {
    /// Commits. The changes are durable when this returns. A caller that publishes them keeps the returned write lock
    /// until then, so that memory follows the order of the commits.
    pub(in crate::store) async fn commit(mut self) -> Result<Writing<'w>, StoreError> {
        sqlx::query("COMMIT").execute(&mut *self.writing).await.attempt(self.action)?;
        self.writing.slot.open = false;
        let works = &mut self.writing.slot.works;
        (works.worked, works.doubt, works.untold) = (true, false, false);
        Ok(self.writing)
    }

    /// Rolls back immediately.
    pub(in crate::store) async fn rollback(mut self) {
        let doubt = self.writing.slot.works.doubt;
        self.writing.slot.tidy().await;
        self.writing.slot.works.doubt = doubt;
    }
}

impl Writing<'_> {
    /// Replaces the connection.
    pub(in crate::store) fn exchange(&mut self, connection: SqliteConnection) {
        self.slot.connection = connection;
        self.slot.refused = None;
    }

    /// Rejects all writes from now on. `condition` is the reason.
    pub(in crate::store) async fn refuse(&mut self, condition: String) {
        self.slot.refused = Some(condition);
        if let Err(error) = sqlx::query("PRAGMA query_only = ON").execute(&mut self.slot.connection).await {
            tracing::debug!(%error, "the connection takes no order");
        }
    }

    /// Accepts writes again.
    pub(in crate::store) async fn allow(&mut self) {
        if self.slot.refused.take().is_some()
            && let Err(error) = sqlx::query("PRAGMA query_only = OFF").execute(&mut self.slot.connection).await
        {
            tracing::debug!(%error, "the connection takes no order");
        }
    }
}

impl Deref for Writing<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.slot.connection
    }
}

impl DerefMut for Writing<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.slot.connection
    }
}

impl Deref for Transaction<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.writing
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.writing
    }
}
