//! `[pnp]`

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// SIP PnP: a phone without configuration asks by multicast (224.0.1.75) and is told its URL, while its window is open.
/// Whoever is in these networks and knows the MAC of such a phone can ask as well, as with a redirect service.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PnpConfig {
    /// Addresses `ip:port`, usually `0.0.0.0:5060`; a text or a list, empty = off. With the address of an interface the
    /// group is joined there.
    #[serde(deserialize_with = "super::list::one_or_many")]
    pub listen: Vec<String>,
    /// Networks (CIDR) whose phones are answered; empty = private and link-local ones.
    #[serde(deserialize_with = "super::list::one_or_many")]
    pub from: Vec<IpNet>,
}

impl PnpConfig {
    /// Whether somebody at this address is answered.
    #[must_use]
    pub fn answers(&self, address: std::net::IpAddr) -> bool {
        if self.from.is_empty() { is_local(address) } else { self.from.iter().any(|net| net.contains(&address)) }
    }
}

/// Private, link-local and loopback addresses.
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
