//! The phones, and the timelines of the phones. Reads come from memory.

use std::sync::Arc;

use gangway_base::mac::Mac;
use tokio::sync::broadcast;

use super::{
    DeferredChange, EventRow, NewEvent, PhoneChanged, Store, StoreError,
    api::{event::EventRepository, phone::PhoneRepository},
    memory::phone_cache::PhoneCache,
};
use crate::phone::{
    instance::InstanceId,
    record::{Phone, PhoneId},
};

/// The phones, and the timelines of the phones. Reads come from memory.
#[derive(Debug, Clone, Copy)]
pub struct PhoneRecords<'s>(&'s Store);

impl Store {
    /// The phones, and the timelines of the phones. Reads come from memory.
    #[must_use]
    pub fn phones(&self) -> PhoneRecords<'_> {
        PhoneRecords(self)
    }
}

impl PhoneRecords<'_> {
    fn cache(&self) -> &PhoneCache {
        &self.0.database.memory().phones
    }

    /// By record number.
    #[must_use]
    pub fn get(self, id: PhoneId) -> Option<Arc<Phone>> {
        self.cache().get(id)
    }

    /// By MAC inside an instance.
    #[must_use]
    pub fn by_mac(self, instance: InstanceId, mac: Mac) -> Option<Arc<Phone>> {
        self.cache().by_mac(instance, mac)
    }

    /// By the token of its URL, in any instance: compare [`Phone::instance`] with the instance of the path.
    #[must_use]
    pub fn by_token(self, token: &str) -> Option<Arc<Phone>> {
        self.cache().by_token(token)
    }

    /// The phones of one instance, by record number.
    #[must_use]
    pub fn in_instance(self, instance: InstanceId) -> Vec<Arc<Phone>> {
        self.cache().in_instance(instance)
    }

    /// All phones, by record number.
    #[must_use]
    pub fn all(self) -> Vec<Arc<Phone>> {
        self.cache().all()
    }

    /// Number of phones, tombstones included.
    #[must_use]
    pub fn len(self) -> usize {
        self.cache().len()
    }

    /// True when there are no phones.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.cache().is_empty()
    }

    /// Adds a phone. The store assigns its `id`.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the instance already has this MAC, or when the database cannot be written.
    pub async fn create(self, phone: Phone, events: Vec<NewEvent>) -> Result<Arc<Phone>, StoreError> {
        self.0.database.create_phone(phone, events).await
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
    pub async fn change<R>(
        self,
        id: PhoneId,
        change: impl FnOnce(&mut Phone, &mut Vec<NewEvent>) -> R,
    ) -> Result<(Arc<Phone>, R), StoreError> {
        self.0.database.change_phone(id, change).await
    }

    /// Same as [`Self::change`] for changes that are not urgent. They are on disk within about 30 ms, in one
    /// transaction with the other changes of that time.
    ///
    /// # Errors
    /// See [`Self::change`].
    pub async fn change_later(self, phone: PhoneId, change: DeferredChange) -> Result<Arc<Phone>, StoreError> {
        self.0.database.change_phone_later(phone, change).await
    }

    /// Notifications of every change. A receiver that lags behind gets `Lagged` and has to read the whole phone cache.
    #[must_use]
    pub fn changes(self) -> broadcast::Receiver<PhoneChanged> {
        self.0.database.memory().phone_changes()
    }

    /// The number of a phone's last change that this process knows. Numbers increase with every change of any phone,
    /// here or by another process.
    #[must_use]
    pub fn change_number(self, phone: PhoneId) -> Option<i64> {
        self.0.database.memory().phones.entry(phone).map(|(_, change)| change)
    }

    /// The newest events of a phone, newest first, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn events(self, phone: PhoneId, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        self.0.database.events(phone, limit).await
    }
}
