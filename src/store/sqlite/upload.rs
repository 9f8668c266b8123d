//! Table `upload`: files that phones upload, sealed.

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::codec::{ms, signed, time, unsigned};
use crate::phone::record::PhoneId;
use crate::store::{
    Store,
    api::error::{ErrorContext, StoreError},
};

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

fn place(phone: PhoneId, name: &str) -> String {
    format!("upload/{}/{name}", phone.0)
}

impl Store {
    /// Stores an upload. Replaces one of the same name and deletes the oldest beyond [`UPLOADS_KEPT`].
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], or when the database cannot be written.
    pub async fn save_upload(&self, phone: PhoneId, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.len() > UPLOAD_LIMIT {
            return Err(StoreError::TooLarge { size: bytes.len(), limit: UPLOAD_LIMIT });
        }
        let at = ms(self.inner.clock.now());
        let size = signed(bytes.len() as u64);
        let mut transaction = self.inner.writer.begin("keep the upload").await?;
        let sealed = self.inner.keyring.seal(&place(phone, name), bytes)?;
        sqlx::query!("DELETE FROM upload WHERE phone_id = ? AND name = ?", phone.0, name)
            .execute(&mut *transaction)
            .await
            .attempt("replace the upload")?;
        sqlx::query!(
            "INSERT INTO upload (phone_id, name, at, size, sealed) VALUES (?, ?, ?, ?, ?)",
            phone.0,
            name,
            at,
            size,
            sealed
        )
        .execute(&mut *transaction)
        .await
        .attempt("keep the upload")?;
        sqlx::query!(
            "DELETE FROM upload WHERE phone_id = ?1 AND id <=
                (SELECT id FROM upload WHERE phone_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            phone.0,
            UPLOADS_KEPT
        )
        .execute(&mut *transaction)
        .await
        .attempt("drop the oldest upload")?;
        transaction.commit().await.map(drop)
    }

    /// The uploads of a phone, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn uploads(&self, phone: PhoneId) -> Result<Vec<UploadRow>, StoreError> {
        let rows = sqlx::query!("SELECT name, at, size FROM upload WHERE phone_id = ? ORDER BY id DESC", phone.0)
            .fetch_all(&self.readers()?)
            .await
            .attempt("list the uploads")?;
        Ok(rows
            .into_iter()
            .map(|row| UploadRow { name: row.name, at: time(row.at), size: unsigned(row.size) })
            .collect())
    }

    /// The content of an upload.
    ///
    /// # Errors
    /// When the database cannot be read or the content cannot be unsealed.
    pub async fn upload(&self, phone: PhoneId, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let sealed = sqlx::query_scalar!("SELECT sealed FROM upload WHERE phone_id = ? AND name = ?", phone.0, name)
            .fetch_optional(&self.readers()?)
            .await
            .attempt("read the upload")?;
        sealed.map(|sealed| self.inner.keyring.unseal(&place(phone, name), &sealed)).transpose()
    }
}
