//! Copies the whole database into one file while other connections keep working, and checks whether a database is
//! intact.

use std::{
    fs,
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::{Duration, Instant},
};

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::error_context::{ErrorContext, sort};
use crate::store::{api::error::StoreError, files::failed};

/// Number of SQLite instructions between two checks of the elapsed time.
const LOOK: i32 = 10_000;

/// Copies what `connection` sees at this moment into the new file `to` (mode 0600), verifies the copy and syncs it to
/// disk. Writers continue meanwhile. A failed copy is removed.
///
/// # Errors
/// When `to` exists or cannot be written, or the copy is not intact.
pub(in crate::store) async fn copy(connection: &mut SqliteConnection, to: &Path) -> Result<(), StoreError> {
    let fail = || failed("write the copy", to);
    // Create the file first: SQLite would make it readable by others.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(fail())?;
    let copied = async {
        sqlx::query("VACUUM INTO ?")
            .bind(to.to_string_lossy().into_owned())
            .execute(connection)
            .await
            .attempt("copy the database")?;
        let mut copy = open(to).await?;
        let intact = verify(&mut copy).await;
        let closed = copy.close().await.attempt("close the copy");
        intact.and(closed)?;
        File::open(to).and_then(|file| file.sync_all()).map_err(fail())?;
        to.parent().map_or(Ok(()), |dir| File::open(dir).and_then(|dir| dir.sync_all())).map_err(fail())
    };
    let copied = copied.await;
    if copied.is_err() {
        let _ = fs::remove_file(to);
    }
    copied
}

/// Opens a database that no other process uses, for reading.
pub(in crate::store) async fn open(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).disable_statement_logging();
    options.connect().await.attempt("open the copy")
}

/// Verifies the whole database: pages, order, references.
///
/// # Errors
/// [`StoreError::Corrupt`] with the first problem found.
pub(in crate::store) async fn verify(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let action = "read the database through";
    let said: Vec<String> =
        sqlx::query_scalar("PRAGMA integrity_check(3)").fetch_all(&mut *connection).await.attempt(action)?;
    if said != ["ok"] {
        return Err(StoreError::Corrupt { action, reason: said.join("; "), copy: None });
    }
    let dangling = sqlx::query("PRAGMA foreign_key_check").fetch_all(connection).await.attempt(action)?;
    match dangling.len() {
        0 => Ok(()),
        rows => Err(StoreError::Corrupt { action, reason: format!("{rows} rows refer to nothing"), copy: None }),
    }
}

/// Checks for damage for at most `within`. Parts not reached by then count as intact.
///
/// # Errors
/// [`StoreError::Corrupt`] with the first problem found.
pub(in crate::store) async fn look_for_damage(
    connection: &mut SqliteConnection,
    within: Duration,
) -> Result<(), StoreError> {
    let action = "use the database";
    let begun = Instant::now();
    connection.lock_handle().await.attempt(action)?.set_progress_handler(LOOK, move || begun.elapsed() < within);
    let said = sqlx::query_scalar::<_, String>("PRAGMA quick_check(3)").fetch_all(&mut *connection).await;
    connection.lock_handle().await.attempt(action)?.remove_progress_handler();
    match said {
        Ok(said) if said == ["ok"] => Ok(()),
        Ok(said) => Err(StoreError::Corrupt { action, reason: said.join("; "), copy: None }),
        Err(error) if is_interrupted(&error) => {
            tracing::debug!(?within, "the database is large: only a part was looked at for damage");
            Ok(())
        }
        Err(error) => Err(sort(action, error)),
    }
}

fn is_interrupted(error: &sqlx::Error) -> bool {
    // SQLITE_INTERRUPT
    matches!(error, sqlx::Error::Database(error) if error.code().as_deref() == Some("9"))
}
