//! Serves a database that can be read but not written when the gateway starts: full disk, file system mounted
//! read-only, or damaged file. Its content is served from memory as usual. Nothing is written, and the gateway retries
//! writing every few seconds.

use std::{fs, path::Path};

use sqlx::SqliteConnection;

use super::{connection, error_context::ErrorContext};
use crate::store::api::{error::StoreError, health::Health};

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
