//! The configured values.

use jiff::Timestamp;

use super::error::StoreError;
use crate::{
    phone::instance::InstanceId,
    settings::{Changes, EmptiedSecretSetting, Scope},
};

/// The last change of one setting in one scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingChange {
    /// Its name.
    pub name: String,
    /// When it was changed.
    pub at: Timestamp,
}

/// The settings in the database. What is committed is put into memory and announced there.
pub(in crate::store) trait SettingRepository {
    /// Sets values at one scope, or removes them with `None`, in one transaction. Secrets that lose the address they
    /// were set for are removed in the same transaction and returned. Writes nothing when all values are already set.
    async fn set_settings(
        &self,
        instance: InstanceId,
        scope: &Scope,
        changes: &Changes,
    ) -> Result<Vec<EmptiedSecretSetting>, StoreError>;

    /// When each setting of a scope was last changed or removed.
    async fn setting_changes(&self, instance: InstanceId, scope: &Scope) -> Result<Vec<SettingChange>, StoreError>;
}
