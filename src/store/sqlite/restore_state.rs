//! Table `restored`: whether this database was restored from a backup, and whether it has become active since.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::{
    Sqlite,
    codec::{ms, time, time_opt},
    error_context::ErrorContext,
};
use crate::store::api::{error::StoreError, restoration::Restoration};

pub(in crate::store) async fn read(connection: &mut SqliteConnection) -> Result<Option<Restoration>, StoreError> {
    let row: Option<(i64, i64, Option<i64>)> = sqlx::query_as("SELECT at, made, taken_over FROM restored")
        .fetch_optional(connection)
        .await
        .attempt("look where the database comes from")?;
    Ok(row.map(|(at, made, taken_over)| Restoration {
        at: time(at),
        made: time(made),
        taken_over: time_opt(taken_over),
    }))
}

impl Sqlite {
    /// Records that the database was restored just now.
    pub(in crate::store) async fn is_restored(&self, made: Timestamp) -> Result<(), StoreError> {
        let restoration = Restoration { at: self.inner.clock.now(), made, taken_over: None };
        let mut writing = self.inner.writer.take().await;
        sqlx::query(
            "INSERT INTO restored (id, at, made) VALUES (1, ?, ?)
            ON CONFLICT (id) DO UPDATE SET at = excluded.at, made = excluded.made, taken_over = NULL",
        )
        .bind(ms(restoration.at))
        .bind(ms(made))
        .execute(&mut *writing)
        .await
        .attempt("note the restoration")?;
        self.inner.memory.restoration.store(Some(restoration.into()));
        Ok(())
    }

    /// Ends the passive state permanently. Returns false when it was not passive.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn leave_passive(&self) -> Result<bool, StoreError> {
        let Some(restoration) = self
            .inner
            .memory
            .restoration
            .load()
            .as_deref()
            .copied()
            .filter(|restoration| restoration.taken_over.is_none())
        else {
            return Ok(false);
        };
        let now = self.inner.clock.now();
        let mut writing = self.inner.writer.take().await;
        sqlx::query("UPDATE restored SET taken_over = ?")
            .bind(ms(now))
            .execute(&mut *writing)
            .await
            .attempt("note that this gateway takes over")?;
        self.inner.memory.restoration.store(Some(Restoration { taken_over: Some(now), ..restoration }.into()));
        Ok(true)
    }
}
