//! The file each phone fetched last.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::error::StoreError;
use crate::phone::record::PhoneId;

/// The largest file that is kept, in bytes. Phones themselves accept less.
pub(in crate::store) const LARGEST: usize = 512 * 1024;

/// A file that was delivered completely.
#[derive(Debug, Clone)]
pub struct DeliveredFile {
    /// The phone it was delivered to.
    pub phone: PhoneId,
    /// File name without the path.
    pub name: Arc<str>,
    /// When it was delivered.
    pub at: Timestamp,
    /// Its ETag.
    pub etag: String,
    /// The content.
    pub body: Bytes,
}

/// A stored delivered file.
#[derive(Debug)]
pub struct KeptFile {
    /// File name.
    pub name: String,
    /// When it was delivered.
    pub at: Timestamp,
    /// Its ETag.
    pub etag: String,
    /// The content.
    pub body: Zeroizing<Vec<u8>>,
}

/// The delivered files in the database, deflated and sealed.
pub(in crate::store) trait DeliveredFileRepository {
    /// Writes all files that wait in memory. On an error the files of that transaction are lost.
    async fn flush_delivered_files(&self) -> Result<(), StoreError>;

    /// The file the phone fetched last, as far as it is written.
    async fn delivered_file(&self, phone: PhoneId) -> Result<Option<KeptFile>, StoreError>;
}
