//! `[https]`

use std::path::PathBuf;

use serde::Deserialize;

/// TLS listeners.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpsConfig {
    /// Addresses `host:port`; a text or a list, empty = none.
    #[serde(deserialize_with = "super::list::one_or_many")]
    pub listen: Vec<String>,
    /// PEM chain, the server's certificate first.
    pub certificate: PathBuf,
    /// Its PEM key.
    pub key: PathBuf,
    /// Extra directory of PEM CAs per vendor whose factory certificates are believed; empty = none.
    pub client_ca: PathBuf,
}

impl Default for HttpsConfig {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            certificate: "tls/fullchain.pem".into(),
            key: "tls/key.pem".into(),
            client_ca: PathBuf::new(),
        }
    }
}
