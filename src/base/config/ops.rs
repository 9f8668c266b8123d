//! The `[ops]` section of the configuration.

use serde::{Deserialize, Serialize};

/// The administrator's listener: `/metrics`, `/readyz`, `/healthz`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpsConfig {
    /// Addresses `host:port`; a string or a list, empty = none.
    #[serde(deserialize_with = "super::list::one_or_many")]
    pub listen: Vec<String>,
}

impl Default for OpsConfig {
    fn default() -> Self {
        Self { listen: vec!["127.0.0.1:8081".to_owned()] }
    }
}
