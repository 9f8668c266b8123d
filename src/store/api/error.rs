//! The errors of the store. Each message says what to do.

use std::{
    io,
    path::{Path, PathBuf},
};

use gangway_base::mac::Mac;

use super::loss::Loss;
use crate::phone::record::PhoneId;

/// Why a store operation failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full.
    #[error("cannot {action}: the disk with the data directory is full; make room, nothing was changed")]
    DiskFull {
        /// What was attempted.
        action: &'static str,
    },
    /// The database or the directory is not writable.
    #[error(
        "cannot {action}: the database is read-only; give the data directory and its files to the user gangway runs as \
         (modes 0700 and 0600) and check that the file system is mounted for writing"
    )]
    ReadOnly {
        /// What was attempted.
        action: &'static str,
    },
    /// Another process held the write lock longer than the busy timeout.
    #[error(
        "cannot {action}: another process keeps the database locked (a backup, a long command?); try again when it has \
         finished"
    )]
    Locked {
        /// What was attempted.
        action: &'static str,
    },
    /// The file is not an intact database.
    #[error(
        "cannot {action}: the database is damaged ({reason}); stop gangway, keep the files gangway.db* for inspection and \
         restore the last backup{}",
        named(copy.as_deref())
    )]
    Corrupt {
        /// What was attempted.
        action: &'static str,
        /// What the database reports.
        reason: String,
        /// The newest automatic copy, where it is known.
        copy: Option<PathBuf>,
    },
    /// The database could not be opened for writing when the gateway started.
    #[error("cannot {action}: {condition}")]
    Ailing {
        /// What was attempted.
        action: &'static str,
        /// The cause, as a sentence.
        condition: String,
    },
    /// Anything else the database reports.
    #[error("cannot {action}: {source}")]
    Database {
        /// What was attempted.
        action: &'static str,
        /// What the database reports.
        source: Box<dyn std::error::Error + Send + Sync>,
        /// The change refers to a missing row.
        is_refused: bool,
    },
    /// A migration failed.
    #[error("cannot bring the database to the present schema: {0}; the old state is kept, report this message")]
    Migrate(Box<dyn std::error::Error + Send + Sync>),
    /// The database was written by a later version.
    #[error(
        "the database has schema {found}, this gangway knows none above {known}: run the newer version, or restore the \
         backup made before the upgrade"
    )]
    NewerSchema {
        /// Newest migration in the file.
        found: i64,
        /// Newest migration of this program.
        known: i64,
    },
    /// The schema is older than the program's, and the database is read-only.
    #[error(
        "the database has schema {found} and cannot be brought to {known} without being written: make that possible"
    )]
    OtherSchema {
        /// Newest migration in the file.
        found: i64,
        /// Newest migration of this program.
        known: i64,
    },
    /// A file of the data directory could not be used.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// Another gateway serves from this directory, or a command works on it.
    #[error(
        "another gangway already serves from {}, or a command works on it: stop it first or let it end, or give this one its \
         own data directory ([data] dir)",
        path.display()
    )]
    InUse {
        /// The data directory, or a lock file in it.
        path: PathBuf,
    },
    /// The database is missing although there was one before.
    #[error("{}", missing_sentence(dir, found, copy.as_ref()))]
    DatabaseMissing {
        /// The data directory.
        dir: PathBuf,
        /// The evidence that there was one.
        found: &'static str,
        /// The newest copy and when it was made.
        copy: Option<(PathBuf, String)>,
    },
    /// A new database was requested where there is one already.
    #[error(
        "{} holds a database already, so no new one is made: leave --new-database out. To begin with an empty database, stop \
         the gateway and move gangway.db, gangway.db-wal and gangway.db-shm to another directory first",
        dir.display()
    )]
    DatabaseExists {
        /// The data directory.
        dir: PathBuf,
    },
    /// The files at the paths are not the files the connections have open.
    #[error("the database cannot be used: {loss}; look at `/readyz` and the log")]
    Lost {
        /// What happened to the files.
        loss: Loss,
    },
    /// The files at the paths of the database keep changing.
    #[error("the files of the database changed once more meanwhile")]
    Moving,
    /// A restore was interrupted; its files are not moved into place yet.
    #[error(
        "a restoration into {} was interrupted while the files were moved: call `gangway restore` (without a file) to end it",
        dir.display()
    )]
    RestoreUnfinished {
        /// The data directory.
        dir: PathBuf,
    },
    /// Another process is rotating the keys.
    #[error("another `gangway keys rotate` is at work on this data directory: wait until it has finished")]
    Rotating,
    /// A new key cannot be stored, because the key file is a systemd credential.
    #[error(
        "the sealing key {} is a credential of systemd, which gangway cannot write: put a second line into it ({next} and 64 \
         hex digits, `openssl rand -hex 32`), restart the service and run `gangway keys rotate` with the same credential",
        path.display()
    )]
    KeyNotOurs {
        /// The credential.
        path: PathBuf,
        /// A free number for the second key.
        next: u8,
    },
    /// There is a database, but its key is missing.
    #[error(
        "the sealing key {} is missing, but a database sealed with it exists: put the key back from the backup; \
         without it no stored password can be read",
        path.display()
    )]
    KeyMissing {
        /// Where the key was expected.
        path: PathBuf,
    },
    /// The key file cannot be parsed.
    #[error("the sealing key {} is not readable as one: {reason}; restore it from the backup", path.display())]
    KeyUnreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// The key is not the one the database was sealed with.
    #[error("the sealing key does not belong to this database: restore database and key from the same backup")]
    WrongKey,
    /// A sealed value cannot be unsealed in its row.
    #[error("the sealed {place} does not open: the row was altered outside gangway; restore the last backup")]
    Unsealing {
        /// Table and row.
        place: String,
    },
    /// A stored value is unknown to this version.
    #[error("{place} holds '{value}', which this version does not know: run the version that wrote it")]
    Unknown {
        /// Table, row and column.
        place: String,
        /// The stored value.
        value: String,
    },
    /// The MAC is already known in this instance.
    #[error("the phone {0} already exists in this instance: change it instead of adding it")]
    Exists(Mac),
    /// There is no such phone.
    #[error("there is no phone with the record number {}", .0.0)]
    NoPhone(PhoneId),
    /// A transaction with several batched changes failed.
    #[error("{reason}")]
    Together {
        /// The message of the error that made it fail.
        reason: String,
    },
    /// The gateway is stopping.
    #[error("the change is not written: the gateway is stopping")]
    Stopped,
    /// The upload exceeds the limit.
    #[error("the upload has {size} bytes, at most {limit} are kept")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
}

impl StoreError {
    /// True when the database rejects the change permanently because it refers to a missing row. The disk is not at
    /// fault.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Database { is_refused: true, .. })
    }
}

fn missing_sentence(dir: &Path, found: &str, copy: Option<&(PathBuf, String)>) -> String {
    let copy = match copy {
        Some((file, made)) => format!(
            "The newest copy is {} of {made}. To restore it: `gangway restore {}`. ",
            file.display(),
            file.display()
        ),
        None => "There is no copy in the directory backups. ".to_owned(),
    };
    format!(
        "the data directory {} holds {found}, but no database: gangway.db was removed, emptied, lies elsewhere, or has \
         lost its log (gangway.db-wal) and is empty without it. Nothing was changed. {copy}To restore a backup of your own: `gangway restore FILE`. To begin with an empty database, which \
         knows no phone: `gangway serve --new-database`",
        dir.display()
    )
}

pub(in crate::store) fn named(copy: Option<&Path>) -> String {
    copy.map(|copy| format!(": gangway restore {} --replace", copy.display())).unwrap_or_default()
}
