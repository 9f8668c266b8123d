//! What became of a loss of the database files.

use std::path::PathBuf;

use jiff::Timestamp;

use super::loss::Loss;

/// A loss that the gateway repaired itself. An administrator should still find its cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryResult {
    /// When the loss was noticed.
    pub at: Timestamp,
    /// What happened to the files.
    pub loss: Loss,
    /// The copy that was put in the place of the database.
    pub copy: PathBuf,
    /// Where the remains of the previous files are.
    pub aside: PathBuf,
    /// The file could not be read any more: timelines, histories and the audit are those of the previous copy.
    pub is_from_memory: bool,
}

impl RecoveryResult {
    /// The result as a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let kept = match self.is_from_memory {
            false => "Nothing was lost: everything committed until then",
            true => {
                "It could not be read any more. Everything gangway holds in memory (phones, settings, tokens), with time \
                 lines, histories and audit as of the newest copy,"
            }
        };
        format!(
            "{} ({:.0}). {kept} is in {} and was put in its place; remains of the earlier files are in {}. Find out who did \
             it",
            self.loss,
            self.at,
            self.copy.display(),
            self.aside.display()
        )
    }
}
