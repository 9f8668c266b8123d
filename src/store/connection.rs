//! Connections to SQLite: one that writes, a few that read.

use std::{path::Path, time::Duration};

use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    error::{ErrorContext, StoreError},
    schema,
    seal::Keyring,
};

/// How long a statement waits for another process that writes.
const BUSY: Duration = Duration::from_secs(5);
/// Readers at the same time; they serve pages and commands, never a phone.
const READERS: u32 = 2;
/// What is sealed to prove the key.
const PROOF: &[u8] = b"gangway";

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL, not NORMAL: what was answered to Users or delivered to a phone must survive a power loss.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        // KiB. The records live in memory; SQLite's own default of 2 MiB per connection would only be held twice.
        .pragma("cache_size", "-512")
        .pragma("trusted_schema", "OFF")
        .statement_cache_capacity(64)
        .disable_statement_logging()
}

/// The connection that writes.
pub(super) async fn writer(path: &Path) -> Result<SqliteConnection, StoreError> {
    options(path).connect().await.attempt("open the database")
}

/// Connections that only read.
pub(super) fn readers(path: &Path) -> SqlitePool {
    SqlitePoolOptions::new()
        .min_connections(0)
        .max_connections(READERS)
        .acquire_timeout(BUSY)
        .connect_lazy_with(options(path).read_only(true))
}

/// A single reading connection.
pub(super) async fn reader(path: &Path) -> Result<SqliteConnection, StoreError> {
    options(path).read_only(true).connect().await.attempt("open the database for watching")
}

/// Checks that the database has the present schema: without writing it cannot be brought there.
pub(super) async fn prove_schema(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let found = schema::applied(connection).await?.last().copied().unwrap_or_default();
    let known = schema::newest();
    if found == known { Ok(()) } else { Err(StoreError::OtherSchema { found, known }) }
}

/// A connection that takes the file as it is and needs nothing beside it.
pub(super) async fn without_log(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false).immutable(true).read_only(true);
    options.disable_statement_logging().connect().await.attempt("open the database as it is")
}

/// Whether the database has a schema of gangway: a young file without its log has none.
pub(super) async fn has_schema(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'seal'")
        .fetch_one(connection)
        .await
        .attempt("look at the schema")?;
    Ok(tables > 0)
}

/// Whether the file is a database in which there is nothing at all. Where that cannot be told it is not.
pub(super) async fn is_without_tables(path: &Path) -> bool {
    let Ok(mut opened) = writer(path).await else { return false };
    let things: Result<i64, _> = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut opened).await;
    let _ = opened.close().await;
    matches!(things, Ok(0))
}

/// A new connection that reads and changes nothing, not even the mode of the log: it sees what is in the file now, where a
/// lasting one answers from what it has read before.
pub(super) async fn glance(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false).read_only(true);
    options.busy_timeout(BUSY).disable_statement_logging().connect().await.attempt("look into the database")
}

/// Whether the database is bound to a key: it may then be opened with that key alone.
pub(super) async fn is_bound(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let action = "look which key seals";
    if !has_schema(connection).await? {
        return Ok(false);
    }
    let keys: i64 = sqlx::query_scalar("SELECT count(*) FROM seal").fetch_one(connection).await.attempt(action)?;
    Ok(keys > 0)
}

/// Checks that the key belongs to the database and tells the ring which one seals; a new database is bound to it.
pub(super) async fn prove_key(connection: &mut SqliteConnection, keyring: &Keyring) -> Result<(), StoreError> {
    if !proofs(connection, keyring).await? {
        // Two first starts at the same time share the key file, so either proof holds.
        admit(connection, keyring, keyring.sealing_id()).await?;
    }
    Ok(())
}

/// The same for a database that is only read; false when it is bound to no key yet.
pub(super) async fn proofs(connection: &mut SqliteConnection, keyring: &Keyring) -> Result<bool, StoreError> {
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

/// The keys that may seal, as table `seal` lists them.
pub(super) async fn admitted(connection: &mut SqliteConnection) -> Result<Vec<u8>, StoreError> {
    let ids: Vec<i64> = sqlx::query_scalar("SELECT key_id FROM seal ORDER BY key_id")
        .fetch_all(connection)
        .await
        .attempt("look which key seals")?;
    Ok(ids.into_iter().filter_map(|id| u8::try_from(id).ok()).collect())
}

/// Enters the key into the list of those that may seal, with the proof that it is this one.
pub(super) async fn admit(connection: &mut SqliteConnection, keyring: &Keyring, key: u8) -> Result<(), StoreError> {
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
