//! The data directory: who may read it, the sealing key in it, and that only one gateway serves from it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{error::StoreError, seal::Keyring};

/// The database file.
pub const DATABASE: &str = "gangway.db";
const KEY: &str = "seal.key";
const CREDENTIAL: &str = "gangway-seal.key";
const LOCK: &str = "gangway.lock";

fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> StoreError + 'a {
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

/// The keys: from the credentials directory systemd prepared when it holds one, else from the data directory, where a
/// first start makes one.
pub(super) fn keyring(dir: &Path, credentials: Option<&Path>, database_exists: bool) -> Result<Keyring, StoreError> {
    let credential = credentials.map(|credentials| credentials.join(CREDENTIAL)).filter(|path| path.exists());
    let path = credential.unwrap_or_else(|| dir.join(KEY));
    match fs::read_to_string(&path) {
        Ok(text) => {
            let text = Zeroizing::new(text);
            Keyring::parse(&text).map_err(|reason| StoreError::KeyUnreadable { path, reason })
        }
        Err(error) if error.kind() == ErrorKind::NotFound && database_exists => Err(StoreError::KeyMissing { path }),
        Err(error) if error.kind() == ErrorKind::NotFound => write_key(&path),
        Err(source) => Err(StoreError::File { action: "read the sealing key", path, source }),
    }
}

/// Written beside and linked into place: a crash leaves the whole key or none, and of two first starts at the same
/// time both take the same key.
fn write_key(path: &Path) -> Result<Keyring, StoreError> {
    let fail = || failed("write the sealing key", path);
    let ring = Keyring::generate();
    let beside = path.with_extension(format!("new-{:08x}", rand::random::<u32>()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(fail())?;
    let written = file
        .write_all(ring.to_text().as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::hard_link(&beside, path));
    let removed = fs::remove_file(&beside);
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let text = Zeroizing::new(fs::read_to_string(path).map_err(failed("read the sealing key", path))?);
            return Keyring::parse(&text).map_err(|reason| StoreError::KeyUnreadable { path: path.to_owned(), reason });
        }
        Err(error) => return Err(fail()(error)),
    }
    removed.map_err(fail())?;
    if let Some(dir) = path.parent() {
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(fail())?;
    }
    Ok(ring)
}

/// The proof that this process is the one that serves from the directory; given back when dropped.
#[derive(Debug)]
pub struct Claim {
    _lock: File,
}

impl Claim {
    pub(super) fn take(dir: &Path) -> Result<Self, StoreError> {
        let path: PathBuf = dir.join(LOCK);
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
        keyring(&dir, None, false).unwrap();
        assert_eq!((mode(&dir), mode(&dir.join(DATABASE)), mode(&dir.join(KEY))), (0o700, 0o600, 0o600));
        fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
        prepare_directory(&dir).unwrap();
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2, "nothing else is left behind");
    }

    #[test]
    fn the_key_stays_the_same_and_is_never_made_anew_for_an_old_database() {
        let dir = tempfile::tempdir().unwrap();
        let first = keyring(dir.path(), None, false).unwrap().derive("x");
        assert_eq!(keyring(dir.path(), None, true).unwrap().derive("x"), first);
        fs::remove_file(dir.path().join(KEY)).unwrap();
        assert!(matches!(keyring(dir.path(), None, true), Err(StoreError::KeyMissing { .. })));
        fs::write(dir.path().join(KEY), "nonsense").unwrap();
        assert!(matches!(keyring(dir.path(), None, true), Err(StoreError::KeyUnreadable { .. })));
    }

    #[test]
    fn a_credential_of_systemd_comes_first() {
        let (dir, credentials) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let here = keyring(dir.path(), Some(credentials.path()), false).unwrap().derive("x");
        fs::write(credentials.path().join(CREDENTIAL), format!("7 {}\n", "cd".repeat(32))).unwrap();
        let ring = keyring(dir.path(), Some(credentials.path()), true).unwrap();
        assert_eq!(ring.current_id(), 7);
        assert_ne!(ring.derive("x"), here);
    }

    #[test]
    fn only_one_serves() {
        let dir = tempfile::tempdir().unwrap();
        let claim = Claim::take(dir.path()).unwrap();
        assert!(matches!(Claim::take(dir.path()), Err(StoreError::InUse { .. })));
        drop(claim);
        Claim::take(dir.path()).unwrap();
    }
}
