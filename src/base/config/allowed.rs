//! The non-public destinations that gangway may connect to.

use std::{net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::{Serialize, Serializer};

/// One entry of `[net] allow`: a network, an address or a host name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedPeer {
    /// Every address of this network.
    Network(IpNet),
    /// This host name, regardless of the addresses it resolves to.
    Host(String),
}

impl Serialize for AllowedPeer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Network(network) => serializer.collect_str(network),
            Self::Host(host) => serializer.serialize_str(host),
        }
    }
}

/// Returned for a text that is not a valid entry of `[net] allow`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is neither a network (10.1.0.0/16), nor an address, nor a host name")]
pub struct AllowedPeerError;

impl FromStr for AllowedPeer {
    type Err = AllowedPeerError;

    fn from_str(text: &str) -> Result<Self, AllowedPeerError> {
        let text = text.trim();
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Self::Network(network));
        }
        if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(Self::Network(address.into()));
        }
        let is_name = !text.is_empty()
            && text.len() <= 253
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
        if is_name { Ok(Self::Host(host_name(text))) } else { Err(AllowedPeerError) }
    }
}

/// Normalizes a host name for comparison: lower case, without a trailing dot.
#[must_use]
pub fn host_name(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_addresses_and_names_are_told_apart() {
        for (text, expected) in [
            ("10.0.0.0/8", AllowedPeer::Network("10.0.0.0/8".parse().unwrap())),
            ("10.0.0.7", AllowedPeer::Network("10.0.0.7/32".parse().unwrap())),
            ("[::1]", AllowedPeer::Network("::1/128".parse().unwrap())),
            ("DM.example.com.", AllowedPeer::Host("dm.example.com".to_owned())),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for wrong in ["", "a b", "10.0.0.0/33", "http://x"] {
            assert_eq!(wrong.parse::<AllowedPeer>(), Err(AllowedPeerError), "{wrong}");
        }
    }
}
