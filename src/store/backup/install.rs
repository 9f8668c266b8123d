//! Moves restored files into place. Once `restored/` exists with all its files, the restore is final: after a crash,
//! moving is repeated until it completes. The previous files are kept in a separate directory.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use crate::store::{DATABASE, api::error::StoreError, files::failed, sealing::key_file::KEY, snapshots};

/// The directory of restored files that are not moved yet.
const DECIDED: &str = "restored";
/// File inside [`DECIDED`] with the name of the directory for the previous files.
const ASIDE: &str = "aside";

/// Whether a restore into `dir` was started and has not completed.
#[must_use]
pub(in crate::store) fn is_unfinished(dir: &Path) -> bool {
    dir.join(DECIDED).exists()
}

/// Commits to the files in `ready` (database and key) and moves them into place. The previous files are moved to the
/// directory `aside` in the data directory.
pub(super) fn swap(dir: &Path, ready: &Path, aside: &str) -> Result<(), StoreError> {
    let fail = || failed("put the restored files into", dir);
    fs::write(ready.join(ASIDE), aside).map_err(fail())?;
    File::open(ready).and_then(|ready| ready.sync_all()).map_err(fail())?;
    fs::rename(ready, dir.join(DECIDED)).and_then(|()| sync(dir)).map_err(fail())?;
    finish(dir).map(drop)
}

/// Moves the remaining files. Returns where the previous files are now, if there were any.
pub(super) fn finish(dir: &Path) -> Result<Option<PathBuf>, StoreError> {
    let fail = || failed("put the restored files into", dir);
    let decided = dir.join(DECIDED);
    let aside = dir.join(fs::read_to_string(decided.join(ASIDE)).map_err(fail())?);
    let put_aside = |name: &str| -> io::Result<()> {
        let there = dir.join(name);
        if !there.exists() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&aside)?;
        fs::rename(there, aside.join(name))
    };
    let moving = || -> io::Result<()> {
        // The database is moved last. Until then all files in place are the old ones.
        if decided.join(DATABASE).exists() {
            for name in [format!("{DATABASE}-wal"), format!("{DATABASE}-shm"), DATABASE.to_owned()] {
                put_aside(&name)?;
            }
            if decided.join(KEY).exists() {
                // The old copies can be unsealed only with the old key.
                put_aside(snapshots::DIRECTORY)?;
                put_aside(KEY)?;
                fs::rename(decided.join(KEY), dir.join(KEY))?;
            }
            sync(dir)?;
            fs::rename(decided.join(DATABASE), dir.join(DATABASE))?;
            sync(dir)?;
        }
        fs::remove_dir_all(&decided)?;
        sync(dir)
    };
    moving().map_err(fail())?;
    Ok(aside.exists().then_some(aside))
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory in use, and files to replace its content.
    fn prepared() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        for name in ["gangway.db", "gangway.db-wal", "seal.key"] {
            fs::write(dir.path().join(name), "old").unwrap();
        }
        let ready = dir.path().join("restoring");
        fs::create_dir(&ready).unwrap();
        for name in [DATABASE, KEY] {
            fs::write(ready.join(name), "new").unwrap();
        }
        (dir, ready)
    }

    fn assert_swapped(dir: &Path) {
        let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
        assert_eq!((read(DATABASE), read(KEY)), ("new".into(), "new".into()));
        assert!(!dir.join("gangway.db-wal").exists(), "a log of the old database would be played into the new one");
        for name in ["gangway.db", "gangway.db-wal", "seal.key"] {
            assert_eq!(read(&format!("replaced/{name}")), "old", "{name}");
        }
        assert!(!is_unfinished(dir));
    }

    #[test]
    fn new_files_take_the_place_and_old_ones_are_kept() {
        let (dir, ready) = prepared();
        swap(dir.path(), &ready, "replaced").unwrap();
        assert_swapped(dir.path());
    }

    /// The process may die after any move; the next one continues.
    #[test]
    fn a_swap_that_died_anywhere_is_finished() {
        let moves: &[(&str, &str)] = &[
            ("gangway.db-wal", "replaced/gangway.db-wal"),
            ("gangway.db", "replaced/gangway.db"),
            ("seal.key", "replaced/seal.key"),
            ("restored/seal.key", "seal.key"),
            ("restored/gangway.db", "gangway.db"),
        ];
        for died_after in 0..=moves.len() {
            let (dir, ready) = prepared();
            fs::write(ready.join(ASIDE), "replaced").unwrap();
            fs::rename(&ready, dir.path().join(DECIDED)).unwrap();
            fs::create_dir(dir.path().join("replaced")).unwrap();
            for (from, to) in &moves[..died_after] {
                fs::rename(dir.path().join(from), dir.path().join(to)).unwrap();
            }
            assert!(is_unfinished(dir.path()));
            finish(dir.path()).unwrap();
            assert_swapped(dir.path());
        }
    }
}
