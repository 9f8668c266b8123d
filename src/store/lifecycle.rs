//! The database as a whole: opening and closing, health, copies, keys.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Duration,
};

use gangway_base::{clock::SharedClock, tasks::Tasks};

use super::{
    Health, RecoveryResult, Restoration, Rotation, RotationStep, ServeLock, Store, StoreError,
    api::instance::InstanceRepository, sqlite::Sqlite,
};
use crate::phone::instance::InstanceId;

impl Store {
    /// Whether the database can be read and written, or the reason why not.
    #[must_use]
    pub fn condition(&self) -> Health {
        self.database.memory().health.get()
    }

    /// Checkpoints the log into the database, so that the file alone is complete once the gateway has stopped. Call it
    /// at shutdown. If it fails, the data stays in the log file as before.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Claims the directory for serving. The claim lasts until the returned lock is dropped. Commands do not need it.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process serves from it.
    pub fn claim(&self) -> Result<ServeLock, StoreError> {
        self.database.claim()
    }

    /// Checks the database for damage, for at most `within`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], which names the newest copy.
    pub async fn look_for_damage(&self, within: Duration) -> Result<(), StoreError> {
        self.database.look_for_damage(within).await
    }

    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.database.dir()
    }

    /// Derives a key for `label` (nonces, ETags, ...). It stays the same as long as the sealing key does.
    #[must_use]
    pub fn derive_key(&self, label: &str) -> [u8; 32] {
        self.database.keyring().derive(label)
    }

    /// Creates an empty database in `dir`, even if there was one before. The sealing key and the copies are kept.
    ///
    /// # Errors
    /// [`StoreError::DatabaseExists`], [`StoreError::InUse`], or when the database cannot be created.
    pub async fn begin(dir: &Path, clock: SharedClock, tasks: &Tasks) -> Result<(), StoreError> {
        Self::refuse_unfinished_restore(dir)?;
        Sqlite::begin(dir, clock, tasks).await
    }

    /// Rejects every write from now on, like a file system remounted read-only, or accepts writes again. For tests and
    /// demonstrations.
    ///
    /// # Errors
    /// When the database rejects the order.
    #[cfg(feature = "demo")]
    pub async fn refuse_writes(&self, refuse: bool) -> Result<(), StoreError> {
        self.database.refuse_writes(refuse).await
    }

    /// Returns the number of the instance. Adds the instance if it is new. Names are not case-sensitive.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn instance(&self, domain: &str, name: &str) -> Result<InstanceId, StoreError> {
        self.database.instance(domain, name).await
    }

    /// Makes today's copy unless there is one. Keeps the newest `most` copies. Returns `None` when there was nothing to
    /// do.
    ///
    /// # Errors
    /// When the copy cannot be written or the database is damaged; older copies are not touched then.
    pub async fn copy_of_the_day(&self, most: usize) -> Result<Option<PathBuf>, StoreError> {
        self.database.copy_of_the_day(most).await
    }

    /// The origin of the database, if it was restored.
    #[must_use]
    pub fn restoration(&self) -> Option<Restoration> {
        self.database.memory().restoration.load().as_deref().copied()
    }

    /// Ends the passive state permanently. Returns false when it was not passive.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn leave_passive(&self) -> Result<bool, StoreError> {
        self.database.leave_passive().await
    }

    /// Whether a rotation was started and not completed: the key file lists more keys than the one that seals.
    #[must_use]
    pub fn rotation_is_unfinished(&self) -> bool {
        self.database.keyring().listed().is_ok_and(|keys| keys.len() > 1)
    }

    /// Creates a key, seals everything with it and removes the old one, or completes an interrupted rotation. `watch`
    /// is called for every step.
    ///
    /// # Errors
    /// [`StoreError::Rotating`], [`StoreError::KeyNotOurs`], or when the key file or the database cannot be written.
    /// The call may be retried then.
    pub async fn rotate_keys(&self, mut watch: impl FnMut(RotationStep)) -> Result<Rotation, StoreError> {
        let watch = |step| {
            watch(step);
            ControlFlow::Continue(())
        };
        self.database.rotate_until(watch).await
    }

    /// The last loss that the gateway repaired since its start.
    #[must_use]
    pub fn recovery(&self) -> Option<RecoveryResult> {
        self.database.memory().recovery.load().as_deref().cloned()
    }
}
