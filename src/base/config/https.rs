//! The `[https]` section of the configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// TLS listeners.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpsConfig {
    /// Addresses `host:port`; a string or a list, empty = none.
    #[serde(deserialize_with = "super::list::one_or_many")]
    pub listen: Vec<String>,
    /// PEM chains, each starting with the server's certificate; a string or a list. With several pairs, gangway sends
    /// the first one whose key type the client supports: list P-256 first and then RSA for old phones.
    #[serde(deserialize_with = "super::list::one_or_many")]
    pub certificate: Vec<PathBuf>,
    /// PEM keys of the certificates: the same number, in the same order.
    #[serde(deserialize_with = "super::list::one_or_many")]
    pub key: Vec<PathBuf>,
    /// Directory with one folder per vendor (`yealink/`, `snom/`) of PEM CAs whose factory certificates are trusted, in
    /// addition to `vendors/<vendor>/ca`; empty = none.
    pub client_ca: PathBuf,
    /// PEM file of the CA that `gangway phones bootstrap` makes phones trust; empty = none, as public CAs do not
    /// need it.
    pub phone_ca: PathBuf,
    /// Maximum number of open connections per source (an IPv4 address or an IPv6 /64); 0 = unlimited. A site behind one
    /// address is one source. Connections of trusted proxies are not counted.
    pub connections_per_source: u32,
    /// Maximum rate of handshakes per source in handshakes per second, with a burst of ten seconds' worth; 0 =
    /// unlimited.
    pub handshakes_per_second: u32,
}

impl HttpsConfig {
    /// The pairs of certificate and key, matched by their position in the lists.
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
            phone_ca: PathBuf::new(),
            connections_per_source: 2_000,
            handshakes_per_second: 500,
        }
    }
}
