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
    connection,
    degraded::{condition, is_recoverable},
    error::{ErrorContext, StoreError},
    seal::Keyring,
};

/// Between two attempts to write again.
const MEND: Duration = Duration::from_secs(10);
/// Between two attempts while all is well.
const DOUBT: Duration = Duration::from_secs(1);

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
    /// Why nothing may be written, while the files of the connection are lost.
    refused: Option<String>,
    works: Works,
}

/// What is known about whether the disk takes what is written.
#[derive(Default)]
struct Works {
    /// A transaction was left behind: perhaps the disk refused it.
    doubt: bool,
    /// Something was written without a sign of whether it worked.
    untold: bool,
    /// A transaction was committed since the last look.
    worked: bool,
    /// The last attempt failed.
    fails: bool,
    tried: Option<Timestamp>,
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
        Self { slot: Mutex::new(Slot::new(connection, None)), keyring }
    }

    /// One whose connection only reads, because of `cause`.
    pub(super) fn ailing(connection: SqliteConnection, cause: StoreError, path: &Path, keyring: Arc<Keyring>) -> Self {
        let ailing = Ailing { cause, path: path.to_owned(), next: Timestamp::MIN };
        Self { slot: Mutex::new(Slot::new(connection, Some(ailing))), keyring }
    }

    /// Tries, at most every [`MEND`], whether the database can be written again. Returns whether that is so since now.
    pub(super) async fn retry_open(&self, now: Timestamp) -> bool {
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

    /// Tries whether the disk takes what is written: a second after a transaction was left behind, and every [`MEND`]
    /// while it does not or is not known. `None` where there is nothing new.
    pub(super) async fn prove(&self, now: Timestamp) -> Option<Result<(), StoreError>> {
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
            // Another process writes: that says nothing about the disk.
            Err(StoreError::Locked { .. }) => slot.works.fails,
            Err(_) => true,
        };
        slot.works = Works { fails, tried: Some(now), ..Works::default() };
        match tried {
            Err(StoreError::Locked { .. }) => None,
            tried => Some(tried),
        }
    }

    /// Waits for the right to write.
    pub(super) async fn take(&self) -> Writing<'_> {
        let mut writing = self.hold().await;
        writing.slot.works.untold = true;
        writing
    }

    /// Waits until nobody writes.
    pub(super) async fn hold(&self) -> Writing<'_> {
        let mut slot = self.slot.lock().await;
        slot.tidy().await;
        Writing { slot }
    }

    /// Waits for the right to write and begins a transaction, in which the ring knows the key that may seal. `action`
    /// completes "cannot ...".
    pub(super) async fn begin(&self, action: &'static str) -> Result<Transaction<'_>, StoreError> {
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
        // Nobody else can admit another key until this transaction is over.
        let admitted = connection::admitted(&mut writing).await?;
        self.keyring.refresh_keys(&admitted)?;
        Ok(Transaction { writing, action })
    }

    /// Rolls back what was left behind, unless somebody is writing just now.
    pub(super) async fn tidy(&self) {
        if let Ok(mut slot) = self.slot.try_lock() {
            slot.tidy().await;
        }
    }
}

/// Opening needs no place on the disk; a commit does. SQLite writes this also where the value is the same.
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
        let works = &mut self.writing.slot.works;
        (works.worked, works.doubt, works.untold) = (true, false, false);
        Ok(self.writing)
    }

    /// Takes everything back at once.
    pub(super) async fn rollback(mut self) {
        let doubt = self.writing.slot.works.doubt;
        self.writing.slot.tidy().await;
        self.writing.slot.works.doubt = doubt;
    }
}

impl Writing<'_> {
    /// Goes on with another connection.
    pub(super) fn exchange(&mut self, connection: SqliteConnection) {
        self.slot.connection = connection;
        self.slot.refused = None;
    }

    /// Has nothing written from now on; `condition` says why.
    pub(super) async fn refuse(&mut self, condition: String) {
        self.slot.refused = Some(condition);
        if let Err(error) = sqlx::query("PRAGMA query_only = ON").execute(&mut self.slot.connection).await {
            tracing::debug!(%error, "the connection takes no order");
        }
    }

    /// Has it write again.
    pub(super) async fn allow(&mut self) {
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
