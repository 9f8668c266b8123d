//! `[cache]`

use serde::{Deserialize, Serialize};

/// Rendered files kept in memory.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheConfig {
    /// MiB at most.
    pub mib: usize,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { mib: 64 }
    }
}
