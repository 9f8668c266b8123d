//! The last request of every phone, and the activity by the hour.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::broadcast;

use super::{
    Activity, RequestFacts, RequestNote, Store, StoreError,
    api::{activity::ActivityRepository, request::RequestRepository},
};
use crate::phone::{instance::InstanceId, record::PhoneId};

/// The last request of every phone, and the activity by the hour.
#[derive(Debug, Clone, Copy)]
pub struct RequestRecords<'s>(&'s Store);

impl Store {
    /// The last request of every phone, and the activity by the hour.
    #[must_use]
    pub fn requests(&self) -> RequestRecords<'_> {
        RequestRecords(self)
    }
}

impl RequestRecords<'_> {
    /// Records a request. Never waits. The request is on disk within a second.
    pub fn note(self, note: RequestNote) {
        self.0.database.memory().requests.note(note);
    }

    /// Notifies, about once a second, which phones have sent requests since.
    #[must_use]
    pub fn changes(self) -> broadcast::Receiver<Arc<[PhoneId]>> {
        self.0.database.memory().request_changes()
    }

    /// The last request of a phone.
    #[must_use]
    pub fn last(self, phone: PhoneId) -> Option<RequestFacts> {
        self.0.database.memory().requests.of(phone)
    }

    /// Writes the facts that are not on disk yet. Called last before the process ends.
    ///
    /// # Errors
    /// When the database cannot be written; the facts stay in memory and are retried.
    pub async fn flush(self) -> Result<(), StoreError> {
        self.0.database.flush_requests().await
    }

    /// The hours since `from` that had any activity, oldest first. Lags behind by about a second.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn activity(self, instance: InstanceId, from: Timestamp) -> Result<Vec<Activity>, StoreError> {
        self.0.database.activity(instance, from).await
    }
}
