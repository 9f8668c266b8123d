//! Table `fact`: values by instance and key, for commands that wait for the gateway.

use gangway_base::secret::Secret;
use tokio::sync::watch;

use super::{Store, api::error::StoreError, memory::facts::Fact};
use crate::phone::instance::InstanceId;

impl Store {
    /// A number that changes whenever a fact changes, here or by another process. A value computed from facts that were
    /// read after this number stays valid as long as the number is the same.
    #[must_use]
    pub fn facts_revision(&self) -> u64 {
        self.database.memory().facts.revision()
    }

    /// Notifies the receiver after every change of a fact, here or by another process. A read after the notification
    /// waits for the change.
    #[must_use]
    pub fn facts_changes(&self) -> watch::Receiver<()> {
        self.database.memory().facts.changes()
    }

    /// A fact that is not secret.
    #[must_use]
    pub fn fact(&self, instance: InstanceId, key: &str) -> Option<String> {
        self.database.memory().facts.open(instance, key)
    }

    /// The non-secret facts of an instance whose keys start with `prefix`: the rest of the key, and the value.
    #[must_use]
    pub fn facts_of(&self, instance: InstanceId, prefix: &str) -> Vec<(String, String)> {
        self.database.memory().facts.open_of(instance, prefix)
    }

    /// The non-secret facts whose keys start with `prefix`: instance, key, value.
    #[must_use]
    pub fn facts_beginning(&self, prefix: &str) -> Vec<(InstanceId, String, String)> {
        self.database.memory().facts.open_beginning(prefix)
    }

    /// A secret fact.
    #[must_use]
    pub fn secret_fact(&self, instance: InstanceId, key: &str) -> Option<Secret> {
        self.database.memory().facts.sealed(instance, key)
    }

    /// Stores a fact, or deletes it with `None`. Writes nothing when it is unchanged.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_fact(&self, instance: InstanceId, key: &str, value: Option<&str>) -> Result<(), StoreError> {
        self.database.write_fact(instance, key, value.map(|value| Fact::Open(value.to_owned()))).await
    }

    /// Stores a secret fact, sealed, or deletes it with `None`.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_secret_fact(
        &self,
        instance: InstanceId,
        key: &str,
        value: Option<&Secret>,
    ) -> Result<(), StoreError> {
        self.database.write_fact(instance, key, value.cloned().map(Fact::Sealed)).await
    }
}
