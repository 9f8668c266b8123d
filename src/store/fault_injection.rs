//! For tests and demonstrations: a database that refuses what is written to it.

use super::{
    Store,
    error::{ErrorContext, StoreError},
};

impl Store {
    /// Refuses every write from now on, as a file system does that was remounted for reading, or takes them again.
    ///
    /// # Errors
    /// When SQLite does not take the order.
    pub async fn refuse_writes(&self, refuse: bool) -> Result<(), StoreError> {
        let order = if refuse { "PRAGMA query_only = ON" } else { "PRAGMA query_only = OFF" };
        let mut writing = self.inner.writer.take().await;
        sqlx::query(order).execute(&mut *writing).await.attempt("switch writing")?;
        Ok(())
    }
}
