//! Configuration errors. All errors are reported at once.

use std::{fmt, path::PathBuf};

/// One configuration error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{file}: {reason}; `gangway --help` tells how to name another file")]
    File {
        /// Path of the file.
        file: PathBuf,
        /// The operating system's error.
        reason: String,
    },
    /// The file is not valid TOML, or one of its keys is unknown or has the wrong type.
    #[error("{file}: {reason}")]
    Content {
        /// Path of the file.
        file: PathBuf,
        /// The problem and its position in the file.
        reason: String,
    },
    /// An environment variable refers to an unknown key or has an invalid value.
    #[error("environment {variable}: {reason}")]
    Variable {
        /// Name of the variable.
        variable: String,
        /// What is wrong.
        reason: String,
    },
    /// A value is invalid, alone or in combination with another one.
    #[error("{place}: {key}: {reason}")]
    Value {
        /// The file, the variable, or "the configuration".
        place: String,
        /// The key, `section.key`.
        key: String,
        /// What is wrong and how to fix it.
        reason: String,
    },
}

/// All configuration errors.
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
