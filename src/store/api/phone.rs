//! The phones.

use std::sync::Arc;

use gangway_base::mac::Mac;

use super::{error::StoreError, event::NewEvent};
use crate::phone::{
    instance::InstanceId,
    record::{Phone, PhoneId},
};

/// A phone was created or changed, here or by another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhoneChanged {
    /// The phone.
    pub id: PhoneId,
    /// Its instance.
    pub instance: InstanceId,
    /// Its MAC.
    pub mac: Mac,
}

/// A change that may be written a moment later, together with others.
pub type DeferredChange = Box<dyn FnOnce(&mut Phone, &mut Vec<NewEvent>) + Send>;

/// The phones in the database. A change locks the rows of its phones in the order of their ids, reads them, changes and
/// writes them. What is committed is put into memory and announced there, in the order of the commits.
pub(in crate::store) trait PhoneRepository {
    /// Adds a phone. Assigns its `id`.
    async fn create_phone(&self, phone: Phone, events: Vec<NewEvent>) -> Result<Arc<Phone>, StoreError>;

    /// Changes a phone. `change` gets a copy of the committed record. A change without effect writes nothing.
    async fn change_phone<R>(
        &self,
        id: PhoneId,
        change: impl FnOnce(&mut Phone, &mut Vec<NewEvent>) -> R,
    ) -> Result<(Arc<Phone>, R), StoreError>;

    /// Same as [`Self::change_phone`], in one transaction with other changes of that time.
    async fn change_phone_later(&self, phone: PhoneId, change: DeferredChange) -> Result<Arc<Phone>, StoreError>;
}
