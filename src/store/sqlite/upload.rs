//! Table `upload`: files that phones upload, sealed.

use zeroize::Zeroizing;

use super::{
    Sqlite,
    codec::{ms, signed, time, unsigned},
    error_context::ErrorContext,
};
use crate::{
    phone::record::PhoneId,
    store::api::{
        error::StoreError,
        upload::{UPLOAD_LIMIT, UPLOADS_KEPT, UploadRepository, UploadRow},
    },
};

fn place(phone: PhoneId, name: &str) -> String {
    format!("upload/{}/{name}", phone.0)
}

impl UploadRepository for Sqlite {
    async fn save_upload(&self, phone: PhoneId, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
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

    async fn uploads(&self, phone: PhoneId) -> Result<Vec<UploadRow>, StoreError> {
        let rows = sqlx::query!("SELECT name, at, size FROM upload WHERE phone_id = ? ORDER BY id DESC", phone.0)
            .fetch_all(&self.readers()?)
            .await
            .attempt("list the uploads")?;
        Ok(rows
            .into_iter()
            .map(|row| UploadRow { name: row.name, at: time(row.at), size: unsigned(row.size) })
            .collect())
    }

    async fn upload(&self, phone: PhoneId, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let sealed = sqlx::query_scalar!("SELECT sealed FROM upload WHERE phone_id = ? AND name = ?", phone.0, name)
            .fetch_optional(&self.readers()?)
            .await
            .attempt("read the upload")?;
        sealed.map(|sealed| self.inner.keyring.unseal(&place(phone, name), &sealed)).transpose()
    }
}
