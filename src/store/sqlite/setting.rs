//! Table `setting`: the configured values, by scope; held in memory as one snapshot per instance.

use std::sync::Arc;

use gangway_base::{mac::Mac, secret::Secret};
use sqlx::SqliteConnection;

use super::{Sqlite, codec::unsigned, error_context::ErrorContext, setting_change, writer::Transaction};
use crate::{
    phone::instance::InstanceId,
    settings::{
        Changes, EmptiedSecretSetting, LayerMembership, Layers, Scope, SecretBinding, SettingRow, addresses_of,
    },
    store::{
        api::{
            error::StoreError,
            setting::{SettingChange, SettingRepository},
        },
        memory::settings::{SettingsCache, Snapshots},
        sealing::keyring::Keyring,
    },
};

fn place(instance: i64, scope: &str, name: &str) -> String {
    format!("setting/{instance}/{scope}/{name}")
}

/// The settings of all instances.
pub(in crate::store) async fn load(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
) -> Result<SettingsCache, StoreError> {
    let mut snapshots = Snapshots::new();
    for (instance, revision) in revisions(connection).await? {
        snapshots.insert(instance, Arc::new(read(connection, keyring, instance, revision).await?));
    }
    Ok(SettingsCache::new(snapshots))
}

async fn revisions(connection: &mut SqliteConnection) -> Result<Vec<(InstanceId, u64)>, StoreError> {
    let rows = sqlx::query!(r#"SELECT id AS "id!", settings_revision FROM instance"#)
        .fetch_all(connection)
        .await
        .attempt("look for changed settings")?;
    Ok(rows.into_iter().map(|row| (InstanceId(row.id), unsigned(row.settings_revision))).collect())
}

async fn read(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    instance: InstanceId,
    revision: u64,
) -> Result<Layers, StoreError> {
    let rows = sqlx::query!("SELECT scope, name, sealed FROM setting WHERE instance_id = ?", instance.0)
        .fetch_all(connection)
        .await
        .attempt("read the settings")?;
    let mut settings = Vec::with_capacity(rows.len());
    for row in rows {
        let place = place(instance.0, &row.scope, &row.name);
        let bytes = keyring.unseal(&place, &row.sealed)?;
        let Ok(scope) = row.scope.parse::<Scope>() else {
            tracing::warn!(scope = row.scope, name = row.name, "a setting of an unknown scope is skipped");
            continue;
        };
        let value = std::str::from_utf8(&bytes).map_err(|_error| StoreError::Unsealing { place })?;
        settings.push(SettingRow { scope, name: row.name, value: Secret::new(value) });
    }
    Ok(Layers::new(settings, revision))
}

/// Loads the settings of every instance whose revision is newer than its snapshot.
pub(in crate::store) async fn refresh(store: &Sqlite, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    for (instance, revision) in revisions(connection).await? {
        if store.inner.memory.settings.get(instance).revision() < revision {
            let layers = read(connection, &store.inner.keyring, instance, revision).await?;
            store.inner.memory.publish_settings(instance, layers);
        }
    }
    Ok(())
}

impl SettingRepository for Sqlite {
    async fn set_settings(
        &self,
        instance: InstanceId,
        scope: &Scope,
        changes: &Changes,
    ) -> Result<Vec<EmptiedSecretSetting>, StoreError> {
        let mut transaction = self.inner.writer.begin("change the settings").await?;
        let before = read(&mut transaction, &self.inner.keyring, instance, 0).await?;
        let belongings = |mac| self.belongings(instance, mac);
        let of_phone = match scope {
            Scope::Phone(mac) => belongings(*mac),
            _ => None,
        };
        let binding = |name: &str, value: Option<&Secret>| {
            value.filter(|value| !value.is_empty())?;
            before.binding_with(scope, name, changes, of_phone.as_ref())
        };
        // Setting the same secret again for another address is also a change.
        let is_new = |(name, value): &&(String, Option<Secret>)| {
            before.row(scope, name).map(|row| &row.value) != value.as_ref()
                || before.binding(scope, name) != binding(name, value.as_ref()).as_ref()
        };
        let emptied = before.emptied(scope, changes, belongings);
        let new: Vec<_> = changes.iter().filter(is_new).collect();
        if new.is_empty() {
            transaction.rollback().await;
            return Ok(Vec::new());
        }
        // Secrets stored before bindings existed: they were set for the addresses in effect until this change.
        for (scope, name, binding) in before.unbound(belongings) {
            self.write_binding(&mut transaction, instance, scope, name, Some(&binding)).await?;
        }
        let now = self.inner.clock.now();
        for (name, value) in new {
            self.write_setting(&mut transaction, instance, &scope.to_string(), name, value.as_ref()).await?;
            let binding = binding(name, value.as_ref());
            self.write_binding(&mut transaction, instance, scope, name, binding.as_ref()).await?;
            setting_change::note(&mut transaction, instance, &scope.to_string(), name, now).await?;
        }
        for EmptiedSecretSetting { scope, name } in &emptied {
            self.write_setting(&mut transaction, instance, &scope.to_string(), name, None).await?;
            self.write_binding(&mut transaction, instance, scope, name, None).await?;
            setting_change::note(&mut transaction, instance, &scope.to_string(), name, now).await?;
        }
        self.finish(transaction, instance).await?;
        Ok(emptied)
    }

    async fn setting_changes(&self, instance: InstanceId, scope: &Scope) -> Result<Vec<SettingChange>, StoreError> {
        setting_change::of(&self.readers()?, instance, scope).await
    }
}

impl Sqlite {
    /// Replaces the settings of an instance with `layers`, including the addresses of its secrets.
    pub(in crate::store) async fn put_settings(&self, instance: InstanceId, layers: &Layers) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin("put the settings back").await?;
        let there = read(&mut transaction, &self.inner.keyring, instance, 0).await?;
        let is_gone = |row: &&SettingRow| layers.row(&row.scope, &row.name).is_none();
        let is_other = |row: &&SettingRow| {
            there.row(&row.scope, &row.name).map(|row| &row.value) != Some(&row.value)
                || there.binding(&row.scope, &row.name) != layers.binding(&row.scope, &row.name)
        };
        let gone = there.rows().iter().filter(is_gone).map(|row| (row, None));
        let other = layers.rows().iter().filter(is_other).map(|row| (row, Some(&row.value)));
        let changes: Vec<_> = gone.chain(other).collect();
        if changes.is_empty() {
            transaction.rollback().await;
            return Ok(());
        }
        let now = self.inner.clock.now();
        for (SettingRow { scope, name, .. }, value) in changes {
            let binding = value.and_then(|_| layers.binding(scope, name));
            self.write_setting(&mut transaction, instance, &scope.to_string(), name, value).await?;
            self.write_binding(&mut transaction, instance, scope, name, binding).await?;
            setting_change::note(&mut transaction, instance, &scope.to_string(), name, now).await?;
        }
        self.finish(transaction, instance).await
    }

    /// Commits, then publishes the new settings.
    async fn finish(&self, mut transaction: Transaction<'_>, instance: InstanceId) -> Result<(), StoreError> {
        let revision = sqlx::query_scalar!(
            "UPDATE instance SET settings_revision = settings_revision + 1 WHERE id = ? RETURNING settings_revision",
            instance.0
        )
        .fetch_one(&mut *transaction)
        .await
        .attempt("count the change of the settings")?;
        let layers = read(&mut transaction, &self.inner.keyring, instance, unsigned(revision)).await?;
        let _writing = transaction.commit().await?;
        self.inner.memory.publish_settings(instance, layers);
        Ok(())
    }

    fn belongings(&self, instance: InstanceId, mac: Mac) -> Option<LayerMembership> {
        self.inner.memory.phones.by_mac(instance, mac).map(|phone| LayerMembership::from(&*phone))
    }

    /// Writes the address that a phone's own secret was set for, or removes it.
    async fn write_binding(
        &self,
        connection: &mut SqliteConnection,
        instance: InstanceId,
        scope: &Scope,
        secret: &str,
        binding: Option<&SecretBinding>,
    ) -> Result<(), StoreError> {
        if !matches!(scope, Scope::Phone(_)) || addresses_of(secret).is_empty() {
            return Ok(());
        }
        let text = binding.map(|binding| Secret::new(binding.text()));
        self.write_setting(connection, instance, &scope.to_string(), &SecretBinding::row_name(secret), text.as_ref())
            .await
    }

    async fn write_setting(
        &self,
        connection: &mut SqliteConnection,
        instance: InstanceId,
        scope: &str,
        name: &str,
        value: Option<&Secret>,
    ) -> Result<(), StoreError> {
        if let Some(value) = value {
            let sealed = self.inner.keyring.seal(&place(instance.0, scope, name), value.expose().as_bytes())?;
            sqlx::query!(
                "INSERT INTO setting (instance_id, scope, name, sealed) VALUES (?, ?, ?, ?)
                ON CONFLICT (instance_id, scope, name) DO UPDATE SET sealed = excluded.sealed",
                instance.0,
                scope,
                name,
                sealed
            )
            .execute(connection)
            .await
            .attempt("change the setting")?;
        } else {
            sqlx::query!(
                "DELETE FROM setting WHERE instance_id = ? AND scope = ? AND name = ?",
                instance.0,
                scope,
                name
            )
            .execute(connection)
            .await
            .attempt("take the setting back")?;
        }
        Ok(())
    }
}
