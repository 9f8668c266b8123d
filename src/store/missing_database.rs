//! A data directory without its database. An empty database begins by itself only where nothing tells that there was one
//! before: otherwise all phones would be unknown, without a word.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gangway_base::{clock::SharedClock, tasks::Tasks};

use super::{
    DATABASE, Store, connection,
    error::StoreError,
    files::{self, ServeLock},
    key_file::KEY,
    snapshots,
};

/// Whether an empty database may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstStart {
    /// Where nothing tells of an earlier one.
    First,
    /// In any case: an administrator wants it.
    Wanted,
}

/// Whether the database file is there, with anything in it.
pub(super) fn has_content(dir: &Path) -> bool {
    fs::metadata(dir.join(DATABASE)).is_ok_and(|database| database.len() > 0)
}

/// The refusal that is due when `dir` holds no database although there was one. `None` where nothing tells of one. The one
/// place that knows under which conditions a database must be there.
pub(super) fn refusal(dir: &Path) -> Option<StoreError> {
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

impl Store {
    /// Makes an empty database in `dir`, also where there was one before. The sealing key and the copies stay.
    ///
    /// # Errors
    /// [`StoreError::DatabaseExists`], [`StoreError::InUse`], or what keeps the database from being made.
    pub async fn begin(dir: &Path, clock: SharedClock, tasks: &Tasks) -> Result<(), StoreError> {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        files::prepare_directory(dir)?;
        let _alone = ServeLock::take(dir)?;
        // A file whose log is gone may be left without any table: that is no database.
        if has_content(dir) && !connection::is_without_tables(&dir.join(DATABASE)).await {
            return Err(StoreError::DatabaseExists { dir: dir.to_owned() });
        }
        // A log without its database is of no use to SQLite, which would remove it.
        files::set_aside(dir, &files::aside("lost", clock.now()), &files::OF_DATABASE)?;
        Self::open_as(dir, credentials.as_deref(), clock, tasks, FirstStart::Wanted).await.map(drop)
    }
}
