//! Table `handover`: files that a command passes to the serving gateway, sealed.

use zeroize::Zeroizing;

use super::{Sqlite, codec::ms, error_context::ErrorContext};
use crate::{phone::instance::InstanceId, store::api::error::StoreError};

/// The largest file, in bytes.
pub const HANDOVER_LIMIT: usize = 8 << 20;

fn place(key: &str) -> String {
    format!("handover/{key}")
}

impl Sqlite {
    /// Stores a file under a key. The key must be unique.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], or when the database cannot be written.
    pub async fn hand_over(&self, instance: InstanceId, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.len() > HANDOVER_LIMIT {
            return Err(StoreError::TooLarge { size: bytes.len(), limit: HANDOVER_LIMIT });
        }
        let at = ms(self.inner.clock.now());
        let mut transaction = self.inner.writer.begin("hand the file to the gateway").await?;
        let sealed = self.inner.keyring.seal(&place(key), bytes)?;
        sqlx::query!(
            "INSERT INTO handover (key, instance_id, at, sealed) VALUES (?, ?, ?, ?)",
            key,
            instance.0,
            at,
            sealed
        )
        .execute(&mut *transaction)
        .await
        .attempt("hand the file to the gateway")?;
        transaction.commit().await.map(drop)
    }

    /// Reads a file and deletes it from the database. Returns `None` when there is none.
    ///
    /// # Errors
    /// When the database cannot be read and written, or the content cannot be unsealed.
    pub async fn take_over(&self, instance: InstanceId, key: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let mut writer = self.inner.writer.take().await;
        let sealed = sqlx::query_scalar!(
            "DELETE FROM handover WHERE key = ? AND instance_id = ? RETURNING sealed",
            key,
            instance.0
        )
        .fetch_optional(&mut *writer)
        .await
        .attempt("take the file that was handed over")?;
        sealed.map(|sealed| self.inner.keyring.unseal(&place(key), &sealed)).transpose()
    }
}
