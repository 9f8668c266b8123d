//! Connections to SQLite: one that writes, a few that read.

use std::{path::Path, time::Duration};

use sqlx::{
    ConnectOptions, SqliteConnection, SqlitePool,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    error::{Attempt, StoreError},
    seal::Keyring,
};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

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

/// The connection that writes, with the schema brought to the present.
pub(super) async fn writer(path: &Path) -> Result<SqliteConnection, StoreError> {
    let mut connection = options(path).connect().await.attempt("open the database")?;
    MIGRATIONS.run(&mut connection).await.map_err(migrate_error)?;
    Ok(connection)
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
    let action = "read the schema's number";
    let found: i64 =
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(connection).await.attempt(action)?;
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
    if found == known { Ok(()) } else { Err(StoreError::OtherSchema { found, known }) }
}

/// Any connection that may write, without a look at the schema.
pub(super) async fn any(path: &Path) -> Result<SqliteConnection, StoreError> {
    options(path).connect().await.attempt("open the database")
}

/// A connection that takes the file as it is and needs nothing beside it.
pub(super) async fn without_log(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false).immutable(true).read_only(true);
    options.disable_statement_logging().connect().await.attempt("open the database as it is")
}

fn migrate_error(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(found) => StoreError::NewerSchema {
            found,
            known: MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default(),
        },
        MigrateError::Execute(source) => StoreError::sort("bring the database to the present schema", source),
        other => StoreError::Migrate(other),
    }
}

/// Checks that the key belongs to the database; a new database is bound to it.
pub(super) async fn prove_key(connection: &mut SqliteConnection, keyring: &Keyring) -> Result<(), StoreError> {
    let action = "check the sealing key";
    let proofs = sqlx::query!(r#"SELECT key_id AS "key_id!", proof FROM seal ORDER BY key_id"#)
        .fetch_all(&mut *connection)
        .await
        .attempt(action)?;
    for row in &proofs {
        let opened = keyring.unseal(&place(row.key_id), &row.proof);
        if opened.is_ok_and(|opened| opened.as_slice() == PROOF) {
            return Ok(());
        }
    }
    if !proofs.is_empty() {
        return Err(StoreError::WrongKey);
    }
    let id = i64::from(keyring.current_id());
    let proof = keyring.seal(&place(id), PROOF)?;
    // Two first starts at the same time share the key file, so either proof holds.
    sqlx::query!("INSERT INTO seal (key_id, proof) VALUES (?, ?) ON CONFLICT DO NOTHING", id, proof)
        .execute(connection)
        .await
        .attempt(action)?;
    Ok(())
}

fn place(key_id: i64) -> String {
    format!("seal/{key_id}")
}
