//! `[https]`

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// TLS listeners.
#[derive(Debug, Clone, Deserialize, Serialize)]
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
    /// Directory with a folder per vendor (`yealink/`, `snom/`) of PEM CAs whose factory certificates are believed, beside
    /// `vendors/<vendor>/ca`; empty = none.
    pub client_ca: PathBuf,
    /// PEM file of the CA that phones are told to trust by `gangway phones bootstrap`; empty = none: a public CA needs none.
    pub phone_ca: PathBuf,
    /// Connections a source (an IPv4 address, an IPv6 /64) may have open; 0 = any number. A site behind one address is one
    /// source; trusted proxies are not counted.
    pub connections_per_source: u32,
    /// Handshakes a source may begin per second in the long run, ten seconds' worth of them at once; 0 = any number.
    pub handshakes_per_second: u32,
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
            phone_ca: PathBuf::new(),
            connections_per_source: 2_000,
            handshakes_per_second: 500,
        }
    }
}
