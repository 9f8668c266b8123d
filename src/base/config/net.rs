//! The `[net]` section of the configuration.

use std::path::PathBuf;

use gangway_base::secret::Secret;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Reverse proxies in front of gangway, the proxy for outgoing connections, and outgoing connections in general.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetConfig {
    /// Networks (CIDR) of reverse proxies whose forwarding headers are trusted.
    #[serde(deserialize_with = "super::list::one_or_many")]
    pub trusted_proxies: Vec<IpNet>,
    /// The single header in which those proxies pass the client's address. They either append it to the received value
    /// (`X-Forwarded-For`) or replace the value (`X-Real-IP`).
    pub client_address_header: String,
    /// Header in which those proxies pass the subject of the client certificate they have verified, for example
    /// `X-SSL-Client-S-DN`; empty = none. The proxies must remove this header from client requests.
    pub client_subject_header: String,
    /// Outgoing HTTP proxy `http://[user:password@]host[:port]`; empty = none. May contain credentials.
    #[serde(serialize_with = "gangway_base::secret::masked")]
    pub proxy: Secret,
    /// Non-public networks, addresses and host names that gangway may connect to if a setting contains them, such as an
    /// own redirect service on the local network. All other destinations in settings must be public.
    #[serde(deserialize_with = "super::list::one_or_many")]
    pub allow: Vec<super::AllowedPeer>,
    /// `[[net.trust]]`: additional trust for connections to single hosts (redirect services), besides the system's CAs.
    pub trust: Vec<PeerTrust>,
    /// Maximum number of sysclient connections opened per second.
    pub connects_per_second: u32,
}

/// A host whose certificate was not issued by a public CA, with a CA, a pin or both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PeerTrust {
    /// Host name or address as in the URL, without a port.
    pub host: String,
    /// PEM file with its CA; trusted for this host only.
    pub ca: PathBuf,
    /// `sha256:...` of its certificate's public key: trusts this key regardless of the issuer.
    pub pin: String,
}

impl Default for NetConfig {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            client_address_header: "X-Forwarded-For".to_owned(),
            client_subject_header: String::new(),
            proxy: Secret::default(),
            allow: Vec::new(),
            trust: Vec::new(),
            connects_per_second: 50,
        }
    }
}
