//! The configured values. Reads come from memory.

use std::sync::Arc;

use gangway_base::secret::Secret;
use tokio::sync::broadcast;

use super::{SettingChange, Store, StoreError, api::setting::SettingRepository};
use crate::{
    phone::instance::InstanceId,
    settings::{Changes, EmptiedSecretSetting, LayerMembership, Layers, Scope},
};

/// The configured values. Reads come from memory.
#[derive(Debug, Clone, Copy)]
pub struct SettingRecords<'s>(&'s Store);

impl Store {
    /// The configured values. Reads come from memory.
    #[must_use]
    pub fn settings(&self) -> SettingRecords<'_> {
        SettingRecords(self)
    }
}

impl SettingRecords<'_> {
    /// The current settings of an instance. Cheap; takes no lock.
    #[must_use]
    pub fn layers(self, instance: InstanceId) -> Arc<Layers> {
        self.0.database.memory().settings.get(instance)
    }

    /// Notifies of instances whose settings changed, here or by another process.
    #[must_use]
    pub fn changes(self) -> broadcast::Receiver<InstanceId> {
        self.0.database.memory().settings_changes()
    }

    /// Sets a value, or removes it with `None`: [`Self::set`] with one change.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_one(
        self,
        instance: InstanceId,
        scope: &Scope,
        name: &str,
        value: Option<&Secret>,
    ) -> Result<Vec<EmptiedSecretSetting>, StoreError> {
        self.set(instance, scope, &[(name.to_owned(), value.cloned())]).await
    }

    /// Sets values at one scope, or removes them with `None`, in one transaction. Secrets that lose the address they
    /// were set for are removed in the same transaction and returned. The caller must have validated the values. Writes
    /// nothing when all values are already set.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set(
        self,
        instance: InstanceId,
        scope: &Scope,
        changes: &Changes,
    ) -> Result<Vec<EmptiedSecretSetting>, StoreError> {
        self.0.database.set_settings(instance, scope, changes).await
    }

    /// The secrets that [`Self::set`] would remove with these changes.
    #[must_use]
    pub fn emptied_by(self, instance: InstanceId, scope: &Scope, changes: &Changes) -> Vec<EmptiedSecretSetting> {
        let membership = |mac| self.0.phones().by_mac(instance, mac).map(|phone| LayerMembership::from(&*phone));
        self.layers(instance).emptied(scope, changes, membership)
    }

    /// When each setting of a scope was last changed or removed.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn last_changes(self, instance: InstanceId, scope: &Scope) -> Result<Vec<SettingChange>, StoreError> {
        self.0.database.setting_changes(instance, scope).await
    }
}
