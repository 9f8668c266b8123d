//! Table `setting`: the configured values, by scope; held in memory as one snapshot per instance.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use gangway_base::{mac::Mac, secret::Secret};
use sqlx::SqliteConnection;

use super::{codec::unsigned, setting_change, writer::Transaction};
use crate::store::{
    Store,
    api::error::{ErrorContext, StoreError},
    sealing::keyring::Keyring,
};
use crate::{
    phone::instance::InstanceId,
    settings::{
        Changes, EmptiedSecretSetting, LayerMembership, Layers, Scope, SecretBinding, SettingRow, addresses_of,
    },
};

type Snapshots = HashMap<InstanceId, Arc<Layers>>;

/// The snapshots of all instances. Instances are few and changes rare, so the whole map is swapped.
pub(in crate::store) struct SettingsCache {
    snapshots: ArcSwap<Snapshots>,
}

fn place(instance: i64, scope: &str, name: &str) -> String {
    format!("setting/{instance}/{scope}/{name}")
}

impl SettingsCache {
    pub(in crate::store) async fn load(
        connection: &mut SqliteConnection,
        keyring: &Keyring,
    ) -> Result<Self, StoreError> {
        let mut snapshots = Snapshots::new();
        for (instance, revision) in revisions(connection).await? {
            snapshots.insert(instance, Arc::new(read(connection, keyring, instance, revision).await?));
        }
        Ok(Self { snapshots: ArcSwap::from_pointee(snapshots) })
    }

    fn get(&self, instance: InstanceId) -> Arc<Layers> {
        self.snapshots.load().get(&instance).cloned().unwrap_or_default()
    }

    /// Inserts a snapshot unless a newer one is present. Returns whether it was inserted.
    fn put(&self, instance: InstanceId, layers: Layers) -> bool {
        let layers = Arc::new(layers);
        let mut newer = false;
        self.snapshots.rcu(|snapshots| {
            newer = snapshots.get(&instance).is_none_or(|known| known.revision() < layers.revision());
            let mut next = Snapshots::clone(snapshots);
            if newer {
                next.insert(instance, layers.clone());
            }
            next
        });
        newer
    }
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
pub(in crate::store) async fn refresh(store: &Store, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    for (instance, revision) in revisions(connection).await? {
        if store.inner.settings.get(instance).revision() < revision {
            let layers = read(connection, &store.inner.keyring, instance, revision).await?;
            store.publish_settings(instance, layers);
        }
    }
    Ok(())
}

impl Store {
    /// The current settings of an instance. Cheap; takes no lock.
    #[must_use]
    pub fn layers(&self, instance: InstanceId) -> Arc<Layers> {
        self.inner.settings.get(instance)
    }

    /// Notifies of instances whose settings changed, here or by another process.
    #[must_use]
    pub fn settings_changes(&self) -> tokio::sync::broadcast::Receiver<InstanceId> {
        self.inner.settings_changes.subscribe()
    }

    /// Sets a value, or removes it with `None`: [`Self::set_settings`] with one change.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_setting(
        &self,
        instance: InstanceId,
        scope: &Scope,
        name: &str,
        value: Option<&Secret>,
    ) -> Result<Vec<EmptiedSecretSetting>, StoreError> {
        self.set_settings(instance, scope, &[(name.to_owned(), value.cloned())]).await
    }

    /// Sets values at one scope, or removes them with `None`, in one transaction. Secrets that lose the address they
    /// were set for are removed in the same transaction and returned. The caller must have validated the values. Writes
    /// nothing when all values are already set.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_settings(
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
        self.publish_settings(instance, layers);
        Ok(())
    }

    /// The secrets that [`Self::set_settings`] would remove with these changes.
    #[must_use]
    pub fn emptied_by(&self, instance: InstanceId, scope: &Scope, changes: &Changes) -> Vec<EmptiedSecretSetting> {
        self.layers(instance).emptied(scope, changes, |mac| self.belongings(instance, mac))
    }

    fn belongings(&self, instance: InstanceId, mac: Mac) -> Option<LayerMembership> {
        self.roster().by_mac(instance, mac).map(|phone| LayerMembership::from(&*phone))
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

    fn publish_settings(&self, instance: InstanceId, layers: Layers) {
        if self.inner.settings.put(instance, layers) {
            let _ = self.inner.settings_changes.send(instance);
        }
    }
}
