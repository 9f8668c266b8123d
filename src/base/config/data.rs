//! `[data]`

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where everything is kept.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Directory of database and sealing key; made with mode 0700. Relative to the working directory.
    pub dir: PathBuf,
    /// How many daily copies of the database are kept in `backups/` below it; 0 = none are made.
    pub copies: usize,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { dir: "data".into(), copies: 7 }
    }
}
