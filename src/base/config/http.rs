//! The `[http]` section of the configuration.

use serde::{Deserialize, Serialize};

/// Plain HTTP listeners for PBXs, phones and browsers (usually behind a reverse proxy).
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Addresses `host:port`; a string or a list, empty = none.
    #[serde(deserialize_with = "super::list::one_or_many")]
    pub listen: Vec<String>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { listen: vec!["127.0.0.1:8080".to_owned()] }
    }
}
