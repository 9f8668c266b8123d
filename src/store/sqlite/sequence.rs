//! The counters that increase with every change of the database.

use sqlx::SqliteConnection;

use super::error_context::ErrorContext;
use crate::store::api::error::StoreError;

/// The state of the database up to which memory is current.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Seen {
    pub(in crate::store) version: i64,
    pub(in crate::store) phone: i64,
    pub(in crate::store) learned: i64,
}

impl Seen {
    /// The counters as the connection sees them.
    pub(in crate::store) async fn read(connection: &mut SqliteConnection) -> Result<Self, StoreError> {
        let row = sqlx::query!("SELECT phone, learned FROM sequence WHERE id = 1")
            .fetch_one(connection)
            .await
            .attempt("look for changes")?;
        // A version is never -1, so the first check for external changes compares the counters.
        Ok(Self { version: -1, phone: row.phone, learned: row.learned })
    }
}
