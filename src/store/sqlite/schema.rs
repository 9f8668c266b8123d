//! Migrates the schema from any earlier version to the current one. The previous database is copied first.

use std::path::Path;

use jiff::Timestamp;
use sqlx::{
    SqliteConnection,
    migrate::{MigrateError, Migrator},
};

use super::{
    error_context::{ErrorContext, sort},
    snapshots,
};
use crate::store::api::error::StoreError;

pub(in crate::store) static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The newest schema of this program.
pub(in crate::store) fn newest() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// The schema versions applied to the database, oldest first; empty when it is new.
pub(in crate::store) async fn applied(connection: &mut SqliteConnection) -> Result<Vec<i64>, StoreError> {
    let action = "look at the schema";
    let known: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'")
        .fetch_one(&mut *connection)
        .await
        .attempt(action)?;
    if known == 0 {
        return Ok(Vec::new());
    }
    sqlx::query_scalar("SELECT version FROM _sqlx_migrations ORDER BY version")
        .fetch_all(connection)
        .await
        .attempt(action)
}

/// Migrates the database of `dir`. Each step is one transaction, so a failed step has no effect.
///
/// # Errors
/// [`StoreError::NewerSchema`], or when the copy or the migration fails; the old state is kept.
pub(in crate::store) async fn bring_forward(
    connection: &mut SqliteConnection,
    dir: &Path,
    now: Timestamp,
) -> Result<(), StoreError> {
    let applied = applied(connection).await?;
    if let Some(found) = applied.last().copied().filter(|found| *found > newest()) {
        return Err(StoreError::NewerSchema { found, known: newest() });
    }
    let is_behind = MIGRATIONS.iter().any(|migration| !applied.contains(&migration.version));
    if let Some(found) = applied.last().copied().filter(|_| is_behind) {
        let copy = snapshots::before_migration(connection, dir, now, found).await?;
        tracing::info!(from = found, to = newest(), copy = %copy.display(), "the database is brought to the present schema");
    }
    MIGRATIONS.run(connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) => StoreError::NewerSchema { found, known: newest() },
        MigrateError::Execute(source) => sort("bring the database to the present schema", source),
        other => StoreError::Migrate(Box::new(other)),
    })
}
