//! The `[cache]` section of the configuration.

use serde::{Deserialize, Serialize};

/// The in-memory cache of rendered files.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheConfig {
    /// Maximum size in MiB.
    pub mib: usize,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { mib: 64 }
    }
}
