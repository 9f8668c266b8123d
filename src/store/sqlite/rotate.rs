//! Rotates the sealing key while the gateway runs. The process may crash after any of these steps:
//!
//! 1. The new key is appended to the key file.
//! 2. Table `seal` admits it. From this commit on every writer seals with it (`Writer::begin` checks the table), and a
//!    reader of a value it sealed finds the key in the file.
//! 3. Everything that the old key sealed is sealed again, one portion per transaction.
//! 4. When nothing is left, table `seal` lists only the new key. Free pages and the log are cleared.
//! 5. The old key is removed from the file, and a fresh copy replaces those it had sealed.
//!
//! Rotating again after a crash continues where it stopped; files and tables show the progress.

use std::ops::ControlFlow;

use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::{
    Sqlite, connection,
    error_context::ErrorContext,
    sealed_columns::{SEALED, SealedColumn},
};
use crate::{
    base::failpoint::{Failpoint, failpoint},
    store::{
        api::{
            error::StoreError,
            rotation::{Rotation, RotationStep},
        },
        files::ServeLock,
        sealing::key_file,
    },
};

/// Number of values sealed again in one transaction: it blocks other writers for some milliseconds.
const PORTION: i64 = 256;

impl Sqlite {
    /// Same as [`Self::rotate_keys`], but stops (as in a crash) after the step at which `watch` breaks.
    pub(in crate::store) async fn rotate_until(
        &self,
        mut watch: impl FnMut(RotationStep) -> ControlFlow<()>,
    ) -> Result<Rotation, StoreError> {
        let inner = &self.inner;
        let _alone = ServeLock::for_rotation(&inner.dir)?;
        let begun = self.begun().await?;
        let mut rotation = Rotation {
            key: begun.key,
            resealed: 0,
            was_interrupted: begun.was_interrupted,
            old_key_stays: begun.is_credential,
        };
        failpoint(Failpoint::KeyWritten).await;
        if watch(RotationStep::Written).is_break() {
            return Ok(rotation);
        }
        let mut transaction = inner.writer.begin("admit the new sealing key").await?;
        connection::admit(&mut transaction, &inner.keyring, begun.key).await?;
        transaction.commit().await?;
        failpoint(Failpoint::KeyAdmitted).await;
        if watch(RotationStep::Admitted).is_break() {
            return Ok(rotation);
        }
        let mut left = 0;
        for column in SEALED {
            left += self.sealed_otherwise(column, begun.key).await?;
        }
        let total = left;
        for column in SEALED {
            loop {
                let done = self.reseal(column, begun.key).await?;
                if done == 0 {
                    break;
                }
                failpoint(Failpoint::Resealed).await;
                rotation.resealed += done;
                let step = RotationStep::Resealed(rotation.resealed, total.max(rotation.resealed));
                if watch(step).is_break() {
                    return Ok(rotation);
                }
                // Other writers may run between two portions.
                tokio::task::yield_now().await;
            }
        }
        self.leave_alone(begun.key).await?;
        failpoint(Failpoint::KeyAlone).await;
        if watch(RotationStep::Alone).is_break() {
            return Ok(rotation);
        }
        self.forget_what_was().await;
        failpoint(Failpoint::OldSealsGone).await;
        if let (false, Some(path), Some(text)) =
            (begun.is_credential, inner.keyring.file(), inner.keyring.text_of(begun.key))
        {
            key_file::replace(path, &text)?;
        }
        failpoint(Failpoint::OldKeyGone).await;
        self.renew_copies().await?;
        failpoint(Failpoint::CopiesRenewed).await;
        Ok(rotation)
    }

    /// Finds the key that takes over, or creates it.
    async fn begun(&self) -> Result<Begun, StoreError> {
        let keyring = &self.inner.keyring;
        let admitted = {
            let mut writing = self.inner.writer.take().await;
            connection::admitted(&mut writing).await?
        };
        let ids = keyring.listed()?;
        keyring.refresh_keys(&admitted)?;
        let sealing = keyring.sealing_id();
        let path = keyring.file().map(std::path::Path::to_owned).unwrap_or_default();
        let is_credential = path.file_name().is_some_and(|name| name == key_file::CREDENTIAL);
        let newest = ids.last().copied().unwrap_or(sealing);
        if newest != sealing {
            // Its line is in the file already, from an interrupted rotation or written by an administrator.
            return Ok(Begun { key: newest, was_interrupted: !is_credential, is_credential });
        }
        if admitted.len() > 1 || ids.len() > 1 {
            return Ok(Begun { key: sealing, was_interrupted: true, is_credential });
        }
        let Some((key, text)) = keyring.with_a_fresh_key() else {
            return Err(StoreError::KeyUnreadable { path, reason: "it holds all 255 keys there can be" });
        };
        if is_credential {
            return Err(StoreError::KeyNotOurs { path, next: key });
        }
        key_file::replace(&path, &text)?;
        keyring.listed()?;
        Ok(Begun { key, was_interrupted: false, is_credential })
    }

    async fn sealed_otherwise(&self, column: &SealedColumn, key: u8) -> Result<u64, StoreError> {
        let mut writing = self.inner.writer.take().await;
        sealed_otherwise(&mut writing, column, key).await
    }

    /// Seals a portion again. Returns how many values it had.
    async fn reseal(&self, column: &SealedColumn, key: u8) -> Result<u64, StoreError> {
        let action = "seal with the new key";
        let keyring = &self.inner.keyring;
        let mut transaction = self.inner.writer.begin(action).await?;
        let rows = sqlx::query(AssertSqlSafe(column.select()))
            .bind(vec![key])
            .bind(PORTION)
            .fetch_all(&mut *transaction)
            .await
            .attempt(action)?;
        if rows.is_empty() {
            transaction.rollback().await;
            return Ok(0);
        }
        let update = column.update();
        for row in &rows {
            let sealed: Vec<u8> = row.try_get(0).attempt(action)?;
            let names = (1..=column.row.len()).map(|index| row.try_get(index));
            let names: Vec<String> = names.collect::<Result<_, _>>().attempt(action)?;
            let place = column.place(&names);
            let opened = keyring.unseal(&place, &sealed)?;
            let mut query = sqlx::query(AssertSqlSafe(update.clone())).bind(keyring.seal_with(key, &place, &opened)?);
            for name in names {
                query = query.bind(name);
            }
            query.execute(&mut *transaction).await.attempt(action)?;
        }
        transaction.commit().await?;
        Ok(rows.len() as u64)
    }

    /// Removes all other keys from table `seal`, once no value is sealed with them.
    async fn leave_alone(&self, key: u8) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin("dismiss the old sealing key").await?;
        for column in SEALED {
            let left = sealed_otherwise(&mut transaction, column, key).await?;
            if left > 0 {
                // Every writer knew the new key, so only a manual change of the file can cause this.
                let place = format!("table {} ({left} values)", column.table);
                return Err(StoreError::Unsealing { place });
            }
        }
        sqlx::query("DELETE FROM seal WHERE key_id <> ?")
            .bind(i64::from(key))
            .execute(&mut *transaction)
            .await
            .attempt("dismiss the old sealing key")?;
        transaction.commit().await.map(drop)
    }

    /// Clears free pages and the log, which still contain values sealed by the old key. A failure is harmless: they are
    /// overwritten over time.
    async fn forget_what_was(&self) {
        let mut writing = self.inner.writer.take().await;
        for statement in ["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"] {
            if let Err(error) = sqlx::query(statement).execute(&mut *writing).await {
                tracing::warn!(%error, "old sealed values stay in free parts of the database for a while");
            }
        }
    }
}

/// The state at the start of a rotation.
struct Begun {
    key: u8,
    was_interrupted: bool,
    is_credential: bool,
}

async fn sealed_otherwise(
    connection: &mut SqliteConnection,
    column: &SealedColumn,
    key: u8,
) -> Result<u64, StoreError> {
    let left: i64 = sqlx::query_scalar(AssertSqlSafe(column.count()))
        .bind(vec![key])
        .fetch_one(connection)
        .await
        .attempt("count what the old key sealed")?;
    Ok(super::codec::unsigned(left))
}
