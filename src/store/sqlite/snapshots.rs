//! Automatic copies below `backups/` in the data directory: one a day, one before every change of the schema, and one
//! when the database files are lost while the gateway runs. The key of the data directory unseals them. They protect
//! against damage and mistakes; protection against a lost disk needs a backup elsewhere.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use sqlx::{Connection, SqliteConnection};

use super::vacuum_into;
use crate::store::{Store, api::error::StoreError, files::failed};

/// The directory of the copies.
pub const DIRECTORY: &str = "backups";
/// Number of copies of earlier schemas that are kept.
const OF_SCHEMAS: usize = 3;
/// Number of copies of a lost database that are kept.
const OF_LOSSES: usize = 3;
/// Time format at the start of the names.
const TIME: &str = "%Y-%m-%dT%H-%M-%SZ";
const RESCUE: &str = "-rescue.db";
const DAILY: &str = "-daily.db";
const PARTIAL: &str = ".partial";

/// The copies in `dir`, newest last. Files whose name does not start with a time are ignored.
#[must_use]
pub fn list(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join(DIRECTORY)).into_iter().flatten().flatten();
    let copies = entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|kind| kind == "db"));
    // Ignore other files.
    let mut copies: Vec<_> =
        copies.filter(|path| path.is_file()).filter_map(|path| Some((made(&path)?, path))).collect();
    copies.sort();
    copies.into_iter().map(|(_, path)| path).collect()
}

impl StoreError {
    /// Adds the path of the newest copy in the data directory if the error is [`StoreError::Corrupt`].
    #[must_use]
    pub(in crate::store) fn with_copy_in(mut self, dir: &Path) -> Self {
        if let Self::Corrupt { copy, .. } = &mut self {
            *copy = list(dir).pop();
        }
        self
    }
}

/// When a copy was made, according to its name.
#[must_use]
pub(in crate::store) fn made(copy: &Path) -> Option<Timestamp> {
    let name = copy.file_name()?.to_str()?;
    let end = name.find('Z')?;
    let time = jiff::civil::DateTime::strptime("%Y-%m-%dT%H-%M-%S", name.get(..end)?).ok()?;
    time.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|time| time.timestamp())
}

/// Writes a copy named after the time and `ending`. Keeps the newest `most` copies with such an ending.
async fn keep(
    connection: &mut SqliteConnection,
    dir: &Path,
    now: Timestamp,
    ending: &str,
    alike: impl Fn(&str) -> bool,
    most: usize,
) -> Result<PathBuf, StoreError> {
    let place = dir.join(DIRECTORY);
    DirBuilder::new().recursive(true).mode(0o700).create(&place).map_err(failed("create the directory", &place))?;
    for entry in fs::read_dir(&place).into_iter().flatten().flatten() {
        // Left over from a crash.
        if entry.path().to_string_lossy().ends_with(PARTIAL) {
            let _ = fs::remove_file(entry.path());
        }
    }
    let path = place.join(format!("{}{ending}", now.strftime(TIME)));
    let partial = place.join(format!("{:08x}{PARTIAL}", rand::random::<u32>()));
    vacuum_into::copy(connection, &partial).await?;
    fs::rename(&partial, &path).map_err(failed("name the copy", &path))?;
    let mut others: Vec<PathBuf> = list(dir).into_iter().filter(|path| alike(&path.to_string_lossy())).collect();
    others.truncate(others.len().saturating_sub(most));
    for old in others {
        fs::remove_file(&old).map_err(failed("remove the old copy", &old))?;
    }
    Ok(path)
}

/// Copies the database before the schema is migrated from `version`.
pub(in crate::store) async fn before_migration(
    connection: &mut SqliteConnection,
    dir: &Path,
    now: Timestamp,
    version: i64,
) -> Result<PathBuf, StoreError> {
    let alike = |name: &str| name.contains("-schema-");
    keep(connection, dir, now, &format!("-schema-{version:04}.db"), alike, OF_SCHEMAS).await
}

/// Copies what a connection still sees of a database whose files are lost.
pub(in crate::store) async fn of_loss(
    connection: &mut SqliteConnection,
    dir: &Path,
    now: Timestamp,
) -> Result<PathBuf, StoreError> {
    keep(connection, dir, now, RESCUE, |name| name.ends_with(RESCUE), OF_LOSSES).await
}

impl Store {
    /// Makes today's copy unless there is one. Keeps the newest `most` copies. Returns `None` when there was nothing to
    /// do.
    ///
    /// # Errors
    /// When the copy cannot be written or the database is damaged; older copies are not touched then.
    pub async fn copy_of_the_day(&self, most: usize) -> Result<Option<PathBuf>, StoreError> {
        let now = self.inner.clock.now();
        let today = now.strftime("%Y-%m-%dT").to_string();
        let is_of_today = |path: &PathBuf| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            name.starts_with(&today) && name.ends_with(DAILY)
        };
        if most == 0 || list(&self.inner.dir).iter().any(is_of_today) {
            return Ok(None);
        }
        self.copy_now(now, most).await.map(Some)
    }

    async fn copy_now(&self, now: Timestamp, most: usize) -> Result<PathBuf, StoreError> {
        let dir = &self.inner.dir;
        let mut reader = self.reader().await?;
        let kept = keep(&mut reader, dir, now, DAILY, |name| name.ends_with(DAILY), most).await;
        let _ = reader.close().await;
        kept
    }

    /// Replaces all copies with a fresh one: copies sealed by an earlier key cannot be used any more.
    pub(in crate::store) async fn renew_copies(&self) -> Result<(), StoreError> {
        let old = list(&self.inner.dir);
        if old.is_empty() {
            return Ok(());
        }
        let fresh = self.copy_now(self.inner.clock.now(), usize::MAX).await?;
        for copy in old.into_iter().filter(|copy| *copy != fresh) {
            fs::remove_file(&copy).map_err(failed("remove the old copy", &copy))?;
        }
        Ok(())
    }
}
