//! The `[data]` section of the configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where all data is stored.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Directory of the database and the sealing key; created with mode 0700. Relative to the working directory.
    pub dir: PathBuf,
    /// Number of daily database snapshots kept in its subdirectory `backups/`; 0 = no snapshots.
    pub copies: usize,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { dir: "data".into(), copies: 7 }
    }
}
