//! A directory in which files are prepared before they are moved into place.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::{api::error::StoreError, files::failed};

/// The directory. Dropping this value removes it.
pub(super) struct Staging(PathBuf);

impl Staging {
    /// Creates an empty directory in `dir`, readable only by the owner. Removes one left over from a crash first.
    pub(super) fn make(dir: &Path, name: &str) -> Result<Self, StoreError> {
        let path = dir.join(name);
        if path.exists() {
            fs::remove_dir_all(&path).map_err(failed("remove", &path))?;
        }
        DirBuilder::new().mode(0o700).create(&path).map_err(failed("create the directory", &path))?;
        Ok(Self(path))
    }

    /// The path of the directory.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
