//! Copies and proves the database for backup and restore.

use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, Row};

use super::{Sqlite, codec::unsigned, connection, error_context::ErrorContext, sealed_columns::SEALED, vacuum_into};
use crate::store::{api::error::StoreError, sealing::keyring::Keyring};

/// What a copy holds.
#[derive(Debug)]
pub(in crate::store) struct CopiedRecords {
    /// Phones, tombstones included.
    pub(in crate::store) phones: u64,
    /// `DOMAIN/NAME` of every instance.
    pub(in crate::store) instances: Vec<String>,
}

impl Sqlite {
    /// Copies the database into the new file `to` while others write. The copy is verified.
    pub(in crate::store) async fn copy_to(&self, to: &Path) -> Result<CopiedRecords, StoreError> {
        let mut reader = self.reader().await?;
        let made = vacuum_into::copy(&mut reader, to).await;
        let _ = reader.close().await;
        made?;
        let mut copy = vacuum_into::open(to).await?;
        let phones = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM phone").fetch_one(&mut copy).await;
        let instances = sqlx::query_scalar::<_, String>("SELECT domain || '/' || name FROM instance ORDER BY id")
            .fetch_all(&mut copy)
            .await;
        let _ = copy.close().await;
        Ok(CopiedRecords { phones: unsigned(phones.unwrap_or_default()), instances: instances.unwrap_or_default() })
    }

    /// Prepares a staged database for many changes: a crash leaves only the staging directory, so durability does not
    /// matter. Returns the number of phones, readable or not.
    pub(in crate::store) async fn begin_restore(&self) -> Result<i64, StoreError> {
        let mut writing = self.inner.writer.take().await;
        let _ = sqlx::query("PRAGMA synchronous = OFF").execute(&mut *writing).await;
        sqlx::query_scalar("SELECT count(*) FROM phone").fetch_one(&mut *writing).await.attempt("count the phones")
    }

    /// Deletes all API tokens. Returns how many there were.
    pub(in crate::store) async fn delete_tokens(&self) -> Result<u64, StoreError> {
        let mut writing = self.inner.writer.take().await;
        let done =
            sqlx::query("DELETE FROM token").execute(&mut *writing).await.attempt("end the tokens of scripts")?;
        Ok(done.rows_affected())
    }
}

/// Verifies pages, order and references of a database that no process uses, and that every sealed value can be unsealed
/// with the key.
pub(in crate::store) async fn verify(path: &Path, keyring: &Keyring) -> Result<(), StoreError> {
    let mut database = vacuum_into::open(path).await?;
    vacuum_into::verify(&mut database).await?;
    connection::proofs(&mut database, keyring).await?;
    for column in SEALED {
        let exists: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?")
            .bind(column.table)
            .fetch_one(&mut database)
            .await
            .attempt("look at the schema of the backup")?;
        // An earlier schema may lack this table.
        if exists == 0 {
            continue;
        }
        let mut from = 0;
        loop {
            let query = format!("{} OFFSET ?3", column.select());
            // An empty key number matches no key, so the query returns every value.
            let rows = sqlx::query(AssertSqlSafe(query)).bind(Vec::<u8>::new()).bind(1000).bind(from);
            let rows = rows.fetch_all(&mut database).await.attempt("read the backup through")?;
            for row in &rows {
                let names: Result<Vec<String>, _> = (1..=column.row.len()).map(|index| row.try_get(index)).collect();
                let names = names.attempt("read the backup through")?;
                let sealed: Vec<u8> = row.try_get(0).attempt("read the backup through")?;
                keyring.unseal(&column.place(&names), &sealed)?;
            }
            from += 1000;
            if rows.len() < 1000 {
                break;
            }
        }
    }
    let _ = database.close().await;
    Ok(())
}
