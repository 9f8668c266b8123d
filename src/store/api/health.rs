//! Whether the database can be read and written.

use std::path::{Path, PathBuf};

use super::{error::named, loss::Loss};

/// The health of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Health {
    /// The database can be read and written.
    #[default]
    Healthy,
    /// Read-only: the database could not be opened for writing, for this reason. The gateway retries automatically.
    ReadingOnly(String),
    /// The file is damaged. If the damage was found at startup, nothing is written any more.
    Damaged {
        /// What was found.
        what: String,
        /// The newest copy of the database in the data directory.
        copy: Option<PathBuf>,
    },
    /// The files at the paths are not the files that are open. Nothing is written until they match again.
    Lost {
        /// What happened to the files.
        loss: Loss,
        /// The copy of everything committed before the loss.
        copy: Option<PathBuf>,
    },
}

impl Health {
    /// What the administrator has to know and do.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        match self {
            Self::Healthy => None,
            Self::ReadingOnly(why) => Some(format!(
                "{why}. Phones are served as they were when this was written last; nothing new is kept. It is tried \
                 again every ten seconds"
            )),
            Self::Damaged { what, copy } => Some(format!(
                "the database is damaged ({what}). Phones are served with what can be read; stop gangway, keep the files \
                 gangway.db* for inspection and restore the last backup{}",
                named(copy.as_deref())
            )),
            Self::Lost { loss, copy } => Some(lost(*loss, copy.as_deref())),
        }
    }
}

fn lost(loss: Loss, copy: Option<&Path>) -> String {
    let kept = match copy {
        Some(copy) => format!("Everything committed until then is in {}. ", copy.display()),
        None => "What was committed until then is in the memory of this process alone: do not stop it. ".to_owned(),
    };
    let cure = match (loss, copy) {
        (Loss::Replaced, Some(copy)) => format!(
            "If the file was put there on purpose, restart gangway. If not, stop gangway and call `gangway restore {} \
             --replace`",
            copy.display()
        ),
        (Loss::Directory, _) => "Put the directory back where it was; gangway then goes on by itself".to_owned(),
        _ => "The copy is put in its place as soon as that is possible; the log says what is in the way".to_owned(),
    };
    format!("{loss}. Phones are served from memory; no change is taken. {kept}{cure}")
}
