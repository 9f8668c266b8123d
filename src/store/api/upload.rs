//! Files that phones upload.

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::error::StoreError;
use crate::phone::record::PhoneId;

/// Number of uploads kept per phone; older ones are deleted.
pub const UPLOADS_KEPT: u32 = 4;

/// The largest upload, in bytes.
pub const UPLOAD_LIMIT: usize = 64 * 1024;

/// An upload without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRow {
    /// File name as the phone gave it.
    pub name: String,
    /// When it was received.
    pub at: Timestamp,
    /// Size in bytes.
    pub size: u64,
}

/// The uploads in the database, sealed.
pub(in crate::store) trait UploadRepository {
    /// Stores an upload. Replaces one of the same name and deletes the oldest beyond [`UPLOADS_KEPT`].
    async fn save_upload(&self, phone: PhoneId, name: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// The uploads of a phone, newest first.
    async fn uploads(&self, phone: PhoneId) -> Result<Vec<UploadRow>, StoreError>;

    /// The content of an upload.
    async fn upload(&self, phone: PhoneId, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError>;
}
