//! Table `delivered_file`: the file each phone fetched last. Files wait in a bounded in-memory queue, only the newest
//! per phone. They are deflated, sealed and written in groups after the responses have been sent.

use std::io::{Read, Write};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use sqlx::SqliteConnection;
use zeroize::Zeroizing;

use super::{
    Sqlite,
    codec::{ms, time},
    error_context::ErrorContext,
};
use crate::{
    phone::record::PhoneId,
    store::api::{
        delivered::{DeliveredFile, DeliveredFileRepository, KeptFile, LARGEST},
        error::StoreError,
    },
};

/// Number of file names kept per phone; those fetched last are kept.
const NAMES_KEPT: u32 = 2;
fn place(phone: PhoneId, name: &str) -> String {
    format!("delivered_file/{}/{name}", phone.0)
}

fn deflated(bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, std::io::Error> {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish().map(Zeroizing::new)
}

fn inflated(bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, std::io::Error> {
    let mut whole = Zeroizing::new(Vec::new());
    DeflateDecoder::new(bytes).take(LARGEST as u64).read_to_end(&mut whole)?;
    Ok(whole)
}

/// Deletes the files of a phone that is deleted for good.
pub(in crate::store) async fn forget(connection: &mut SqliteConnection, phone: PhoneId) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM delivered_file WHERE phone_id = ?", phone.0)
        .execute(connection)
        .await
        .attempt("forget the file of a removed phone")?;
    Ok(())
}

impl DeliveredFileRepository for Sqlite {
    async fn flush_delivered_files(&self) -> Result<(), StoreError> {
        loop {
            let batch = self.inner.memory.delivered.take();
            if batch.is_empty() {
                return Ok(());
            }
            let written = self.write_files(batch).await;
            self.inner.memory.delivered.done();
            written?;
            tokio::task::yield_now().await;
        }
    }

    async fn delivered_file(&self, phone: PhoneId) -> Result<Option<KeptFile>, StoreError> {
        let row = sqlx::query!(
            "SELECT name, at, etag, sealed FROM delivered_file WHERE phone_id = ? ORDER BY at DESC, id DESC LIMIT 1",
            phone.0
        )
        .fetch_optional(&self.readers()?)
        .await
        .attempt("read the delivered file")?;
        let Some(row) = row else { return Ok(None) };
        let place = place(phone, &row.name);
        let small = self.inner.keyring.unseal(&place, &row.sealed)?;
        let body = inflated(&small).map_err(|_error| StoreError::Unsealing { place })?;
        Ok(Some(KeptFile { name: row.name, at: time(row.at), etag: row.etag, body }))
    }
}

impl Sqlite {
    async fn write_files(&self, batch: Vec<DeliveredFile>) -> Result<(), StoreError> {
        let mut ready = Vec::with_capacity(batch.len());
        for file in batch {
            let Ok(small) = deflated(&file.body) else { continue };
            ready.push((small, file));
            // Yield to other tasks of this thread.
            tokio::task::yield_now().await;
        }
        let mut transaction = self.inner.writer.begin("keep the delivered files").await?;
        for (small, file) in ready {
            // The phone was deleted in the meantime; do not bring its data back.
            if self.inner.memory.phones.get(file.phone).is_none_or(|phone| phone.removed_at.is_some()) {
                continue;
            }
            let sealed = self.inner.keyring.seal(&place(file.phone, &file.name), &small)?;
            write(&mut transaction, &file, &sealed).await?;
        }
        transaction.commit().await.map(drop)
    }
}

async fn write(connection: &mut SqliteConnection, file: &DeliveredFile, sealed: &[u8]) -> Result<(), StoreError> {
    let (name, at) = (&*file.name, ms(file.at));
    sqlx::query!(
        "INSERT INTO delivered_file (phone_id, name, at, etag, sealed) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (phone_id, name) DO UPDATE SET at = excluded.at, etag = excluded.etag, sealed = excluded.sealed",
        file.phone.0,
        name,
        at,
        file.etag,
        sealed
    )
    .execute(&mut *connection)
    .await
    .attempt("keep the delivered file")?;
    sqlx::query!(
        "DELETE FROM delivered_file WHERE phone_id = ?1 AND id NOT IN
            (SELECT id FROM delivered_file WHERE phone_id = ?1 ORDER BY at DESC, id DESC LIMIT ?2)",
        file.phone.0,
        NAMES_KEPT
    )
    .execute(connection)
    .await
    .attempt("forget the oldest delivered file")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deflated_comes_back() {
        let text = "account.1.enable = 1\n".repeat(500);
        let small = deflated(text.as_bytes()).unwrap();
        assert!(small.len() < text.len() / 10);
        assert_eq!(inflated(&small).unwrap().as_slice(), text.as_bytes());
    }
}
