//! Table `delivered_file`: the file each phone fetched last. Files wait in a bounded in-memory queue, only the newest
//! per phone. They are deflated, sealed and written in groups after the responses have been sent.

use std::{
    collections::HashMap,
    io::{Read, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use gangway_base::periodic::{PeriodicTask, RunResult};
use jiff::Timestamp;
use sqlx::SqliteConnection;
use zeroize::Zeroizing;

use super::codec::{ms, time};
use crate::phone::record::PhoneId;
use crate::store::{
    Store,
    api::error::{ErrorContext, StoreError},
};

/// Number of file names kept per phone; those fetched last are kept.
const NAMES_KEPT: u32 = 2;
/// The largest file that is kept, in bytes. Phones themselves accept less.
const LARGEST: usize = 512 * 1024;
/// Maximum number of bytes waiting to be written. A file that does not fit is not kept; the pages then show that there
/// is nothing to compare with.
const WAITING: usize = 32 << 20;
/// Maximum number of files per transaction.
const AT_ONCE: usize = 64;
/// Pause between two writes.
const PAUSE: Duration = Duration::from_millis(500);

/// A file that was delivered completely.
#[derive(Debug, Clone)]
pub struct DeliveredFile {
    /// The phone it was delivered to.
    pub phone: PhoneId,
    /// File name without the path.
    pub name: Arc<str>,
    /// When it was delivered.
    pub at: Timestamp,
    /// Its ETag.
    pub etag: String,
    /// The content.
    pub body: Bytes,
}

/// A stored delivered file.
#[derive(Debug)]
pub struct KeptFile {
    /// File name.
    pub name: String,
    /// When it was delivered.
    pub at: Timestamp,
    /// Its ETag.
    pub etag: String,
    /// The content.
    pub body: Zeroizing<Vec<u8>>,
}

/// Files that wait to be written.
#[derive(Default)]
pub(in crate::store) struct Waiting(Mutex<Files>);

#[derive(Default)]
struct Files {
    files: HashMap<PhoneId, DeliveredFile>,
    /// Files being written. They still count as the last ones until the write completes.
    writing: HashMap<PhoneId, DeliveredFile>,
    bytes: usize,
}

impl Waiting {
    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, file: DeliveredFile) {
        let size = file.body.len();
        let mut files = self.files();
        if size > LARGEST || files.bytes + size > WAITING {
            return;
        }
        files.bytes += size;
        if let Some(older) = files.files.insert(file.phone, file) {
            files.bytes -= older.body.len();
        }
    }

    fn take(&self) -> Vec<DeliveredFile> {
        let mut files = self.files();
        let phones: Vec<PhoneId> = files.files.keys().take(AT_ONCE).copied().collect();
        let taken: Vec<DeliveredFile> = phones.iter().filter_map(|phone| files.files.remove(phone)).collect();
        files.writing = taken.iter().map(|file| (file.phone, file.clone())).collect();
        taken
    }

    /// Releases the files taken by the last batch, whether or not they were written.
    fn done(&self) {
        let mut files = self.files();
        files.bytes -= files.writing.drain().map(|(_, file)| file.body.len()).sum::<usize>();
    }

    fn of(&self, phone: PhoneId) -> Option<DeliveredFile> {
        let files = self.files();
        files.files.get(&phone).or_else(|| files.writing.get(&phone)).cloned()
    }
}

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

/// Writes delivered files, and what is left when the gateway stops. Deflating and sealing take processor time: start it
/// on a thread that serves no phones.
pub struct WriteDeliveredFiles(pub Store);

impl PeriodicTask for WriteDeliveredFiles {
    const NAME: &'static str = "write delivered files";
    const AT_STOP: bool = true;

    fn period(&self) -> Duration {
        PAUSE
    }

    async fn run(&mut self) -> RunResult {
        self.0.flush_delivered_files().await.map_err(|error| {
            tracing::warn!(%error, "some delivered files are not kept; they cannot be compared with later ones");
            error.to_string()
        })
    }
}

impl Store {
    /// Keeps a delivered file. Never waits; on disk a second later, once [`WriteDeliveredFiles`] runs.
    pub fn file_delivered(&self, file: DeliveredFile) {
        self.inner.delivered.put(file);
    }

    /// Writes all waiting files.
    ///
    /// # Errors
    /// When the database cannot be written; the files of that transaction are lost.
    pub async fn flush_delivered_files(&self) -> Result<(), StoreError> {
        loop {
            let batch = self.inner.delivered.take();
            if batch.is_empty() {
                return Ok(());
            }
            let written = self.write_files(batch).await;
            self.inner.delivered.done();
            written?;
            tokio::task::yield_now().await;
        }
    }

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
            if self.roster().get(file.phone).is_none_or(|phone| phone.buried.is_some()) {
                continue;
            }
            let sealed = self.inner.keyring.seal(&place(file.phone, &file.name), &small)?;
            write(&mut transaction, &file, &sealed).await?;
        }
        transaction.commit().await.map(drop)
    }

    /// The file the phone fetched last.
    ///
    /// # Errors
    /// When the database cannot be read or the content cannot be unsealed.
    pub async fn delivered_file(&self, phone: PhoneId) -> Result<Option<KeptFile>, StoreError> {
        if let Some(DeliveredFile { name, at, etag, body, .. }) = self.inner.delivered.of(phone) {
            return Ok(Some(KeptFile { name: name.to_string(), at, etag, body: Zeroizing::new(body.to_vec()) }));
        }
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

    fn file(phone: i64, body: Vec<u8>) -> DeliveredFile {
        let at = Timestamp::UNIX_EPOCH;
        DeliveredFile { phone: PhoneId(phone), name: "a.cfg".into(), at, etag: "x".into(), body: body.into() }
    }

    #[test]
    fn what_waits_is_bounded_and_the_newest_of_a_phone() {
        let waiting = Waiting::default();
        waiting.put(file(1, vec![0; LARGEST + 1]));
        assert!(waiting.of(PhoneId(1)).is_none(), "too large");
        for phone in 0..100 {
            waiting.put(file(phone, vec![1; LARGEST]));
            waiting.put(file(phone, vec![2; LARGEST]));
            assert!(waiting.files().bytes <= WAITING);
        }
        assert_eq!(waiting.of(PhoneId(0)).unwrap().body[0], 2);
        let mut taken = 0;
        loop {
            let batch = waiting.take();
            waiting.done();
            taken += batch.len();
            if batch.is_empty() {
                break;
            }
        }
        assert!(taken >= 63, "{taken}");
        assert_eq!(waiting.files().bytes, 0);
    }

    #[test]
    fn what_is_deflated_comes_back() {
        let text = "account.1.enable = 1\n".repeat(500);
        let small = deflated(text.as_bytes()).unwrap();
        assert!(small.len() < text.len() / 10);
        assert_eq!(inflated(&small).unwrap().as_slice(), text.as_bytes());
    }

    #[test]
    fn a_file_is_the_last_one_also_while_it_is_written() {
        let waiting = Waiting::default();
        let last = || waiting.of(PhoneId(1)).map(|file| file.etag);
        let file = |etag: &str| DeliveredFile { etag: etag.to_owned(), ..file(1, vec![0; 3]) };
        waiting.put(file("a"));
        assert_eq!(waiting.take().len(), 1);
        assert_eq!(last().as_deref(), Some("a"));
        waiting.put(file("b"));
        assert_eq!(last().as_deref(), Some("b"));
        waiting.done();
        assert_eq!((last().as_deref(), waiting.files().bytes), (Some("b"), 3));
        waiting.take();
        waiting.done();
        assert_eq!((last(), waiting.files().bytes), (None, 0));
    }
}
