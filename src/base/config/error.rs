//! What can be wrong with a configuration. All findings are told at once.

use std::{fmt, path::PathBuf};

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{file}: {reason}; `gangway --help` tells how to name another file")]
    File {
        /// Which.
        file: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// The file is no TOML, or a key of it is unknown or has the wrong type.
    #[error("{file}: {reason}")]
    Content {
        /// Which.
        file: PathBuf,
        /// What and where in it.
        reason: String,
    },
    /// An environment variable names an unknown key or has a wrong value.
    #[error("environment {variable}: {reason}")]
    Variable {
        /// Which.
        variable: String,
        /// What is wrong.
        reason: String,
    },
    /// A value that does not work, alone or with another.
    #[error("{place}: {key}: {reason}")]
    Value {
        /// The file, the variable, or "the configuration".
        place: String,
        /// The key, `section.key`.
        key: String,
        /// What is wrong and what to write.
        reason: String,
    },
}

/// Everything that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}
