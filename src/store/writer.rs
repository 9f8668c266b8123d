//! The one connection that writes, and transactions on it that survive whatever happens to their makers.
//!
//! SQLite ends a transaction by itself when the disk is full, and a future that waits for a statement may be dropped
//! at any time. So a transaction left behind is only marked, and whoever comes next (the watch at the latest, 300 ms
//! later) rolls it back before doing anything else.

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
    ailing::{condition, may_heal},
    connection,
    error::{Attempt, StoreError},
    seal::Keyring,
};

/// Between two attempts to write again.
const MEND: Duration = Duration::from_secs(10);

/// The connection and whether a transaction may be open on it.
pub(super) struct Writer {
    slot: Mutex<Slot>,
    keyring: Arc<Keyring>,
}

struct Slot {
    connection: SqliteConnection,
    open: bool,
    /// Set while the connection cannot write.
    ailing: Option<Ailing>,
}

/// Why the connection cannot write, and when that is looked at again.
struct Ailing {
    cause: StoreError,
    path: PathBuf,
    next: Timestamp,
}

/// The right to write; statements commit by themselves.
pub(super) struct Writing<'w> {
    slot: MutexGuard<'w, Slot>,
}

/// The right to write, in an immediate transaction. Dropped without [`Transaction::commit`] it never happened.
pub(super) struct Transaction<'w> {
    writing: Writing<'w>,
    action: &'static str,
}

impl Writer {
    pub(super) fn new(connection: SqliteConnection, keyring: Arc<Keyring>) -> Self {
        Self { slot: Mutex::new(Slot { connection, open: false, ailing: None }), keyring }
    }

    /// One whose connection only reads, because of `cause`.
    pub(super) fn ailing(connection: SqliteConnection, cause: StoreError, path: &Path, keyring: Arc<Keyring>) -> Self {
        let ailing = Ailing { cause, path: path.to_owned(), next: Timestamp::MIN };
        Self { slot: Mutex::new(Slot { connection, open: false, ailing: Some(ailing) }), keyring }
    }

    /// Tries, at most every [`MEND`], whether the database can be written again. Returns whether that is so since now.
    pub(super) async fn mend(&self, now: Timestamp) -> bool {
        let Ok(mut slot) = self.slot.try_lock() else { return false };
        let Some(ailing) = slot.ailing.as_mut().filter(|ailing| now >= ailing.next && may_heal(&ailing.cause)) else {
            return false;
        };
        ailing.next = now.saturating_add(MEND).unwrap_or(Timestamp::MAX);
        let opened = async {
            let mut writer = connection::writer(&ailing.path).await?;
            connection::prove_key(&mut writer, &self.keyring).await?;
            // Opening needs no place on the disk; a commit does.
            sqlx::query("UPDATE sequence SET phone = phone WHERE id = 1")
                .execute(&mut writer)
                .await
                .attempt("write")?;
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

    /// Waits for the right to write.
    pub(super) async fn take(&self) -> Writing<'_> {
        let mut slot = self.slot.lock().await;
        slot.tidy().await;
        Writing { slot }
    }

    /// Waits for the right to write and begins a transaction, in which the ring knows the key that may seal. `action`
    /// completes "cannot ...".
    pub(super) async fn begin(&self, action: &'static str) -> Result<Transaction<'_>, StoreError> {
        let mut writing = self.take().await;
        if let Some(Ailing { cause, .. }) = &writing.slot.ailing {
            let condition = condition(cause).sentence().unwrap_or_default();
            return Err(StoreError::Ailing { action, condition });
        }
        writing.slot.open = true;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *writing).await.attempt(action)?;
        // Nobody else can admit another key until this transaction is over.
        let admitted = connection::admitted(&mut writing).await?;
        self.keyring.settle(&admitted)?;
        Ok(Transaction { writing, action })
    }

    /// Rolls back what was left behind, unless somebody is writing just now.
    pub(super) async fn tidy(&self) {
        if let Ok(mut slot) = self.slot.try_lock() {
            slot.tidy().await;
        }
    }
}

impl Slot {
    async fn tidy(&mut self) {
        if self.open {
            // Fails when SQLite has rolled back by itself already, which is as good.
            let _ = sqlx::query("ROLLBACK").execute(&mut self.connection).await;
            self.open = false;
        }
    }
}

impl<'w> Transaction<'w> {
    /// Makes it happen: durable when this returns. Who publishes keeps the returned right to write until then, so
    /// that memory follows in the order of the commits.
    pub(super) async fn commit(mut self) -> Result<Writing<'w>, StoreError> {
        sqlx::query("COMMIT").execute(&mut *self.writing).await.attempt(self.action)?;
        self.writing.slot.open = false;
        Ok(self.writing)
    }

    /// Takes everything back at once.
    pub(super) async fn rollback(mut self) {
        self.writing.slot.tidy().await;
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
