//! Delivered files that wait to be written: a bounded queue, only the newest file per phone.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    phone::record::PhoneId,
    store::api::delivered::{DeliveredFile, LARGEST},
};

/// Maximum number of bytes waiting to be written. A file that does not fit is not kept; the pages then show that there
/// is nothing to compare with.
const WAITING: usize = 32 << 20;
/// Maximum number of files per transaction.
const AT_ONCE: usize = 64;
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

    pub(in crate::store) fn put(&self, file: DeliveredFile) {
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

    pub(in crate::store) fn take(&self) -> Vec<DeliveredFile> {
        let mut files = self.files();
        let phones: Vec<PhoneId> = files.files.keys().take(AT_ONCE).copied().collect();
        let taken: Vec<DeliveredFile> = phones.iter().filter_map(|phone| files.files.remove(phone)).collect();
        files.writing = taken.iter().map(|file| (file.phone, file.clone())).collect();
        taken
    }

    /// Releases the files taken by the last batch, whether or not they were written.
    pub(in crate::store) fn done(&self) {
        let mut files = self.files();
        files.bytes -= files.writing.drain().map(|(_, file)| file.body.len()).sum::<usize>();
    }

    pub(in crate::store) fn of(&self, phone: PhoneId) -> Option<DeliveredFile> {
        let files = self.files();
        files.files.get(&phone).or_else(|| files.writing.get(&phone)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

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
