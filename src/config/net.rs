//! `[net]`

use ipnet::IpNet;
use serde::Deserialize;

use crate::secret::Secret;

/// Proxies before us, a proxy behind us, and how fast we connect.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetConfig {
    /// Networks (CIDR) of reverse proxies whose forwarding headers are believed.
    #[serde(deserialize_with = "super::list::one_or_many")]
    pub trusted_proxies: Vec<IpNet>,
    /// Header in which those proxies pass the subject of the client certificate they have verified, for example
    /// `X-SSL-Client-S-DN`; empty = none. They must remove it from what clients send.
    pub client_subject_header: String,
    /// Outgoing HTTP proxy `http://[user:password@]host[:port]`; empty = none. May hold credentials.
    pub proxy: Secret,
    /// Networks, addresses and host names the gateway may connect to when a setting names them although they are not
    /// public: an own redirect service on the local network. Everything else that settings can name must be public.
    #[serde(deserialize_with = "super::list::one_or_many")]
    pub allow: Vec<super::Allowed>,
    /// Sysclients opened per second at most.
    pub connects_per_second: u32,
}

impl Default for NetConfig {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            client_subject_header: String::new(),
            proxy: Secret::default(),
            allow: Vec::new(),
            connects_per_second: 50,
        }
    }
}
