//! What happened to the database files of a running gateway.

use std::fmt;

/// What happened to the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The data directory was removed, or another directory is at its path.
    Directory,
    /// The database file was removed.
    Removed,
    /// Another file is at the path of the database.
    Replaced,
    /// The file is shorter than its header says, or the header is missing.
    Truncated,
    /// The log or its index was removed or replaced.
    Log,
}

impl Loss {
    /// Whether the gateway may repair the loss: there is no file at the path, or only remains of the gateway's own
    /// files. A file placed there by an administrator is never touched.
    pub(in crate::store) fn is_ours_to_mend(self) -> bool {
        matches!(self, Self::Removed | Self::Truncated | Self::Log)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Directory => "the data directory was removed or replaced while gangway runs",
            Self::Removed => "the database file was removed while gangway runs",
            Self::Replaced => "another file was put in the place of the database while gangway runs",
            Self::Truncated => "the database file was truncated or overwritten while gangway runs",
            Self::Log => "the log of the database (-wal, -shm) was removed or replaced while gangway runs",
        })
    }
}
