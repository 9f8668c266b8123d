//! Table `setting`: what people set, by scope; held in memory as one snapshot per instance.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use sqlx::SqliteConnection;

use super::{
    Store,
    columns::unsigned,
    error::{Attempt, StoreError},
    seal::Keyring,
    setting_change,
};
use crate::{
    phone::{
        instance::InstanceId,
        settings::{Layers, Scope, SettingRow},
    },
    secret::Secret,
};

type Snapshots = HashMap<InstanceId, Arc<Layers>>;

/// The snapshots of all instances. Few instances, rare changes: the whole map is swapped.
pub(super) struct Settings {
    snapshots: ArcSwap<Snapshots>,
}

fn place(instance: i64, scope: &str, name: &str) -> String {
    format!("setting/{instance}/{scope}/{name}")
}

impl Settings {
    pub(super) async fn load(connection: &mut SqliteConnection, keyring: &Keyring) -> Result<Self, StoreError> {
        let mut snapshots = Snapshots::new();
        for (instance, revision) in revisions(connection).await? {
            snapshots.insert(instance, Arc::new(read(connection, keyring, instance, revision).await?));
        }
        Ok(Self { snapshots: ArcSwap::from_pointee(snapshots) })
    }

    fn get(&self, instance: InstanceId) -> Arc<Layers> {
        self.snapshots.load().get(&instance).cloned().unwrap_or_default()
    }

    /// Puts a snapshot in unless a newer one is there. Returns whether it went in.
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

/// Brings in the settings of every instance whose revision is newer than the snapshot.
pub(super) async fn refresh(store: &Store, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    for (instance, revision) in revisions(connection).await? {
        if store.inner.settings.get(instance).revision() < revision {
            let layers = read(connection, &store.inner.keyring, instance, revision).await?;
            store.publish_settings(instance, layers);
        }
    }
    Ok(())
}

impl Store {
    /// The settings of an instance as they are now. Cheap; holds no lock.
    #[must_use]
    pub fn layers(&self, instance: InstanceId) -> Arc<Layers> {
        self.inner.settings.get(instance)
    }

    /// Announces the instance whose settings changed, here or by another process.
    #[must_use]
    pub fn settings_changes(&self) -> tokio::sync::broadcast::Receiver<InstanceId> {
        self.inner.settings_changes.subscribe()
    }

    /// Sets a value, or takes it back with `None`. The caller has validated it. Writes nothing when it is set already.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_setting(
        &self,
        instance: InstanceId,
        scope: &Scope,
        name: &str,
        value: Option<&Secret>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin("change the setting").await?;
        let scope_text = scope.to_string();
        let place = place(instance.0, &scope_text, name);
        let known = sqlx::query_scalar!(
            "SELECT sealed FROM setting WHERE instance_id = ? AND scope = ? AND name = ?",
            instance.0,
            scope_text,
            name
        )
        .fetch_optional(&mut *transaction)
        .await
        .attempt("look at the setting")?;
        let known = known.map(|sealed| self.inner.keyring.unseal(&place, &sealed)).transpose()?;
        if known.as_deref().map(Vec::as_slice) == value.map(|value| value.expose().as_bytes()) {
            transaction.rollback().await;
            return Ok(());
        }
        if let Some(value) = value {
            let sealed = self.inner.keyring.seal(&place, value.expose().as_bytes())?;
            sqlx::query!(
                "INSERT INTO setting (instance_id, scope, name, sealed) VALUES (?, ?, ?, ?)
                ON CONFLICT (instance_id, scope, name) DO UPDATE SET sealed = excluded.sealed",
                instance.0,
                scope_text,
                name,
                sealed
            )
            .execute(&mut *transaction)
            .await
            .attempt("change the setting")?;
        } else {
            sqlx::query!(
                "DELETE FROM setting WHERE instance_id = ? AND scope = ? AND name = ?",
                instance.0,
                scope_text,
                name
            )
            .execute(&mut *transaction)
            .await
            .attempt("take the setting back")?;
        }
        setting_change::note(&mut transaction, instance, &scope_text, name, self.inner.clock.now()).await?;
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

    fn publish_settings(&self, instance: InstanceId, layers: Layers) {
        if self.inner.settings.put(instance, layers) {
            let _ = self.inner.settings_changes.send(instance);
        }
    }
}
