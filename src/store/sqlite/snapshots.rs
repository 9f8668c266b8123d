//! Writes the automatic copies.

use std::{
    fs,
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use sqlx::{Connection, SqliteConnection};

use super::{Sqlite, vacuum_into};
use crate::store::{
    api::error::StoreError,
    files::failed,
    snapshots::{DIRECTORY, TIME, list},
};

/// Number of copies of earlier schemas that are kept.
const OF_SCHEMAS: usize = 3;
/// Number of copies of a lost database that are kept.
const OF_LOSSES: usize = 3;
const RESCUE: &str = "-rescue.db";
const DAILY: &str = "-daily.db";
const PARTIAL: &str = ".partial";

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

impl Sqlite {
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
