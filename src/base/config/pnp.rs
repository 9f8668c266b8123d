//! The `[pnp]` section of the configuration.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// SIP PnP: a phone without configuration sends a multicast request (224.0.1.75) and receives its URL while its
/// bootstrap window is open. As with a redirect service, any host in these networks that knows the MAC of such a phone
/// can request the URL too.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PnpConfig {
    /// Addresses `ip:port`, usually `0.0.0.0:5060`; a string or a list, empty = off. With the address of an interface,
    /// the multicast group is joined on that interface.
    #[serde(deserialize_with = "super::list::one_or_many")]
    pub listen: Vec<String>,
    /// Networks (CIDR) from which requests are answered; empty = private and link-local networks.
    #[serde(deserialize_with = "super::list::one_or_many")]
    pub from: Vec<IpNet>,
}

impl PnpConfig {
    /// Returns whether requests from this address are answered.
    #[must_use]
    pub fn answers(&self, address: std::net::IpAddr) -> bool {
        if self.from.is_empty() { is_local(address) } else { self.from.iter().any(|net| net.contains(&address)) }
    }
}

/// Whether the address is private, link-local or loopback.
fn is_local(address: std::net::IpAddr) -> bool {
    match address.to_canonical() {
        std::net::IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.is_loopback(),
        std::net::IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_networks_are_answered_unless_others_are_named() {
        let usual = PnpConfig::default();
        for (address, is) in [
            ("10.1.2.3", true),
            ("192.168.1.1", true),
            ("169.254.3.4", true),
            ("127.0.0.1", true),
            ("::ffff:172.16.0.1", true),
            ("fd00::1", true),
            ("203.0.113.7", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(usual.answers(address.parse().unwrap()), is, "{address}");
        }
        let named = PnpConfig { from: vec!["203.0.113.0/24".parse().unwrap()], ..PnpConfig::default() };
        assert!(named.answers("203.0.113.7".parse().unwrap()) && !named.answers("10.0.0.1".parse().unwrap()));
    }
}
