//! `[net]`

use std::path::PathBuf;

use gangway_base::secret::Secret;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Proxies before us, a proxy behind us, and how fast we connect.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetConfig {
    /// Networks (CIDR) of reverse proxies whose forwarding headers are believed.
    #[serde(deserialize_with = "super::list::one_or_many")]
    pub trusted_proxies: Vec<IpNet>,
    /// The one header those proxies write the client's address into, behind what it had before (`X-Forwarded-For`) or
    /// instead of it (`X-Real-IP`).
    pub client_address_header: String,
    /// Header in which those proxies pass the subject of the client certificate they have verified, for example
    /// `X-SSL-Client-S-DN`; empty = none. They must remove it from what clients send.
    pub client_subject_header: String,
    /// Outgoing HTTP proxy `http://[user:password@]host[:port]`; empty = none. May hold credentials.
    #[serde(serialize_with = "gangway_base::secret::masked")]
    pub proxy: Secret,
    /// Networks, addresses and host names the gateway may connect to when a setting names them although they are not
    /// public: an own redirect service on the local network. Everything else that settings can name must be public.
    #[serde(deserialize_with = "super::list::one_or_many")]
    pub allow: Vec<super::AllowedPeer>,
    /// `[[net.trust]]`: whom connections to single hosts (redirect services) trust besides the system's CAs.
    pub trust: Vec<PeerTrust>,
    /// Sysclients opened per second at most.
    pub connects_per_second: u32,
}

/// A host with a certificate no public CA has issued; a CA, a pin or both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PeerTrust {
    /// Name or address, as it stands in the URL, without a port.
    pub host: String,
    /// PEM file with its CA; trusted for this host only.
    pub ca: PathBuf,
    /// `sha256:...` of its certificate's public key: trusts this key, whoever issued the certificate.
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
