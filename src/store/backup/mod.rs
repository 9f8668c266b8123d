//! Backup and restore: one file with the whole database and its key, which is wrapped with a passphrase.

mod archive;
mod invalidate;
pub use self::invalidate::RESTORED;
mod install;
mod passphrase_key;
mod restore;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use gangway_base::secret::Secret;

pub(super) use self::install::is_unfinished;
pub use self::{
    archive::{Contents, Damage},
    restore::{Restore, RestoreError, Restored, finish as finish_restoration},
};
use super::{
    Store,
    api::error::StoreError,
    files::failed,
    sqlite::{self, CopiedRecords},
};

/// Minimum length of a passphrase, in characters.
pub const PASSPHRASE_LEAST: usize = 12;

/// Progress of a backup or restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The database is being copied.
    Copying,
    /// This many bytes of the total have been written or read.
    Bytes(u64, u64),
    /// The data read is being verified.
    Checking,
    /// Obsolete parts have been invalidated in this many phones of the total.
    Phones(u64, u64),
}

impl Store {
    /// Writes a backup to the new file `to` (mode 0600) while the gateway runs. The file is complete or does not exist.
    ///
    /// # Errors
    /// When `to` exists or cannot be written, or the database is damaged.
    pub async fn back_up(
        &self,
        to: &Path,
        passphrase: &Secret,
        mut progress: impl FnMut(Progress),
    ) -> Result<Contents, StoreError> {
        if to.exists() {
            let source = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(StoreError::File { action: "write the backup", path: to.to_owned(), source });
        }
        let beside = |ending: &str| Beside::of(to, ending);
        let (copied, partial) = (beside("copy"), beside("partial"));
        progress(Progress::Copying);
        let CopiedRecords { phones, instances } = self.database.copy_to(&copied.0).await?;
        let contents = archive::Contents {
            made: self.database.now(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            schema: sqlite::newest_schema(),
            phones,
            instances,
        };
        let key = self.database.keyring().to_text();
        let written = write(&copied.0, &partial.0, &contents, &key, passphrase, &mut progress);
        written.map_err(failed("write the backup", to))?;
        // A hard link does not overwrite a file that was created meanwhile.
        fs::hard_link(&partial.0, to).map_err(failed("write the backup", to))?;
        let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|dir| dir.sync_all()).map_err(failed("write the backup", to))?;
        Ok(contents)
    }
}

/// Assembles the archive.
fn write(
    database: &Path,
    to: &Path,
    contents: &Contents,
    key: &str,
    passphrase: &Secret,
    progress: &mut impl FnMut(Progress),
) -> io::Result<()> {
    let (bytes, digest) = archive::digest(&mut BufReader::new(File::open(database)?))?;
    let head = archive::head(contents, bytes, &digest, key, passphrase).map_err(io::Error::other)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let mut out = BufWriter::new(&file);
    out.write_all(head.as_bytes())?;
    let mut source = File::open(database)?;
    let mut portion = vec![0; 256 * 1024];
    let mut done = 0;
    loop {
        let read = source.read(&mut portion)?;
        if read == 0 {
            break;
        }
        out.write_all(&portion[..read])?;
        done += read as u64;
        progress(Progress::Bytes(done, bytes));
    }
    out.flush()?;
    drop(out);
    file.sync_all()
}

/// A temporary file beside another one. It is removed on drop.
struct Beside(PathBuf);

impl Beside {
    fn of(path: &Path, ending: &str) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self(path.with_file_name(format!(".{name}.{:08x}.{ending}", rand::random::<u32>())))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests;
