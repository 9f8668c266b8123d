//! Serves a database that can be read but not written when the gateway starts: full disk, file system mounted
//! read-only, or damaged file. Its content is served from memory as usual. Nothing is written, and the gateway retries
//! writing every few seconds.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use gangway_base::periodic::{PeriodicTask, RunResult};
use sqlx::SqliteConnection;

use super::connection;
use crate::store::{
    Store,
    api::error::{ErrorContext, StoreError, named},
    api::loss::Loss,
};

/// Pause between two checks of the whole file.
const CHECKED_EVERY: Duration = Duration::from_secs(3600);
/// Time limit of one check.
const WITHIN: Duration = Duration::from_secs(600);

/// The health of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Health {
    /// The database can be read and written.
    #[default]
    Healthy,
    /// Read-only: the database could not be opened for writing, for this reason. The gateway retries automatically.
    ReadingOnly(String),
    /// The file is damaged. If the damage was found at startup, nothing is written any more.
    Damaged {
        /// What was found.
        what: String,
        /// The newest copy of the database in the data directory.
        copy: Option<PathBuf>,
    },
    /// The files at the paths are not the files that are open. Nothing is written until they match again.
    Lost {
        /// What happened to the files.
        loss: Loss,
        /// The copy of everything committed before the loss.
        copy: Option<PathBuf>,
    },
}

impl Health {
    /// What the administrator has to know and do.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        match self {
            Self::Healthy => None,
            Self::ReadingOnly(why) => Some(format!(
                "{why}. Phones are served as they were when this was written last; nothing new is kept. It is tried \
                 again every ten seconds"
            )),
            Self::Damaged { what, copy } => Some(format!(
                "the database is damaged ({what}). Phones are served with what can be read; stop gangway, keep the files \
                 gangway.db* for inspection and restore the last backup{}",
                named(copy.as_deref())
            )),
            Self::Lost { loss, copy } => Some(lost(*loss, copy.as_deref())),
        }
    }
}

fn lost(loss: Loss, copy: Option<&Path>) -> String {
    let kept = match copy {
        Some(copy) => format!("Everything committed until then is in {}. ", copy.display()),
        None => "What was committed until then is in the memory of this process alone: do not stop it. ".to_owned(),
    };
    let cure = match (loss, copy) {
        (Loss::Replaced, Some(copy)) => format!(
            "If the file was put there on purpose, restart gangway. If not, stop gangway and call `gangway restore {} \
             --replace`",
            copy.display()
        ),
        (Loss::Directory, _) => "Put the directory back where it was; gangway then goes on by itself".to_owned(),
        _ => "The copy is put in its place as soon as that is possible; the log says what is in the way".to_owned(),
    };
    format!("{loss}. Phones are served from memory; no change is taken. {kept}{cure}")
}

/// The current health, shared with all readers.
#[derive(Debug, Default)]
pub(in crate::store) struct PublishedHealth(Mutex<Health>);

impl PublishedHealth {
    pub(in crate::store) fn get(&self) -> Health {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the health and logs the change, if any.
    pub(in crate::store) fn set(&self, now: &Health) {
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), now.clone());
        if before == *now {
            return;
        }
        match now.message() {
            // The code that noticed the loss has logged it already.
            Some(_) if matches!(now, Health::Lost { .. }) => {}
            Some(sentence) => tracing::warn!("the database is not well: {sentence}"),
            None => tracing::info!("the database is written again"),
        }
    }
}

/// Whether the database may still be readable although this error kept it from being opened for writing.
pub(in crate::store) fn may_be_readable(cause: &StoreError) -> bool {
    matches!(
        cause,
        StoreError::DiskFull { .. }
            | StoreError::ReadOnly { .. }
            | StoreError::Locked { .. }
            | StoreError::Corrupt { .. }
            | StoreError::Database { .. }
    )
}

/// Whether a retry can succeed without an administrator.
pub(in crate::store) fn is_recoverable(cause: &StoreError) -> bool {
    !matches!(cause, StoreError::Corrupt { .. })
}

pub(in crate::store) fn condition(cause: &StoreError) -> Health {
    match cause {
        StoreError::Corrupt { reason, copy, .. } => Health::Damaged { what: reason.clone(), copy: copy.clone() },
        other => Health::ReadingOnly(other.to_string()),
    }
}

/// Opens a connection that reads the database without writing anything. It reads in place where SQLite can do so.
/// Otherwise it reads a copy, because a log that is not yet part of the database cannot be read without writing beside
/// it. As a last resort it reads the database without its log.
pub(in crate::store) async fn check_contents(path: &Path) -> Result<SqliteConnection, StoreError> {
    match readable(connection::reader(path).await).await {
        Ok(connection) => return Ok(connection),
        Err(error) => tracing::debug!(%error, "the database cannot be read in place"),
    }
    match copied(path).await {
        Ok(connection) => return Ok(connection),
        Err(error) => tracing::debug!(%error, "the database cannot be read from a copy"),
    }
    readable(connection::without_log(path).await).await
}

/// Reads the whole database at the start and every hour: damage must be known before a backup is needed.
pub(in crate::store) struct CheckDatabase(pub(in crate::store) Store);

impl PeriodicTask for CheckDatabase {
    const NAME: &'static str = "check database";
    const AT_START: bool = true;

    fn period(&self) -> Duration {
        CHECKED_EVERY
    }

    async fn run(&mut self) -> RunResult {
        let store = &self.0;
        match store.look_for_damage(WITHIN).await {
            Ok(()) => Ok(()),
            Err(cause @ StoreError::Corrupt { .. }) if !matches!(store.condition(), Health::Lost { .. }) => {
                store.inner.condition.set(&condition(&cause));
                Err(cause.to_string())
            }
            Err(error) => {
                tracing::debug!(%error, "the database cannot be checked");
                Err(error.to_string())
            }
        }
    }
}

/// Makes SQLite itself reject every write on this connection.
pub(in crate::store) async fn only_read(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("PRAGMA query_only = ON").execute(connection).await.attempt("guard the database")?;
    Ok(())
}

async fn readable(opened: Result<SqliteConnection, StoreError>) -> Result<SqliteConnection, StoreError> {
    let mut connection = opened?;
    connection::prove_schema(&mut connection).await?;
    Ok(connection)
}

async fn copied(path: &Path) -> Result<SqliteConnection, StoreError> {
    let fail = |source| StoreError::File { action: "copy the database", path: path.to_owned(), source };
    let dir = std::env::temp_dir().join(format!("gangway-{:016x}", rand::random::<u64>()));
    crate::store::files::prepare_directory(&dir)?;
    let copy = dir.join(crate::store::DATABASE);
    let connection = async {
        fs::copy(path, &copy).map_err(fail)?;
        let log = |of: &Path| of.with_extension("db-wal");
        if log(path).is_file() {
            fs::copy(log(path), log(&copy)).map_err(fail)?;
        }
        // Open the copy for writing, so that the log becomes part of it.
        readable(connection::writer(&copy).await).await
    }
    .await;
    // The open file stays readable after its name is removed.
    let _ = fs::remove_dir_all(&dir);
    connection
}
