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
    /// PEM chain, the server's certificate first; a text or a list. Of several pairs the first is shown whose key the
    /// client can verify: list P-256 first and RSA after it for old phones.
    #[serde(deserialize_with = "super::list::one_or_many")]
    pub certificate: Vec<PathBuf>,
    /// Its PEM key; as many as certificates, in the same order.
    #[serde(deserialize_with = "super::list::one_or_many")]
    pub key: Vec<PathBuf>,
    /// Extra directory of PEM CAs per vendor whose factory certificates are believed; empty = none.
    pub client_ca: PathBuf,
}

impl HttpsConfig {
    /// The pairs: certificate and key of the same place in their lists.
    #[must_use]
    pub fn pairs(&self) -> Vec<(PathBuf, PathBuf)> {
        self.certificate.iter().cloned().zip(self.key.iter().cloned()).collect()
    }
}

impl Default for HttpsConfig {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            certificate: vec!["tls/fullchain.pem".into()],
            key: vec!["tls/key.pem".into()],
            client_ca: PathBuf::new(),
        }
    }
}
