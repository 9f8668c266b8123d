//! Which files the open connections hold, and whether they are still those at their paths. SQLite goes on with files that
//! were removed or replaced, and what it commits then is gone with the process.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind},
    mem::ManuallyDrop,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    DATABASE,
    error::StoreError,
    files::{self, failed},
    loss::Loss,
};

/// What the header of a database begins with (<https://www.sqlite.org/fileformat.html#the_database_header>).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// What a file is, whatever its name.
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

/// The files as they were when the connections opened them.
#[derive(Debug)]
struct Opened {
    directory: Option<Node>,
    database: Option<Node>,
    log: Option<Node>,
    index: Option<Node>,
    /// For its header. Never closed: closing any descriptor of a file takes from the process the locks SQLite holds on it
    /// (POSIX locks belong to process and file).
    body: ManuallyDrop<File>,
    /// What the last look found, where the file was shorter than its header says.
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

/// The files of one data directory.
#[derive(Debug)]
pub(super) struct Identity {
    dir: PathBuf,
    /// `None` while the database is not open for writing.
    opened: Mutex<Option<Opened>>,
    /// How often files were noted.
    generation: AtomicU64,
}

impl Identity {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), opened: Mutex::default(), generation: AtomicU64::new(0) }
    }

    fn opened(&self) -> MutexGuard<'_, Option<Opened>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.dir.join(format!("{DATABASE}{ending}"))
    }

    /// Notes the files as those the connections hold from now on.
    pub(super) fn note(&self) -> Result<(), StoreError> {
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

    /// Another number once other files were noted: connections from before hold the earlier ones.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Looks whether the files are still those that were noted, and whole. What cannot be looked at counts as unchanged.
    /// A file that is too short is told at the second look.
    pub(super) fn look(&self) -> Result<(), Loss> {
        self.told(|opened| match self.compare(opened)? {
            None if opened.is_overwritten => Ok(Some(Loss::Truncated)),
            None => is_truncated(opened).map(|is_so| is_so.then_some(Loss::Truncated)),
            loss => Ok(loss),
        })
    }

    /// Looks whether the files at the paths are still those that were noted.
    pub(super) fn check_paths(&self) -> Result<(), Loss> {
        self.told(|opened| self.compare(opened))
    }

    /// Notes that what is in the file is not what was written to it, though it is a whole database. Until files are noted
    /// again, each look tells it.
    pub(super) fn mark_overwritten(&self) {
        if let Some(opened) = self.opened().as_mut() {
            opened.is_overwritten = true;
        }
    }

    /// Whether that was noted.
    pub(super) fn is_overwritten(&self) -> bool {
        self.opened().as_ref().is_some_and(|opened| opened.is_overwritten)
    }

    /// The names of log and index, as far as they are still those that were noted.
    pub(super) fn own_log(&self) -> Vec<&'static str> {
        let opened = self.opened();
        let Some(opened) = opened.as_ref() else { return Vec::new() };
        let is_own = |name: &str, noted: Option<Node>| {
            noted.is_some() && node(&self.dir.join(name)).is_ok_and(|found| found == noted)
        };
        let noted = files::OF_DATABASE.into_iter().zip([opened.log, opened.index]);
        noted.filter(|(name, noted)| is_own(name, *noted)).map(|(name, _)| name).collect()
    }

    /// Writes into the lock file which database is served: see [`prove_served`].
    pub(super) fn report_served(&self) {
        let Some(Node { device, inode }) = self.opened().as_ref().and_then(|opened| opened.database) else { return };
        let written = || -> io::Result<()> {
            // Never made here: another lock file would not be the one that is held.
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

/// Looks whether the gateway that serves from `dir`, if one does, writes to the database at the path and to no other file:
/// what a command wrote into another one would be lost, or mixed with it.
///
/// # Errors
/// [`StoreError::Lost`].
pub(super) fn prove_served(dir: &Path) -> Result<(), StoreError> {
    let lock = dir.join(files::SERVING);
    let told = fs::read_to_string(&lock).unwrap_or_default();
    let told = told
        .trim_end()
        .split_once(' ')
        .and_then(|(device, inode)| Some(Node { device: device.parse().ok()?, inode: inode.parse().ok()? }));
    let (Some(served), Ok(Some(found))) = (told, node(&dir.join(DATABASE))) else { return Ok(()) };
    // What a gateway left behind that has ended says nothing. The lock is tried only where the files differ: a gateway that
    // starts meanwhile would meet it.
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
    // While the log is brought into the file, its header is written before its end: only what nobody writes is a loss.
    let short = Short { size: found.len(), wanted, written: (found.mtime(), found.mtime_nsec()) };
    Ok(opened.short.replace(short) == Some(short))
}

/// The size a database has by its header; `None` when that is no header.
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
