//! Makes the database reject writes, for tests and demonstrations.

use super::{Sqlite, error_context::ErrorContext};
use crate::store::api::error::StoreError;

impl Sqlite {
    /// Rejects every write from now on, like a file system remounted read-only, or accepts writes again.
    ///
    /// # Errors
    /// When SQLite rejects the pragma.
    pub async fn refuse_writes(&self, refuse: bool) -> Result<(), StoreError> {
        let order = if refuse { "PRAGMA query_only = ON" } else { "PRAGMA query_only = OFF" };
        let mut writing = self.inner.writer.take().await;
        sqlx::query(order).execute(&mut *writing).await.attempt("switch writing")?;
        Ok(())
    }
}
