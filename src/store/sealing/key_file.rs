//! The key file: one sealing key per line, `<number> <64 hex digits>`, the newest one last. It is created at the first
//! start or provided in systemd's credentials directory.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::keyring::Keyring;
use crate::store::api::error::StoreError;

/// File name in the data directory.
pub const KEY: &str = "seal.key";
/// File name among systemd's credentials.
pub const CREDENTIAL: &str = "gangway-seal.key";

/// The path of the key file: among the credentials if it exists there, else in the data directory.
pub(in crate::store) fn place(dir: &Path, credentials: Option<&Path>) -> PathBuf {
    let credential = credentials.map(|credentials| credentials.join(CREDENTIAL)).filter(|path| path.exists());
    credential.unwrap_or_else(|| dir.join(KEY))
}

/// Loads the keys. Creates one at the first start.
pub(in crate::store) fn keyring(
    dir: &Path,
    credentials: Option<&Path>,
    database_exists: bool,
) -> Result<Keyring, StoreError> {
    let path = place(dir, credentials);
    match fs::read_to_string(&path) {
        Ok(text) => parse(&Zeroizing::new(text), path),
        Err(error) if error.kind() == ErrorKind::NotFound && database_exists => Err(StoreError::KeyMissing { path }),
        Err(error) if error.kind() == ErrorKind::NotFound => make(&path),
        Err(source) => Err(StoreError::File { action: "read the sealing key", path, source }),
    }
}

fn parse(text: &str, path: PathBuf) -> Result<Keyring, StoreError> {
    match Keyring::parse(text) {
        Ok(ring) => Ok(ring.kept_in(path)),
        Err(reason) => Err(StoreError::KeyUnreadable { path, reason }),
    }
}

/// Writes the key to a temporary file and links it into place. A crash leaves the whole key or none, and two concurrent
/// first starts use the same key.
fn make(path: &Path) -> Result<Keyring, StoreError> {
    let fail = |source| StoreError::File { action: "write the sealing key", path: path.to_owned(), source };
    let ring = Keyring::generate();
    let beside = write_beside(path, &ring.to_text()).map_err(fail)?;
    let linked = fs::hard_link(&beside, path);
    let removed = fs::remove_file(&beside);
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let text = Zeroizing::new(fs::read_to_string(path).map_err(fail)?);
            return parse(&text, path.to_owned());
        }
        Err(error) => return Err(fail(error)),
    }
    removed.and_then(|()| sync_directory(path)).map_err(fail)?;
    Ok(ring.kept_in(path.to_owned()))
}

/// Replaces the content of the key file. A crash leaves the old or the new text.
pub(in crate::store) fn replace(path: &Path, text: &str) -> Result<(), StoreError> {
    let written = write_beside(path, text).and_then(|beside| {
        let moved = fs::rename(&beside, path);
        if moved.is_err() {
            let _ = fs::remove_file(&beside);
        }
        moved.and_then(|()| sync_directory(path))
    });
    written.map_err(|source| StoreError::File { action: "write the sealing key", path: path.to_owned(), source })
}

fn write_beside(path: &Path, text: &str) -> std::io::Result<PathBuf> {
    let beside = path.with_extension(format!("new-{:08x}", rand::random::<u32>()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written.map(|()| beside)
}

fn sync_directory(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

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
        assert_eq!(ring.sealing_id(), 7);
        assert_ne!(ring.derive("x"), here);
    }

    #[test]
    fn another_text_takes_the_place_of_the_old_one_with_nothing_left_beside() {
        let dir = tempfile::tempdir().unwrap();
        let ring = keyring(dir.path(), None, false).unwrap();
        let (_, text) = ring.with_a_fresh_key().unwrap();
        let path = dir.path().join(KEY);
        replace(&path, &text).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), *text);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
