//! Handles a data directory without its database. An empty database is created automatically only if there is no
//! evidence of an earlier one. Otherwise all phones would silently become unknown.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gangway_base::{clock::SharedClock, tasks::Tasks};

use super::{Sqlite, connection};
use crate::store::{
    api::error::StoreError,
    files,
    files::{DATABASE, ServeLock},
    sealing::key_file::KEY,
    snapshots,
};

/// When an empty database may be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum FirstStart {
    /// Only if there is no evidence of an earlier one.
    First,
    /// Always: an administrator requested it.
    Wanted,
}

/// Whether the database file exists and is not empty.
pub(in crate::store) fn has_content(dir: &Path) -> bool {
    fs::metadata(dir.join(DATABASE)).is_ok_and(|database| database.len() > 0)
}

/// The error to return when `dir` has no database although there was one. `None` if there is no evidence of one. This
/// is the only place that decides when a database must exist.
pub(in crate::store) fn refusal(dir: &Path) -> Option<StoreError> {
    let copy = snapshots::list(dir).pop();
    let found = match (fs::exists(dir.join(KEY)).unwrap_or(true), &copy) {
        (true, Some(_)) => "a sealing key and copies of a database",
        (true, None) => "a sealing key",
        (false, Some(_)) => "copies of a database",
        (false, None) => return None,
    };
    let copy = copy.map(|copy| {
        let made = snapshots::made(&copy).map_or_else(|| "an unknown time".to_owned(), |made| format!("{made:.0}"));
        (copy, made)
    });
    Some(StoreError::DatabaseMissing { dir: dir.to_owned(), found, copy })
}

impl Sqlite {
    /// Creates an empty database in `dir`, even if there was one before. The sealing key and the copies are kept.
    ///
    /// # Errors
    /// [`StoreError::DatabaseExists`], [`StoreError::InUse`], or when the database cannot be created.
    pub async fn begin(dir: &Path, clock: SharedClock, tasks: &Tasks) -> Result<(), StoreError> {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        files::prepare_directory(dir)?;
        let _alone = ServeLock::take(dir)?;
        // A file that has lost its log may have no tables. That does not count as a database.
        if has_content(dir) && !connection::is_without_tables(&dir.join(DATABASE)).await {
            return Err(StoreError::DatabaseExists { dir: dir.to_owned() });
        }
        // SQLite cannot use a log without its database and would remove it.
        files::set_aside(dir, &files::aside("lost", clock.now()), &files::OF_DATABASE)?;
        Self::open(dir, credentials.as_deref(), clock, tasks, FirstStart::Wanted).await.map(drop)
    }
}
