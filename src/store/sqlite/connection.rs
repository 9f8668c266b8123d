//! Connections to SQLite: one writer and a few readers.

use std::{path::Path, time::Duration};

use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{error_context::ErrorContext, schema};
use crate::store::{api::error::StoreError, sealing::keyring::Keyring};

/// How long a statement waits while another process holds the write lock.
const BUSY: Duration = Duration::from_secs(5);
/// Maximum number of concurrent readers. They serve pages and commands, never a phone.
const READERS: u32 = 2;
/// The plaintext that is sealed to prove that a key belongs to the database.
const PROOF: &[u8] = b"gangway";

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL, not NORMAL: answers given to Users and files delivered to a phone must survive a power loss.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        // KiB. The records are held in memory. SQLite's default of 2 MiB per connection would only hold them twice.
        .pragma("cache_size", "-512")
        .pragma("trusted_schema", "OFF")
        .statement_cache_capacity(64)
        .disable_statement_logging()
}

/// Opens the writing connection.
pub(in crate::store) async fn writer(path: &Path) -> Result<SqliteConnection, StoreError> {
    options(path).connect().await.attempt("open the database")
}

/// Opens the pool of read-only connections.
pub(in crate::store) fn readers(path: &Path) -> SqlitePool {
    SqlitePoolOptions::new()
        .min_connections(0)
        .max_connections(READERS)
        .acquire_timeout(BUSY)
        .connect_lazy_with(options(path).read_only(true))
}

/// Opens a single read-only connection.
pub(in crate::store) async fn reader(path: &Path) -> Result<SqliteConnection, StoreError> {
    options(path).read_only(true).connect().await.attempt("open the database for watching")
}

/// Checks that the database has the current schema. A read-only database cannot be migrated.
pub(in crate::store) async fn prove_schema(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let found = schema::applied(connection).await?.last().copied().unwrap_or_default();
    let known = schema::newest();
    if found == known { Ok(()) } else { Err(StoreError::OtherSchema { found, known }) }
}

/// Opens the file alone, ignoring the log and creating no files beside it.
pub(in crate::store) async fn without_log(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false).immutable(true).read_only(true);
    options.disable_statement_logging().connect().await.attempt("open the database as it is")
}

/// Whether the database has a gangway schema. A new file that has lost its log has none.
pub(in crate::store) async fn has_schema(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'seal'")
        .fetch_one(connection)
        .await
        .attempt("look at the schema")?;
    Ok(tables > 0)
}

/// Whether the file is a database without any tables. Returns false when this cannot be determined.
pub(in crate::store) async fn is_without_tables(path: &Path) -> bool {
    let Ok(mut opened) = writer(path).await else { return false };
    let things: Result<i64, _> = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut opened).await;
    let _ = opened.close().await;
    matches!(things, Ok(0))
}

/// Opens a fresh connection that changes nothing, not even the journal mode. It reads the file as it is now, whereas a
/// long-lived connection answers from its cache.
pub(in crate::store) async fn glance(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false).read_only(true);
    options.busy_timeout(BUSY).disable_statement_logging().connect().await.attempt("look into the database")
}

/// Whether the database is bound to a key. If so, it can be opened only with that key.
pub(in crate::store) async fn is_bound(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let action = "look which key seals";
    if !has_schema(connection).await? {
        return Ok(false);
    }
    let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM seal").fetch_one(connection).await.attempt(action)?;
    Ok(keys > 0)
}

/// Checks that the key belongs to the database and selects the key that seals. Binds a new database to the key.
pub(in crate::store) async fn prove_key(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
) -> Result<(), StoreError> {
    if !proofs(connection, keyring).await? {
        // Two concurrent first starts share the key file, so the proof of either is valid.
        admit(connection, keyring, keyring.sealing_id()).await?;
    }
    Ok(())
}

/// Same as [`prove_key`] for a database that is only read. Returns false when it is not bound to a key yet.
pub(in crate::store) async fn proofs(connection: &mut SqliteConnection, keyring: &Keyring) -> Result<bool, StoreError> {
    let rows = sqlx::query_as!(Proof, r#"SELECT key_id AS "key_id!", proof FROM seal ORDER BY key_id"#)
        .fetch_all(&mut *connection)
        .await
        .attempt("check the sealing key")?;
    if rows.is_empty() {
        return Ok(false);
    }
    let opens =
        |row: &Proof| keyring.unseal(&place(row.key_id), &row.proof).is_ok_and(|opened| opened.as_slice() == PROOF);
    if !rows.iter().any(opens) {
        return Err(StoreError::WrongKey);
    }
    keyring.refresh_keys(&admitted(connection).await?)?;
    let sealing = i64::from(keyring.sealing_id());
    if rows.iter().any(|row| row.key_id == sealing && !opens(row)) {
        return Err(StoreError::WrongKey);
    }
    Ok(true)
}

struct Proof {
    key_id: i64,
    proof: Vec<u8>,
}

/// The keys that may seal, as listed in table `seal`.
pub(in crate::store) async fn admitted(connection: &mut SqliteConnection) -> Result<Vec<u8>, StoreError> {
    let ids: Vec<i64> = sqlx::query_scalar("SELECT key_id FROM seal ORDER BY key_id")
        .fetch_all(connection)
        .await
        .attempt("look which key seals")?;
    Ok(ids.into_iter().filter_map(|id| u8::try_from(id).ok()).collect())
}

/// Adds the key to table `seal`, with a proof that identifies it.
pub(in crate::store) async fn admit(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    key: u8,
) -> Result<(), StoreError> {
    let id = i64::from(key);
    let proof = keyring.seal_with(key, &place(id), PROOF)?;
    sqlx::query!("INSERT INTO seal (key_id, proof) VALUES (?, ?) ON CONFLICT DO NOTHING", id, proof)
        .execute(connection)
        .await
        .attempt("check the sealing key")?;
    Ok(())
}

fn place(key_id: i64) -> String {
    format!("seal/{key_id}")
}

/// Waits until no other connection is inside a writing transaction.
#[cfg(test)]
pub(in crate::store) async fn wait_for_other_writers(path: &Path) -> Result<(), StoreError> {
    let mut connection =
        options(path).busy_timeout(Duration::from_secs(60)).connect().await.attempt("open the database")?;
    let transaction = connection.begin_with("BEGIN IMMEDIATE").await.attempt("wait for other writers")?;
    transaction.rollback().await.attempt("wait for other writers")
}
