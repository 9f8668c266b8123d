//! The `[vendors]` section of the configuration.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Custom vendor folders and templates.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct VendorsConfig {
    /// Directory with `vendors/` and `templates/` whose files replace or extend the built-in ones; empty = none.
    pub dir: PathBuf,
}

impl VendorsConfig {
    /// The directory, if configured.
    #[must_use]
    pub fn overrides(&self) -> Option<&Path> {
        (!self.dir.as_os_str().is_empty()).then_some(self.dir.as_path())
    }
}
