//! What the store offers.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gangway_base::{clock::SharedClock, secret::Secret, tasks::Tasks};
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{
    Activity, ApiToken, AuditEntry, AuditRow, DeferredChange, DeliveredFile, EventRow, Health, HistoryEntry,
    HistoryFilter, HistoryRow, KeptFile, NewEvent, NewToken, PhoneCache, PhoneChanged, RecoveryResult, RequestFacts,
    RequestNote, Restoration, Rotation, RotationStep, ServeLock, SettingChange, Store, StoreError, TokenCheck,
    UploadRow,
    api::{
        activity::ActivityRepository, audit::AuditRepository, delivered::DeliveredFileRepository,
        event::EventRepository, history::HistoryRepository, instance::InstanceRepository, phone::PhoneRepository,
        request::RequestRepository, setting::SettingRepository, token::TokenRepository, upload::UploadRepository,
    },
    memory::tokens::TokenCache,
    sqlite::Sqlite,
};
use crate::{
    phone::{
        instance::InstanceId,
        record::{Phone, PhoneId},
    },
    settings::{Changes, EmptiedSecretSetting, LayerMembership, Layers, Scope},
};

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

    /// The cache of all phones.
    #[must_use]
    pub fn roster(&self) -> &PhoneCache {
        &self.database.memory().phones
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

    /// Notifications of every change. A receiver that lags behind gets `Lagged` and has to read the whole phone cache.
    #[must_use]
    pub fn changes(&self) -> tokio::sync::broadcast::Receiver<PhoneChanged> {
        self.database.memory().phone_changes()
    }

    /// The number of a phone's last change that this process knows. Numbers increase with every change of any phone,
    /// here or by another process.
    #[must_use]
    pub fn change_number(&self, phone: PhoneId) -> Option<i64> {
        self.database.memory().phones.entry(phone).map(|(_, change)| change)
    }

    /// Adds a phone. The store assigns its `id`.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the instance already has this MAC, or when the database cannot be written.
    pub async fn create_phone(&self, phone: Phone, events: Vec<NewEvent>) -> Result<Arc<Phone>, StoreError> {
        self.database.create_phone(phone, events).await
    }

    /// Changes a phone. `change` gets a copy of the committed record and may add events to its timeline. When this
    /// returns, everything is on disk and published. A change without effect writes nothing. `id`, `instance` and `mac`
    /// cannot be changed; the store increments `revision`.
    ///
    /// Dropping the future early is harmless: either nothing was written, or the record is committed and the check for
    /// external changes publishes it within 300 ms.
    ///
    /// # Errors
    /// [`StoreError::NoPhone`], or when the database cannot be written; then nothing is changed.
    pub async fn change_phone<R>(
        &self,
        id: PhoneId,
        change: impl FnOnce(&mut Phone, &mut Vec<NewEvent>) -> R,
    ) -> Result<(Arc<Phone>, R), StoreError> {
        self.database.change_phone(id, change).await
    }

    /// Same as [`Store::change_phone`] for changes that are not urgent. They are on disk within about 30 ms, in one
    /// transaction with the other changes of that time.
    ///
    /// # Errors
    /// See [`Store::change_phone`].
    pub async fn change_phone_later(&self, phone: PhoneId, change: DeferredChange) -> Result<Arc<Phone>, StoreError> {
        self.database.change_phone_later(phone, change).await
    }

    /// The newest events of a phone, newest first, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn events(&self, phone: PhoneId, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        self.database.events(phone, limit).await
    }

    /// Returns the number of the instance. Adds the instance if it is new. Names are not case-sensitive.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn instance(&self, domain: &str, name: &str) -> Result<InstanceId, StoreError> {
        self.database.instance(domain, name).await
    }

    /// The current settings of an instance. Cheap; takes no lock.
    #[must_use]
    pub fn layers(&self, instance: InstanceId) -> Arc<Layers> {
        self.database.memory().settings.get(instance)
    }

    /// Notifies of instances whose settings changed, here or by another process.
    #[must_use]
    pub fn settings_changes(&self) -> tokio::sync::broadcast::Receiver<InstanceId> {
        self.database.memory().settings_changes()
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
        self.database.set_settings(instance, scope, changes).await
    }

    /// The secrets that [`Self::set_settings`] would remove with these changes.
    #[must_use]
    pub fn emptied_by(&self, instance: InstanceId, scope: &Scope, changes: &Changes) -> Vec<EmptiedSecretSetting> {
        let membership = |mac| self.roster().by_mac(instance, mac).map(|phone| LayerMembership::from(&*phone));
        self.layers(instance).emptied(scope, changes, membership)
    }

    /// When each setting of a scope was last changed or removed.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn setting_changes(&self, instance: InstanceId, scope: &Scope) -> Result<Vec<SettingChange>, StoreError> {
        self.database.setting_changes(instance, scope).await
    }

    /// The tokens of an instance, oldest first.
    #[must_use]
    pub fn tokens(&self, instance: InstanceId) -> Vec<ApiToken> {
        self.database.memory().tokens.of(instance)
    }

    /// Checks a token for an instance. All tokens are compared, each in constant time.
    #[must_use]
    pub fn shown_token(&self, instance: InstanceId, shown: &str) -> TokenCheck {
        self.database.memory().tokens.check(instance, shown, self.database.now())
    }

    /// Same as [`Self::shown_token`], but looks up an unknown token in the database first, as another process may have
    /// just created it. Concurrent callers share the next look-up. The caller must check first whether the client is
    /// locked out.
    pub async fn prove_token(&self, instance: InstanceId, shown: &str) -> TokenCheck {
        let known = self.shown_token(instance, shown);
        if known != TokenCheck::Unknown || !TokenCache::is_token(shown) {
            return known;
        }
        let look = async || {
            if let Err(error) = self.database.look_for_tokens().await {
                tracing::debug!(%error, "a token that is not known cannot be looked for");
            }
        };
        self.database.memory().tokens.look_up(look).await;
        self.shown_token(instance, shown)
    }

    /// Creates a token. The token text is returned only here.
    ///
    /// # Errors
    /// When the database cannot be written, or the name already exists.
    pub async fn create_token(&self, instance: InstanceId, new: NewToken) -> Result<(Secret, ApiToken), StoreError> {
        self.database.create_token(instance, new).await
    }

    /// Revokes a token. Returns whether there was one.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn revoke_token(&self, instance: InstanceId, id: i64) -> Result<bool, StoreError> {
        self.database.revoke_token(instance, id).await
    }

    /// Records a request. Never waits. The request is on disk within a second.
    pub fn request_seen(&self, note: RequestNote) {
        self.database.memory().requests.note(note);
    }

    /// Notifies, about once a second, which phones have sent requests since.
    #[must_use]
    pub fn request_changes(&self) -> tokio::sync::broadcast::Receiver<Arc<[PhoneId]>> {
        self.database.memory().request_changes()
    }

    /// The last request of a phone.
    #[must_use]
    pub fn request_facts(&self, phone: PhoneId) -> Option<RequestFacts> {
        self.database.memory().requests.of(phone)
    }

    /// Writes the facts that are not on disk yet. Called last before the process ends.
    ///
    /// # Errors
    /// When the database cannot be written; the facts stay in memory and are retried.
    pub async fn flush_requests(&self) -> Result<(), StoreError> {
        self.database.flush_requests().await
    }

    /// The hours since `from` that had any activity, oldest first. Lags behind by about a second.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn activity(&self, instance: InstanceId, from: Timestamp) -> Result<Vec<Activity>, StoreError> {
        self.database.activity(instance, from).await
    }

    /// Keeps a delivered file. Never waits; on disk a second later, once [`WriteDeliveredFiles`] runs.
    pub fn file_delivered(&self, file: DeliveredFile) {
        self.database.memory().delivered.put(file);
    }

    /// Writes all waiting files.
    ///
    /// # Errors
    /// When the database cannot be written; the files of that transaction are lost.
    pub async fn flush_delivered_files(&self) -> Result<(), StoreError> {
        self.database.flush_delivered_files().await
    }

    /// The file the phone fetched last.
    ///
    /// # Errors
    /// When the database cannot be read or the content cannot be unsealed.
    pub async fn delivered_file(&self, phone: PhoneId) -> Result<Option<KeptFile>, StoreError> {
        if let Some(DeliveredFile { name, at, etag, body, .. }) = self.database.memory().delivered.of(phone) {
            return Ok(Some(KeptFile { name: name.to_string(), at, etag, body: Zeroizing::new(body.to_vec()) }));
        }
        self.database.delivered_file(phone).await
    }

    /// Stores an upload. Replaces one of the same name and deletes the oldest beyond [`UPLOADS_KEPT`].
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], or when the database cannot be written.
    pub async fn save_upload(&self, phone: PhoneId, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.database.save_upload(phone, name, bytes).await
    }

    /// The uploads of a phone, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn uploads(&self, phone: PhoneId) -> Result<Vec<UploadRow>, StoreError> {
        self.database.uploads(phone).await
    }

    /// The content of an upload.
    ///
    /// # Errors
    /// When the database cannot be read or the content cannot be unsealed.
    pub async fn upload(&self, phone: PhoneId, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.database.upload(phone, name).await
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn add_history(&self, entry: HistoryEntry) -> Result<(), StoreError> {
        self.database.add_history(entry).await
    }

    /// Entries that match the filter, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn history(&self, filter: HistoryFilter) -> Result<Vec<HistoryRow>, StoreError> {
        self.database.history(filter).await
    }

    /// Deletes entries of an instance that are older than `days`. Returns how many were deleted.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn prune_history(&self, instance: InstanceId, days: u32) -> Result<u64, StoreError> {
        self.database.prune_history(instance, days).await
    }

    /// Adds an entry and deletes entries beyond [`AUDIT_KEPT`].
    ///
    /// # Errors
    /// When the database cannot be written; the caller must not perform the action then.
    pub async fn add_audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        self.database.add_audit(entry).await
    }

    /// Adds an entry to every instance, for commands on this machine that affect all of them.
    ///
    /// # Errors
    /// When the database cannot be written; the caller must not perform the action then.
    pub async fn add_audit_everywhere(&self, who: &str, deed: &str) -> Result<(), StoreError> {
        self.database.add_audit_everywhere(who, deed).await
    }

    /// Entries of an instance, newest first, older than `before`, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn audit(
        &self,
        instance: InstanceId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditRow>, StoreError> {
        self.database.audit(instance, before, limit).await
    }

    /// Stores a file under a key. The key must be unique.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], or when the database cannot be written.
    pub async fn hand_over(&self, instance: InstanceId, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.database.hand_over(instance, key, bytes).await
    }

    /// Reads a file and deletes it from the database. Returns `None` when there is none.
    ///
    /// # Errors
    /// When the database cannot be read and written, or the content cannot be unsealed.
    pub async fn take_over(&self, instance: InstanceId, key: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.database.take_over(instance, key).await
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
    pub fn mended(&self) -> Option<RecoveryResult> {
        self.database.memory().recovery.load().as_deref().cloned()
    }
}
