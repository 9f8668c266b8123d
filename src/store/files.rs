//! The data directory: restricts its permissions and ensures that only one gateway serves from it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use jiff::Timestamp;

use super::api::error::StoreError;

/// The database file.
pub const DATABASE: &str = "gangway.db";
/// Lock file held by the serving gateway, in addition to the lock on the directory. It contains the device and inode of
/// the database file that the gateway writes to.
pub(super) const SERVING: &str = "gangway.lock";
/// Lock file held while the keys are rotated.
const ROTATING: &str = "rotation.lock";

pub(super) fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> StoreError + 'a {
    move |source| StoreError::File { action, path: path.to_owned(), source }
}

/// Creates the directory, accessible only to its owner.
pub(super) fn prepare_directory(dir: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed("create the data directory", dir))?;
    restrict(dir, 0o700)
}

/// Creates the database file, so that SQLite and the files it creates beside it inherit its mode. Returns whether the
/// file existed before and was not empty.
pub(super) fn prepare_database(dir: &Path) -> Result<bool, StoreError> {
    let path = dir.join(DATABASE);
    let file = match OpenOptions::new().create(true).append(true).mode(0o600).open(&path) {
        // On a file system mounted read-only it can still be read.
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => File::open(&path),
        opened => opened,
    };
    let file = file.map_err(failed("open the database", &path))?;
    restrict(&path, 0o600)?;
    Ok(file.metadata().map_err(failed("look at the database", &path))?.len() > 0)
}

/// The files of the database.
pub(super) const OF_DATABASE: [&str; 3] = ["gangway.db-wal", "gangway.db-shm", DATABASE];

/// The name of a directory for files that are set aside.
pub(super) fn aside(why: &str, now: Timestamp) -> String {
    format!("{why}-{}", now.strftime("%Y-%m-%dT%H-%M-%SZ"))
}

/// Moves files of `dir` into its subdirectory `aside`. Missing files are skipped.
pub(super) fn set_aside(dir: &Path, aside: &str, names: &[&str]) -> Result<(), StoreError> {
    let aside = dir.join(aside);
    for name in names {
        let there = dir.join(name);
        if fs::symlink_metadata(&there).is_err() {
            continue;
        }
        let moved = DirBuilder::new().recursive(true).mode(0o700).create(&aside);
        moved.and_then(|()| fs::rename(&there, aside.join(name))).map_err(failed("put aside", &there))?;
    }
    Ok(())
}

fn restrict(path: &Path, mode: u32) -> Result<(), StoreError> {
    let found = fs::metadata(path).map_err(failed("look at", path))?.permissions().mode() & 0o777;
    if found & !mode == 0 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed("restrict the access to", path))
}

/// Proves that this process is the only one that serves from the directory, or works on it while no gateway runs, or
/// rotates its keys. Released on drop.
#[derive(Debug)]
pub struct ServeLock {
    _locks: Vec<File>,
}

impl ServeLock {
    /// Takes the lock for serving, or for a command that writes while no gateway runs. The directory itself is locked, so
    /// removing, replacing or linking a file does not let a second gateway in.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process holds it, or when the directory cannot be opened.
    pub fn take(dir: &Path) -> Result<Self, StoreError> {
        let in_use = |error| match error {
            StoreError::InUse { .. } => StoreError::InUse { path: dir.to_owned() },
            other => other,
        };
        let directory = File::open(dir).map_err(failed("open the data directory", dir))?;
        let mut locks = vec![lock(directory, dir)?];
        // Gateways of earlier versions lock only this file. If it cannot be locked (a full disk), the lock on the
        // directory is enough.
        match lock_file(&dir.join(SERVING)) {
            Ok(file) => locks.push(file),
            Err(error @ StoreError::InUse { .. }) => return Err(in_use(error)),
            Err(error) => tracing::debug!(%error, "the lock file of earlier versions is not held"),
        }
        Ok(Self { _locks: locks })
    }

    /// Takes the lock for rotating the keys.
    pub(super) fn for_rotation(dir: &Path) -> Result<Self, StoreError> {
        match lock_file(&dir.join(ROTATING)) {
            Ok(file) => Ok(Self { _locks: vec![file] }),
            Err(StoreError::InUse { .. }) => Err(StoreError::Rotating),
            Err(other) => Err(other),
        }
    }
}

fn lock_file(path: &Path) -> Result<File, StoreError> {
    let file = match OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path) {
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => File::open(path),
        opened => opened,
    };
    lock(file.map_err(failed("open the lock file", path))?, path)
}

fn lock(file: File, path: &Path) -> Result<File, StoreError> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(StoreError::File { action: "lock", path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn directory_key_and_database_are_the_owners_alone() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("deep/data");
        prepare_directory(&dir).unwrap();
        assert!(!prepare_database(&dir).unwrap());
        super::super::sealing::key_file::keyring(&dir, None, false).unwrap();
        let key = dir.join(super::super::sealing::key_file::KEY);
        assert_eq!((mode(&dir), mode(&dir.join(DATABASE)), mode(&key)), (0o700, 0o600, 0o600));
        fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
        prepare_directory(&dir).unwrap();
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2, "nothing else is left behind");
    }

    #[test]
    fn only_one_serves() {
        let dir = tempfile::tempdir().unwrap();
        let claim = ServeLock::take(dir.path()).unwrap();
        assert!(matches!(ServeLock::take(dir.path()), Err(StoreError::InUse { .. })));
        ServeLock::for_rotation(dir.path()).unwrap();
        drop(claim);
        ServeLock::take(dir.path()).unwrap();
    }

    #[test]
    fn the_claim_to_serve_outlives_its_file_and_holds_through_a_link() {
        let temp = tempfile::tempdir().unwrap();
        let (dir, link) = (temp.path().join("data"), temp.path().join("link"));
        fs::create_dir(&dir).unwrap();
        std::os::unix::fs::symlink(&dir, &link).unwrap();
        let claim = ServeLock::take(&dir).unwrap();
        let is_refused = |dir: &Path| matches!(ServeLock::take(dir), Err(StoreError::InUse { .. }));
        assert!(is_refused(&link), "through a link");
        fs::remove_file(dir.join(SERVING)).unwrap();
        assert!(is_refused(&dir), "without the file");
        fs::write(dir.join(SERVING), "").unwrap();
        assert!(is_refused(&dir), "with another file of its name");
        drop(claim);
        // A gateway of an earlier version locks only the file.
        let earlier = lock_file(&dir.join(SERVING)).unwrap();
        assert!(is_refused(&dir));
        drop(earlier);
        ServeLock::take(&link).unwrap();
    }
}
