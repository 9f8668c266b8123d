//! Restores a backup: everything is prepared and verified in a staging directory before it is moved into place.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{BufReader, BufWriter, Read},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use gangway_base::{clock::SharedClock, secret::Secret, tasks::Tasks};
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{
    Contents, Damage, Progress,
    archive::{self, Opened},
    install,
    invalidate::quieten,
};
use crate::store::{
    DATABASE, Store,
    api::error::StoreError,
    files::{self, ServeLock, failed},
    sealing::{
        key_file::{self, CREDENTIAL, KEY},
        keyring::Keyring,
    },
    sqlite,
    staging::Staging,
};

/// The staging directory.
const STAGING: &str = "restoring";

/// What to restore, and where.
pub struct Restore<'a> {
    /// A backup or an automatic copy.
    pub file: &'a Path,
    /// The data directory; created if missing.
    pub dir: &'a Path,
    /// Directory of systemd's credentials, if there is one.
    pub credentials: Option<&'a Path>,
    /// Replace an existing database. The previous one is kept in a separate directory.
    pub replace: bool,
    /// Who restores; written to the audit.
    pub by: String,
    /// The time.
    pub clock: SharedClock,
}

/// The result of a restore.
#[derive(Debug)]
pub struct Restored {
    /// The contents according to the backup's head; `None` for an automatic copy.
    pub contents: Option<Contents>,
    /// Number of phones restored.
    pub phones: usize,
    /// Number of API tokens deleted: some may have been revoked since the backup.
    pub tokens: u64,
    /// When the backup was made.
    pub made: Timestamp,
    /// Where the previous files are.
    pub aside: Option<PathBuf>,
    /// A systemd credential has another key than the backup. The gateway does not start until the credential has the
    /// key that is now in the data directory.
    pub credential_differs: bool,
}

/// Why nothing was restored. Existing files are unchanged.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file cannot be restored.
    #[error("{} cannot be restored: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        source: Damage,
    },
    /// The directory has a database already.
    #[error(
        "{} holds a database already: restore into another directory (--dir), or say --replace; then what is there is kept \
         beside",
        dir.display()
    )]
    Occupied {
        /// The data directory.
        dir: PathBuf,
    },
    /// Some phones cannot be unsealed.
    #[error("{damaged} of {phones} phones in the backup do not open: use another backup, nothing was restored")]
    Phones {
        /// Number of unreadable phones.
        damaged: usize,
        /// Number of phones in the backup.
        phones: usize,
    },
    /// The passphrase was not given.
    #[error("{0}")]
    Passphrase(String),
    /// The database could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Restore<'_> {
    /// Restores the file. `passphrase` is called only for a backup that needs one.
    ///
    /// # Errors
    /// See [`RestoreError`]; existing files are unchanged then.
    pub async fn carry_out(
        &self,
        passphrase: impl FnOnce() -> Result<Secret, String>,
        mut progress: impl FnMut(Progress),
    ) -> Result<Restored, RestoreError> {
        files::prepare_directory(self.dir)?;
        let (_serving, _keys) = (ServeLock::take(self.dir)?, ServeLock::for_rotation(self.dir)?);
        let there = self.dir.join(DATABASE);
        if !self.replace && fs::metadata(&there).is_ok_and(|there| there.len() > 0) {
            return Err(RestoreError::Occupied { dir: self.dir.to_owned() });
        }
        let staging = Staging::make(self.dir, STAGING)?;
        let (contents, made) = self.unpack(staging.path(), passphrase, &mut progress)?;
        progress(Progress::Checking);
        sqlite::verify(&staging.path().join(DATABASE), &key_file::keyring(staging.path(), None, true)?).await?;
        let (phones, tokens) = self.quieten(staging.path(), made, &mut progress).await?;
        let ready = staging.path().join("ready");
        let bare = contents.is_none();
        if !bare {
            fs::rename(staging.path().join(KEY), ready.join(KEY)).map_err(failed("move the key to", &ready))?;
        }
        let now = self.clock.now();
        let aside = format!("replaced-{}", now.strftime("%Y-%m-%dT%H-%M-%SZ"));
        let credential_differs = !bare && self.credential_differs(&ready.join(KEY));
        install::swap(self.dir, &ready, &aside)?;
        let aside = Some(self.dir.join(aside)).filter(|aside| aside.exists());
        Ok(Restored { contents, phones, tokens, made, aside, credential_differs })
    }

    /// Puts database and key into `staging`. Returns the contents according to the backup's head and when it was made.
    fn unpack(
        &self,
        staging: &Path,
        passphrase: impl FnOnce() -> Result<Secret, String>,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(Option<Contents>, Timestamp), RestoreError> {
        let bad = |source: Damage| RestoreError::File { file: self.file.to_owned(), source };
        let file = File::open(self.file).map_err(|error| bad(error.into()))?;
        let metadata = file.metadata().map_err(|error| bad(error.into()))?;
        let database = staging.join(DATABASE);
        let out = || private(&database).map_err(|error| bad(error.into()));
        match archive::open(BufReader::new(file)).map_err(bad)? {
            Opened::Backup(mut archive) => {
                archive
                    .extract(BufWriter::new(out()?), |done, all| progress(Progress::Bytes(done, all)))
                    .map_err(bad)?;
                let passphrase = passphrase().map_err(RestoreError::Passphrase)?;
                let key = archive.key_file(&passphrase).map_err(bad)?;
                write_key(staging, &key)?;
                Ok((Some(archive.contents().clone()), archive.contents().made))
            }
            Opened::Database(mut bare) => {
                std::io::copy(&mut bare.by_ref(), &mut out()?).map_err(|error| bad(error.into()))?;
                let path = key_file::place(self.dir, self.credentials);
                let key = fs::read_to_string(&path).map_err(|_error| StoreError::KeyMissing { path })?;
                write_key(staging, &Zeroizing::new(key))?;
                let made = metadata.modified().ok().and_then(|at| Timestamp::try_from(at).ok());
                Ok((None, made.unwrap_or_else(|| self.clock.now())))
            }
        }
    }

    /// Invalidates obsolete parts of the records, and leaves the result below `staging/ready`.
    async fn quieten(
        &self,
        staging: &Path,
        made: Timestamp,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(usize, u64), RestoreError> {
        let tasks = Tasks::new();
        let store = Store::open_with(staging, None, self.clock.clone(), &tasks).await?;
        let phones = store.phones().all();
        let rows = store.database.begin_restore().await?;
        let rows = usize::try_from(rows).unwrap_or_default();
        if rows != phones.len() {
            return Err(RestoreError::Phones { damaged: rows.saturating_sub(phones.len()), phones: rows });
        }
        let now = self.clock.now();
        for (done, phone) in phones.iter().enumerate() {
            store.phones().change(phone.id, |phone, events| quieten(phone, made, now, events)).await?;
            progress(Progress::Phones(done as u64 + 1, rows as u64));
        }
        // A token that was revoked since the backup would become valid again.
        let tokens = store.database.delete_tokens().await?;
        let file = self.file.display();
        store.audit_log().add_everywhere(&self.by, &format!("restore {file}, a backup of {made:.0}")).await?;
        store.database.is_restored(made).await?;
        let ready = staging.join("ready");
        DirBuilder::new().mode(0o700).create(&ready).map_err(failed("create the directory", &ready))?;
        let copied = store.database.copy_to(&ready.join(DATABASE)).await;
        tasks.finish(Duration::from_secs(10)).await;
        copied?;
        Ok((rows, tokens))
    }

    fn credential_differs(&self, key: &Path) -> bool {
        let Some(credential) = self.credentials.map(|dir| dir.join(CREDENTIAL)).filter(|path| path.exists()) else {
            return false;
        };
        let ring = |path: &Path| Keyring::parse(&Zeroizing::new(fs::read_to_string(path).ok()?)).ok();
        match (ring(key), ring(&credential)) {
            (Some(restored), Some(there)) => restored.derive("same key") != there.derive("same key"),
            _ => true,
        }
    }
}

/// Completes a restore that was interrupted. Returns false when there is none.
///
/// # Errors
/// When a gateway serves from the directory, or files cannot be moved.
pub fn finish(dir: &Path) -> Result<bool, StoreError> {
    if !install::is_unfinished(dir) {
        return Ok(false);
    }
    let _alone = ServeLock::take(dir)?;
    install::finish(dir).map(|_aside| true)
}

fn private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn write_key(staging: &Path, text: &str) -> Result<(), StoreError> {
    let path = staging.join(KEY);
    key_file::replace(&path, text)
}
