//! Table `setting_change`: when settings were last changed or removed.

use jiff::Timestamp;
use sqlx::{SqliteConnection, SqlitePool};

use super::{
    codec::{ms, time},
    error_context::ErrorContext,
};
use crate::{
    phone::instance::InstanceId,
    settings::Scope,
    store::api::{error::StoreError, setting::SettingChange},
};

pub(in crate::store) async fn note(
    connection: &mut SqliteConnection,
    instance: InstanceId,
    scope: &str,
    name: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let at = ms(at);
    sqlx::query!(
        "INSERT INTO setting_change (instance_id, scope, name, at) VALUES (?, ?, ?, ?)
        ON CONFLICT (instance_id, scope, name) DO UPDATE SET at = excluded.at",
        instance.0,
        scope,
        name,
        at
    )
    .execute(connection)
    .await
    .attempt("note when the setting was changed")?;
    Ok(())
}

/// When each setting of a scope was last changed or removed.
pub(in crate::store) async fn of(
    readers: &SqlitePool,
    instance: InstanceId,
    scope: &Scope,
) -> Result<Vec<SettingChange>, StoreError> {
    let scope = scope.to_string();
    let rows = sqlx::query!(
        "SELECT name, at FROM setting_change WHERE instance_id = ? AND scope = ? ORDER BY name",
        instance.0,
        scope
    )
    .fetch_all(readers)
    .await
    .attempt("read when settings were changed")?;
    Ok(rows.into_iter().map(|row| SettingChange { name: row.name, at: time(row.at) }).collect())
}
