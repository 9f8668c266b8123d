//! Automatic copies below `backups/` in the data directory: one a day, one before every change of the schema, and one
//! when the database files are lost while the gateway runs. The key of the data directory unseals them. They protect
//! against damage and mistakes; protection against a lost disk needs a backup elsewhere.

use std::{
    fs,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::api::error::StoreError;

/// The directory of the copies.
pub const DIRECTORY: &str = "backups";
/// Time format at the start of the names.
pub(in crate::store) const TIME: &str = "%Y-%m-%dT%H-%M-%SZ";

/// The copies in `dir`, newest last. Files whose name does not start with a time are ignored.
#[must_use]
pub fn list(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join(DIRECTORY)).into_iter().flatten().flatten();
    let copies = entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|kind| kind == "db"));
    // Ignore other files.
    let mut copies: Vec<_> =
        copies.filter(|path| path.is_file()).filter_map(|path| Some((made(&path)?, path))).collect();
    copies.sort();
    copies.into_iter().map(|(_, path)| path).collect()
}

impl StoreError {
    /// Adds the path of the newest copy in the data directory if the error is [`StoreError::Corrupt`].
    #[must_use]
    pub(in crate::store) fn with_copy_in(mut self, dir: &Path) -> Self {
        if let Self::Corrupt { copy, .. } = &mut self {
            *copy = list(dir).pop();
        }
        self
    }
}

/// When a copy was made, according to its name.
#[must_use]
pub(in crate::store) fn made(copy: &Path) -> Option<Timestamp> {
    let name = copy.file_name()?.to_str()?;
    let end = name.find('Z')?;
    let time = jiff::civil::DateTime::strptime("%Y-%m-%dT%H-%M-%S", name.get(..end)?).ok()?;
    time.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|time| time.timestamp())
}
