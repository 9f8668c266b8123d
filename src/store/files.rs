//! The data directory: who may read it, and that only one gateway serves from it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::error::StoreError;

/// The database file.
pub const DATABASE: &str = "gangway.db";
/// Held by the gateway that serves.
const SERVING: &str = "gangway.lock";
/// Held by whoever changes the keys.
const ROTATING: &str = "rotation.lock";

pub(super) fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> StoreError + 'a {
    move |source| StoreError::File { action, path: path.to_owned(), source }
}

/// Makes the directory, readable by its owner alone.
pub(super) fn prepare_directory(dir: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed("create the data directory", dir))?;
    restrict(dir, 0o700)
}

/// Makes the database file, so that SQLite (and the files it puts beside it) inherit its mode.
/// Returns whether it was there before, with anything in it.
pub(super) fn prepare_database(dir: &Path) -> Result<bool, StoreError> {
    let path = dir.join(DATABASE);
    let file = match OpenOptions::new().create(true).append(true).mode(0o600).open(&path) {
        // On a file system mounted for reading it can still be read.
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => File::open(&path),
        opened => opened,
    };
    let file = file.map_err(failed("open the database", &path))?;
    restrict(&path, 0o600)?;
    Ok(file.metadata().map_err(failed("look at the database", &path))?.len() > 0)
}

fn restrict(path: &Path, mode: u32) -> Result<(), StoreError> {
    let found = fs::metadata(path).map_err(failed("look at", path))?.permissions().mode() & 0o777;
    if found & !mode == 0 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed("restrict the access to", path))
}

/// The proof that this process is the one that serves from the directory, or changes its keys; given back when dropped.
#[derive(Debug)]
pub struct Claim {
    _lock: File,
}

impl Claim {
    /// For serving.
    pub(super) fn take(dir: &Path) -> Result<Self, StoreError> {
        Self::lock(dir.join(SERVING))
    }

    /// For changing the keys.
    pub(super) fn for_rotation(dir: &Path) -> Result<Self, StoreError> {
        Self::lock(dir.join(ROTATING)).map_err(|error| match error {
            StoreError::InUse { .. } => StoreError::Rotating,
            other => other,
        })
    }

    fn lock(path: PathBuf) -> Result<Self, StoreError> {
        let file = match OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path) {
            Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => File::open(&path),
            opened => opened,
        };
        let file = file.map_err(failed("open the lock file", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _lock: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path }),
            Err(TryLockError::Error(source)) => Err(StoreError::File { action: "lock", path, source }),
        }
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
        super::super::key_file::keyring(&dir, None, false).unwrap();
        let key = dir.join(super::super::key_file::KEY);
        assert_eq!((mode(&dir), mode(&dir.join(DATABASE)), mode(&key)), (0o700, 0o600, 0o600));
        fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
        prepare_directory(&dir).unwrap();
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2, "nothing else is left behind");
    }

    #[test]
    fn only_one_serves() {
        let dir = tempfile::tempdir().unwrap();
        let claim = Claim::take(dir.path()).unwrap();
        assert!(matches!(Claim::take(dir.path()), Err(StoreError::InUse { .. })));
        Claim::for_rotation(dir.path()).unwrap();
        drop(claim);
        Claim::take(dir.path()).unwrap();
    }
}
