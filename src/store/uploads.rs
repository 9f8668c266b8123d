//! Files that phones upload.

use zeroize::Zeroizing;

use super::{Store, StoreError, UploadRow, api::upload::UploadRepository};
use crate::phone::record::PhoneId;

/// Files that phones upload.
#[derive(Debug, Clone, Copy)]
pub struct UploadRecords<'s>(&'s Store);

impl Store {
    /// Files that phones upload.
    #[must_use]
    pub fn uploaded_files(&self) -> UploadRecords<'_> {
        UploadRecords(self)
    }
}

impl UploadRecords<'_> {
    /// Stores an upload. Replaces one of the same name and deletes the oldest beyond [`UPLOADS_KEPT`].
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], or when the database cannot be written.
    pub async fn save(self, phone: PhoneId, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.0.database.save_upload(phone, name, bytes).await
    }

    /// The uploads of a phone, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn of(self, phone: PhoneId) -> Result<Vec<UploadRow>, StoreError> {
        self.0.database.uploads(phone).await
    }

    /// The content of an upload.
    ///
    /// # Errors
    /// When the database cannot be read or the content cannot be unsealed.
    pub async fn content(self, phone: PhoneId, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.0.database.upload(phone, name).await
    }
}
