//! The format of a backup file:
//!
//! ```text
//! gangway backup 1
//! {"made":"...","program":"...","schema":2,"phones":3,"instances":["..."],"bytes":4096,"sha256":"...","stretching":{...}}
//! base64 of nonce and wrapped key file; the two lines above are authenticated with it
//! the SQLite database, to the end of the file
//! ```
//!
//! The second line has the digest of the database. Without the passphrase nothing can be changed unnoticed.

use std::io::{self, BufRead, Read, Write};

use data_encoding::HEXLOWER;
use gangway_base::secret::Secret;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::passphrase_key::Stretching;

const FIRST: &str = "gangway backup 1\n";
/// The first bytes of every backup, of any version.
const ANY: &[u8] = b"gangway backup ";
/// The first bytes of an SQLite database.
const SQLITE: &[u8] = b"SQLite format 3\0";
/// Maximum length of a line of the head, in bytes.
const LINE: u64 = 1024 * 1024;

/// Description of a backup's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// When it was made.
    pub made: Timestamp,
    /// The version of gangway that made it.
    pub program: String,
    /// The schema of the database.
    pub schema: i64,
    /// Records of phones, tombstones included.
    pub phones: u64,
    /// `DOMAIN/NAME` of every instance.
    pub instances: Vec<String>,
}

/// The second line of the file.
#[derive(Serialize, Deserialize)]
struct Head {
    #[serde(flatten)]
    contents: Contents,
    bytes: u64,
    sha256: String,
    stretching: Stretching,
}

/// Why a file cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The file is not a backup.
    #[error("it is no backup of gangway")]
    Foreign,
    /// The backup has a later format version.
    #[error("a later version of gangway made it: restore it with that version")]
    Newer,
    /// The head cannot be read.
    #[error("its head is damaged: use another backup")]
    Head,
    /// The file is truncated.
    #[error("it ends after {found} of {wanted} bytes of the database: it was not copied completely, fetch it again")]
    Short {
        /// Number of bytes found.
        found: u64,
        /// Number of bytes expected.
        wanted: u64,
    },
    /// The content was altered, or data follows after its end.
    #[error("its checksum is wrong: it was damaged on the way or on the disk, use another copy")]
    Checksum,
    /// The wrapped key cannot be opened.
    #[error("the passphrase is wrong, or somebody changed the head of the file")]
    Passphrase,
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// The length and the SHA-256 digest.
pub(super) fn digest(from: &mut impl Read) -> io::Result<(u64, String)> {
    let mut counted = Counted::new(io::sink(), |_| ());
    io::copy(from, &mut counted)?;
    Ok(counted.finish())
}

/// Formats the lines before the database.
pub(super) fn head(
    contents: &Contents,
    bytes: u64,
    sha256: &str,
    key_file: &str,
    passphrase: &Secret,
) -> Result<String, &'static str> {
    let stretching = Stretching::fresh();
    let head = Head { contents: contents.clone(), bytes, sha256: sha256.to_owned(), stretching };
    let json = serde_json::to_string(&head).map_err(|_error| "the head cannot be written")?;
    let text = format!("{FIRST}{json}\n");
    let wrapped = head.stretching.wrap(passphrase, text.as_bytes(), key_file).ok_or("the key cannot be wrapped")?;
    Ok(format!("{text}{wrapped}\n"))
}

/// A file whose type has been detected.
pub(super) enum Opened<R> {
    /// A backup.
    Backup(Box<Archive<R>>),
    /// A plain database: an automatic copy.
    Database(R),
}

/// A backup whose head has been read.
pub(super) struct Archive<R> {
    head: Head,
    authenticated: String,
    wrapped: String,
    from: R,
}

/// Reads the start of the file.
pub(super) fn open<R: BufRead>(mut from: R) -> Result<Opened<R>, Damage> {
    let begins = from.fill_buf()?;
    if begins.starts_with(SQLITE) {
        return Ok(Opened::Database(from));
    }
    if !begins.starts_with(ANY) {
        return Err(Damage::Foreign);
    }
    if !begins.starts_with(FIRST.as_bytes()) {
        return Err(Damage::Newer);
    }
    let mut line = || -> Result<String, Damage> {
        let mut line = Vec::new();
        from.by_ref().take(LINE).read_until(b'\n', &mut line)?;
        match String::from_utf8(line) {
            Ok(line) if line.ends_with('\n') => Ok(line),
            _ => Err(Damage::Head),
        }
    };
    let (first, second, wrapped) = (line()?, line()?, line()?);
    let head: Head = serde_json::from_str(&second).map_err(|_error| Damage::Head)?;
    let archive = Archive { head, authenticated: first + &second, wrapped: wrapped.trim_end().to_owned(), from };
    Ok(Opened::Backup(Box::new(archive)))
}

impl<R: Read> Archive<R> {
    /// The content according to the head. Not authenticated before [`Archive::key_file`] succeeds.
    pub(super) fn contents(&self) -> &Contents {
        &self.head.contents
    }

    /// The text of the key file.
    pub(super) fn key_file(&self, passphrase: &Secret) -> Result<Zeroizing<String>, Damage> {
        let opened = self.head.stretching.unwrap(passphrase, self.authenticated.as_bytes(), &self.wrapped);
        opened.ok_or(Damage::Passphrase)
    }

    /// Writes the database to `to` and compares it with the head.
    pub(super) fn extract(&mut self, to: impl Write, mut progress: impl FnMut(u64, u64)) -> Result<(), Damage> {
        let wanted = self.head.bytes;
        let mut counted = Counted::new(to, |done| progress(done, wanted));
        // Reading one more byte shows whether data follows.
        io::copy(&mut self.from.by_ref().take(wanted.saturating_add(1)), &mut counted)?;
        counted.flush()?;
        let (found, sha256) = counted.finish();
        if found < wanted {
            return Err(Damage::Short { found, wanted });
        }
        if found > wanted || sha256 != self.head.sha256 { Err(Damage::Checksum) } else { Ok(()) }
    }
}

/// Forwards bytes, counting and digesting them.
struct Counted<W, F> {
    to: W,
    tell: F,
    count: u64,
    digest: Sha256,
}

impl<W: Write, F: FnMut(u64)> Counted<W, F> {
    fn new(to: W, tell: F) -> Self {
        Self { to, tell, count: 0, digest: Sha256::new() }
    }

    fn finish(self) -> (u64, String) {
        (self.count, HEXLOWER.encode(&self.digest.finalize()))
    }
}

impl<W: Write, F: FnMut(u64)> Write for Counted<W, F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.to.write(bytes)?;
        self.digest.update(&bytes[..taken]);
        self.count += taken as u64;
        (self.tell)(self.count);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
