//! Tracks which files the open connections use, and whether they are still the files at the paths. SQLite keeps writing
//! to files that were removed or replaced; such commits are lost when the process ends.

use std::{
    fs,
    fs::{File, OpenOptions, TryLockError},
    io,
    io::ErrorKind,
    mem::ManuallyDrop,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::store::{
    api::{error::StoreError, loss::Loss},
    files,
    files::{DATABASE, failed},
};

/// The first bytes of a database header (<https://www.sqlite.org/fileformat.html#the_database_header>).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Identifies a file regardless of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Node {
    device: u64,
    inode: u64,
}

fn node(path: &Path) -> io::Result<Option<Node>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(Node { device: found.dev(), inode: found.ino() })),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The files at the time the connections opened them.
#[derive(Debug)]
struct Opened {
    directory: Option<Node>,
    database: Option<Node>,
    log: Option<Node>,
    index: Option<Node>,
    /// Used to read the header. Never closed: closing any descriptor of a file releases the locks that SQLite holds on
    /// it in this process (POSIX locks belong to process and file).
    body: ManuallyDrop<File>,
    /// The result of the last check, if the file was shorter than its header says.
    short: Option<Short>,
    /// Another database was written into the file.
    is_overwritten: bool,
}

/// A file that is shorter than its header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Short {
    size: u64,
    wanted: u64,
    written: (i64, i64),
}

/// The database files of one data directory.
#[derive(Debug)]
pub(in crate::store) struct Identity {
    dir: PathBuf,
    /// `None` while the database is not open for writing.
    opened: Mutex<Option<Opened>>,
    /// How often the files were recorded.
    generation: AtomicU64,
}

impl Identity {
    pub(in crate::store) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), opened: Mutex::default(), generation: AtomicU64::new(0) }
    }

    fn opened(&self) -> MutexGuard<'_, Option<Opened>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.dir.join(format!("{DATABASE}{ending}"))
    }

    /// Records the current files as the ones the connections use.
    pub(in crate::store) fn note(&self) -> Result<(), StoreError> {
        let path = self.path("");
        let noted = || -> io::Result<Opened> {
            Ok(Opened {
                directory: node(&self.dir)?,
                database: node(&path)?,
                log: node(&self.path("-wal"))?,
                index: node(&self.path("-shm"))?,
                body: ManuallyDrop::new(File::open(&path)?),
                short: None,
                is_overwritten: false,
            })
        };
        *self.opened() = Some(noted().map_err(failed("look at", &path))?);
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Changes each time files are recorded. Connections opened before use the previous files.
    pub(in crate::store) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Checks that the files are the recorded ones and complete. A file that cannot be checked counts as unchanged. A
    /// file that is too short is reported at the second check.
    pub(in crate::store) fn look(&self) -> Result<(), Loss> {
        self.told(|opened| match self.compare(opened)? {
            None if opened.is_overwritten => Ok(Some(Loss::Truncated)),
            None => is_truncated(opened).map(|is_so| is_so.then_some(Loss::Truncated)),
            loss => Ok(loss),
        })
    }

    /// Checks that the files at the paths are the recorded ones.
    pub(in crate::store) fn check_paths(&self) -> Result<(), Loss> {
        self.told(|opened| self.compare(opened))
    }

    /// Marks the content of the file as foreign although it is a valid database. Every check reports this until files
    /// are recorded again.
    pub(in crate::store) fn mark_overwritten(&self) {
        if let Some(opened) = self.opened().as_mut() {
            opened.is_overwritten = true;
        }
    }

    /// Whether [`Self::mark_overwritten`] was called.
    pub(in crate::store) fn is_overwritten(&self) -> bool {
        self.opened().as_ref().is_some_and(|opened| opened.is_overwritten)
    }

    /// The names of the log and its index, as far as they are still the recorded files.
    pub(in crate::store) fn own_log(&self) -> Vec<&'static str> {
        let opened = self.opened();
        let Some(opened) = opened.as_ref() else { return Vec::new() };
        let is_own = |name: &str, noted: Option<Node>| {
            noted.is_some() && node(&self.dir.join(name)).is_ok_and(|found| found == noted)
        };
        let noted = files::OF_DATABASE.into_iter().zip([opened.log, opened.index]);
        noted.filter(|(name, noted)| is_own(name, *noted)).map(|(name, _)| name).collect()
    }

    /// Writes into the lock file which database is served: see [`prove_served`].
    pub(in crate::store) fn report_served(&self) {
        let Some(Node { device, inode }) = self.opened().as_ref().and_then(|opened| opened.database) else { return };
        let written = || -> io::Result<()> {
            // Never created here: a new file would not be the one that is locked.
            let file = OpenOptions::new().write(true).truncate(true).open(self.dir.join(files::SERVING))?;
            file.write_all_at(format!("{device} {inode}\n").as_bytes(), 0)
        };
        if let Err(error) = written() {
            tracing::debug!(%error, "commands are not told which database is served");
        }
    }

    fn told(&self, look: impl FnOnce(&mut Opened) -> io::Result<Option<Loss>>) -> Result<(), Loss> {
        let mut opened = self.opened();
        let Some(opened) = opened.as_mut() else { return Ok(()) };
        match look(opened) {
            Ok(None) => Ok(()),
            Ok(Some(loss)) => Err(loss),
            Err(error) => {
                tracing::debug!(%error, "the files of the database cannot be looked at");
                Ok(())
            }
        }
    }

    fn compare(&self, opened: &Opened) -> io::Result<Option<Loss>> {
        if node(&self.dir)? != opened.directory {
            return Ok(Some(Loss::Directory));
        }
        let database = node(&self.path(""))?;
        if database != opened.database {
            return Ok(Some(if database.is_none() { Loss::Removed } else { Loss::Replaced }));
        }
        // Before the log: SQLite removes the log of an emptied database.
        if size_by_header(&opened.body)?.is_none() {
            return Ok(Some(Loss::Truncated));
        }
        let (log, index) = (node(&self.path("-wal"))?, node(&self.path("-shm"))?);
        if log != opened.log || index != opened.index {
            return Ok(Some(Loss::Log));
        }
        Ok(None)
    }
}

/// Checks that the gateway serving from `dir`, if any, writes to the database file at the path. Data that a command
/// wrote to another file would be lost or mixed with it.
///
/// # Errors
/// [`StoreError::Lost`].
pub(in crate::store) fn prove_served(dir: &Path) -> Result<(), StoreError> {
    let lock = dir.join(files::SERVING);
    let told = fs::read_to_string(&lock).unwrap_or_default();
    let told = told
        .trim_end()
        .split_once(' ')
        .and_then(|(device, inode)| Some(Node { device: device.parse().ok()?, inode: inode.parse().ok()? }));
    let (Some(served), Ok(Some(found))) = (told, node(&dir.join(DATABASE))) else { return Ok(()) };
    // The content is stale if the gateway has ended. The lock is tried only if the files differ, because a gateway that
    // is just starting would find it taken.
    if served == found
        || !File::open(&lock).is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
    {
        return Ok(());
    }
    Err(StoreError::Lost { loss: Loss::Replaced })
}

fn is_truncated(opened: &mut Opened) -> io::Result<bool> {
    let found = opened.body.metadata()?;
    let wanted = size_by_header(&opened.body)?.unwrap_or(u64::MAX);
    if found.len() >= wanted {
        opened.short = None;
        return Ok(false);
    }
    // A checkpoint writes the header before the end of the file. So a short file is a loss only if it does not change
    // between two checks.
    let short = Short { size: found.len(), wanted, written: (found.mtime(), found.mtime_nsec()) };
    Ok(opened.short.replace(short) == Some(short))
}

/// The database size according to the header; `None` if the header is invalid.
fn size_by_header(body: &File) -> io::Result<Option<u64>> {
    let mut header = [0; 32];
    match body.read_exact_at(&mut header, 0) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    if !header.starts_with(MAGIC) {
        return Ok(None);
    }
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        size => u64::from(size),
    };
    let pages = u32::from_be_bytes([header[28], header[29], header[30], header[31]]);
    Ok(Some(page * u64::from(pages)))
}
