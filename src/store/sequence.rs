//! The counters that grow with every change of the database.

use sqlx::SqliteConnection;

use super::error::{ErrorContext, StoreError};

/// How far the memory is known to be true.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) version: i64,
    pub(super) phone: i64,
    pub(super) fact: i64,
}

impl Seen {
    /// The counters as the connection sees them.
    pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Self, StoreError> {
        let row = sqlx::query!("SELECT phone, fact FROM sequence WHERE id = 1")
            .fetch_one(connection)
            .await
            .attempt("look for changes")?;
        // No version is ever -1: the first look of the watch compares the counters.
        Ok(Self { version: -1, phone: row.phone, fact: row.fact })
    }
}
