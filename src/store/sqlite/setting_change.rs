//! Table `setting_change`: when settings were last changed or removed.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::codec::{ms, time};
use crate::store::{
    Store,
    api::error::{ErrorContext, StoreError},
};
use crate::{phone::instance::InstanceId, settings::Scope};

/// The last change of one setting in one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingChange {
    /// Its name.
    pub name: String,
    /// When it was changed.
    pub at: Timestamp,
}

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

impl Store {
    /// When each setting of a scope was last changed or removed.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn setting_changes(&self, instance: InstanceId, scope: &Scope) -> Result<Vec<SettingChange>, StoreError> {
        let scope = scope.to_string();
        let rows = sqlx::query!(
            "SELECT name, at FROM setting_change WHERE instance_id = ? AND scope = ? ORDER BY name",
            instance.0,
            scope
        )
        .fetch_all(&self.readers()?)
        .await
        .attempt("read when settings were changed")?;
        Ok(rows.into_iter().map(|row| SettingChange { name: row.name, at: time(row.at) }).collect())
    }
}
