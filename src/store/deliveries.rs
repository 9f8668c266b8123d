//! The file that each phone fetched last.

use zeroize::Zeroizing;

use super::{DeliveredFile, KeptFile, Store, StoreError, api::delivered::DeliveredFileRepository};
use crate::phone::record::PhoneId;

/// The file that each phone fetched last.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryRecords<'s>(&'s Store);

impl Store {
    /// The file that each phone fetched last.
    #[must_use]
    pub fn deliveries(&self) -> DeliveryRecords<'_> {
        DeliveryRecords(self)
    }
}

impl DeliveryRecords<'_> {
    /// Keeps a delivered file. Never waits; on disk a second later, once [`WriteDeliveredFiles`] runs.
    pub fn note(self, file: DeliveredFile) {
        self.0.database.memory().delivered.put(file);
    }

    /// Writes all waiting files.
    ///
    /// # Errors
    /// When the database cannot be written; the files of that transaction are lost.
    pub async fn flush(self) -> Result<(), StoreError> {
        self.0.database.flush_delivered_files().await
    }

    /// The file the phone fetched last.
    ///
    /// # Errors
    /// When the database cannot be read or the content cannot be unsealed.
    pub async fn last(self, phone: PhoneId) -> Result<Option<KeptFile>, StoreError> {
        if let Some(DeliveredFile { name, at, etag, body, .. }) = self.0.database.memory().delivered.of(phone) {
            return Ok(Some(KeptFile { name: name.to_string(), at, etag, body: Zeroizing::new(body.to_vec()) }));
        }
        self.0.database.delivered_file(phone).await
    }
}
