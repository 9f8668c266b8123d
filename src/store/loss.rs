//! What has become of the files of a database under the gateway that uses them.

use std::fmt;

/// What has become of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The data directory is gone, or another directory has its path.
    Directory,
    /// The database file is gone.
    Removed,
    /// Another file has its path.
    Replaced,
    /// It is shorter than its own header says, or its header is gone.
    Truncated,
    /// The log or its index is gone, or another file has its path.
    Log,
}

impl Loss {
    /// Whether what lies at the paths is nothing, or what is left of our own files: an administrator's file is never
    /// touched.
    pub(super) fn is_ours_to_mend(self) -> bool {
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
