//! Restricts where the gateway may connect if the address was entered by a user who may not have access to the
//! gateway's network: public addresses, and those in the process configuration. It is checked twice: the text when it
//! is entered, and every resolved address when the connection is made, so that a DNS change between the two has no
//! effect.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use url::Url;

use crate::base::config::{AllowedPeer, host_name};

/// Addresses of cloud metadata services, besides link-local addresses: Azure, Alibaba Cloud, Oracle Cloud, AWS and
/// Google Cloud over IPv6. Some of them are otherwise ordinary public or private addresses.
pub const METADATA: [IpAddr; 5] = [
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// Why a connection is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressDenied {
    /// The address cannot be that of a public service.
    #[error(
        "{host} {what}, and a service is expected on a public address; if it is the right one, name it in [net] allow of the configuration"
    )]
    Address {
        /// The host as given.
        host: String,
        /// The kind of address.
        what: String,
    },
    /// The password would be sent unencrypted.
    #[error(
        "the account's password would travel readable to {host}: write https://, or name {host} in [net] allow of the configuration"
    )]
    Readable {
        /// The host as given.
        host: String,
    },
}

/// The allowed destinations. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EgressPolicy {
    /// `None`: all destinations.
    allowed: Option<Arc<[AllowedPeer]>>,
    /// Private networks are allowed as well.
    private: bool,
}

impl EgressPolicy {
    /// Allows all destinations: for addresses that cannot be set through the admin page or the REST API.
    #[must_use]
    pub fn everywhere() -> Self {
        Self { allowed: None, private: true }
    }

    /// Allows public addresses and those listed.
    #[must_use]
    pub fn public_and(allowed: Vec<AllowedPeer>) -> Self {
        Self { allowed: Some(allowed.into()), private: false }
    }

    /// Allows private networks as well, where PBXs and their phones are. This machine, link-local addresses, and cloud
    /// metadata addresses stay forbidden.
    #[must_use]
    pub fn and_private(&self) -> Self {
        Self { private: true, ..self.clone() }
    }

    /// Checks whether a service may be called at this URL, as far as its text shows. `http` is allowed only for listed
    /// hosts.
    ///
    /// # Errors
    /// The reason.
    pub fn url(&self, url: &Url) -> Result<(), EgressDenied> {
        let host = url.host_str().unwrap_or_default();
        self.host(host)?;
        if url.scheme() == "http" && !self.lists(host) {
            return Err(EgressDenied::Readable { host: host.to_owned() });
        }
        Ok(())
    }

    /// Whether the configuration lists this host or address. A name matches only if it is listed itself, not by the
    /// addresses it resolves to.
    fn lists(&self, host: &str) -> bool {
        let bare = host.trim_matches(['[', ']']);
        match bare.parse::<IpAddr>() {
            Ok(address) => self.allowed.is_none() || self.holds(address.to_canonical()),
            Err(_) => self.names(&host_name(bare)),
        }
    }

    /// Whether a listed network contains the address. A cloud metadata address must be listed itself.
    fn holds(&self, address: IpAddr) -> bool {
        let is_metadata = is_metadata(address);
        self.allowed.iter().flat_map(|allowed| allowed.iter()).any(|entry| match entry {
            AllowedPeer::Network(network) if is_metadata => {
                network.addr() == address && network.max_prefix_len() == network.prefix_len()
            }
            AllowedPeer::Network(network) => network.contains(&address),
            AllowedPeer::Host(_) => false,
        })
    }

    /// Checks whether connections to a name or address in a URL are allowed, as far as its text shows.
    ///
    /// # Errors
    /// The reason.
    pub fn host(&self, host: &str) -> Result<(), EgressDenied> {
        let bare = host.trim_matches(['[', ']']);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return self.address(host, address);
        }
        let name = host_name(bare);
        let is_near = !self.private && (name.ends_with(".internal") || name.ends_with(".local"));
        let is_here = name == "localhost"
            || name.ends_with(".localhost")
            || is_near
            || matches!(name.as_str(), "metadata" | "metadata.google.internal" | "instance-data");
        if is_here && !self.names(&name) {
            return Err(EgressDenied::Address {
                host: name,
                what: "is a name of this machine or its network".to_owned(),
            });
        }
        Ok(())
    }

    /// Checks whether connections to an address of `host` are allowed.
    ///
    /// # Errors
    /// The reason.
    pub fn address(&self, host: &str, address: IpAddr) -> Result<(), EgressDenied> {
        if self.allowed.is_none() {
            return Ok(());
        }
        let address = address.to_canonical();
        let is_listed = self.holds(address);
        let is_open = |kind: Inner| self.private && kind == Inner::Private;
        let Some(kind) =
            inner_kind(address).filter(|kind| !is_open(*kind) && !is_listed && !self.names(&host_name(host)))
        else {
            return Ok(());
        };
        let kind = kind.text();
        let host = host.trim_matches(['[', ']']);
        let what = match host.parse::<IpAddr>() {
            Ok(_) => format!("is {kind}"),
            Err(_) => format!("stands for {address}, {kind}"),
        };
        Err(EgressDenied::Address { host: host.to_owned(), what })
    }

    fn names(&self, name: &str) -> bool {
        self.allowed.as_ref().is_none_or(|allowed| {
            allowed.iter().any(|entry| matches!(entry, AllowedPeer::Host(known) if known == name))
        })
    }
}

/// The kind of a non-public address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inner {
    Here,
    Linked,
    Private,
    Metadata,
    Nobodys,
}

impl Inner {
    fn text(self) -> &'static str {
        match self {
            Self::Here => "an address of this machine",
            Self::Linked => "a link-local address",
            Self::Private => "a private address",
            Self::Metadata => "an address at which a cloud tells its machines secrets",
            Self::Nobodys => "an address no service has",
        }
    }
}

/// Classifies an address by the special-purpose registries of RFC 6890.
fn inner_kind(address: IpAddr) -> Option<Inner> {
    match address {
        IpAddr::V4(address) => inner_v4(address),
        IpAddr::V6(address) => inner_v6(address),
    }
}

fn is_metadata(address: IpAddr) -> bool {
    METADATA.contains(&address)
}

fn inner_v4(address: Ipv4Addr) -> Option<Inner> {
    let [a, b, c, _] = address.octets();
    if is_metadata(address.into()) {
        Some(Inner::Metadata)
    } else if address.is_loopback() || a == 0 {
        Some(Inner::Here)
    } else if address.is_link_local() {
        Some(Inner::Linked)
    } else if address.is_private() || (a == 100 && (64..128).contains(&b)) || (a == 198 && (b == 18 || b == 19)) {
        Some(Inner::Private)
    } else if address.is_multicast() || a >= 240 || (a, b, c) == (192, 0, 0) || address.is_documentation() {
        Some(Inner::Nobodys)
    } else {
        None
    }
}

fn inner_v6(address: Ipv6Addr) -> Option<Inner> {
    let [first, second, ..] = address.segments();
    // IPv4 addresses embedded in IPv6: NAT64 and 6to4 (RFC 6052, 3056). Mapped addresses were converted before.
    let dressed = match (first, second) {
        (0x64, 0xff9b) => address.octets().get(12..16).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()),
        (0x2002, _) => address.octets().get(2..6).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()),
        (0, 0) if !address.is_loopback() && !address.is_unspecified() => {
            address.octets().get(12..16).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok())
        }
        _ => None,
    };
    if is_metadata(address.into()) {
        Some(Inner::Metadata)
    } else if address.is_loopback() || address.is_unspecified() {
        Some(Inner::Here)
    } else if let Some(inside) = dressed {
        inner_v4(inside.into())
    } else if address.is_unicast_link_local() {
        Some(Inner::Linked)
    } else if address.is_unique_local() || first & 0xffc0 == 0xfec0 {
        Some(Inner::Private)
    } else if address.is_multicast() || (first, second) == (0x2001, 0xdb8) {
        Some(Inner::Nobodys)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(allowed: &[&str]) -> EgressPolicy {
        EgressPolicy::public_and(allowed.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn inner_addresses_are_refused_in_every_dress() {
        let public = reach(&[]);
        for host in [
            "127.0.0.1",
            "127.8.9.1",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "198.18.0.1",
            "224.0.0.251",
            "255.255.255.255",
            "192.0.2.1",
            "[::1]",
            "::",
            "[fe80::1]",
            "fd00::1",
            "fec0::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:a00:1::",
            "::7f00:1",
            "ff02::1",
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "metadata.google.internal",
            "metadata",
            "printer.local",
        ] {
            let refused = public.host(host).unwrap_err().to_string();
            assert!(refused.contains("[net] allow"), "{host}: {refused}");
        }
        for host in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2a00:1450::1", "64:ff9b::808:808", "dm.yealink.com"] {
            assert_eq!(public.host(host), Ok(()), "{host}");
        }
        assert_eq!(EgressPolicy::everywhere().host("127.0.0.1"), Ok(()));
    }

    #[test]
    fn where_phones_register_private_networks_are_open_and_this_machine_is_not() {
        let near = reach(&["127.0.0.9"]).and_private();
        for host in ["10.0.0.1", "192.168.1.1", "fd00::1", "pbx.local", "pbx.corp.internal", "127.0.0.9", "8.8.8.8"] {
            assert_eq!(near.host(host), Ok(()), "{host}");
        }
        for host in
            ["127.0.0.1", "::1", "0.0.0.0", "169.254.169.254", "fe80::1", "::ffff:127.0.0.1", "localhost", "metadata"]
        {
            assert!(near.host(host).is_err(), "{host}");
        }
        assert!(near.address("pbx.example.com", "127.0.0.1".parse().unwrap()).is_err());
        assert_eq!(near.address("pbx.example.com", "10.0.0.1".parse().unwrap()), Ok(()));
    }

    #[test]
    fn where_clouds_tell_secrets_is_open_to_nobody_unless_it_is_listed_itself() {
        for address in METADATA {
            for reach in [reach(&[]), reach(&[]).and_private(), reach(&["0.0.0.0/0", "::/0", "100.64.0.0/10"])] {
                assert!(reach.address("x.example.com", address).is_err(), "{address}");
                assert!(reach.host(&address.to_string()).is_err(), "{address}");
            }
            assert_eq!(reach(&[&address.to_string()]).host(&address.to_string()), Ok(()));
        }
        for dressed in ["::ffff:168.63.129.16", "64:ff9b::a83f:8110", "2002:a83f:8110::"] {
            assert!(reach(&[]).host(dressed).is_err(), "{dressed}");
        }
    }

    #[test]
    fn http_is_for_listed_services_alone() {
        let judge = |allowed: &[&str], url: &str| reach(allowed).url(&url.parse().unwrap());
        let refused = judge(&[], "http://rps.example.com/xmlrpc").unwrap_err().to_string();
        assert!(refused.contains("readable") && refused.contains("[net] allow"), "{refused}");
        assert!(judge(&["rps.example.com"], "http://rps.example.com/xmlrpc").is_ok());
        assert!(judge(&["10.0.0.0/8"], "http://10.1.2.3/").is_ok());
        assert!(judge(&["10.0.0.0/8"], "http://rps.example.com/").is_err());
        assert!(judge(&[], "https://rps.example.com/").is_ok());
        assert!(judge(&[], "https://127.0.0.1/").is_err());
        assert!(EgressPolicy::everywhere().url(&"http://127.0.0.1/".parse().unwrap()).is_ok());
    }

    #[test]
    fn a_name_is_judged_by_what_it_resolves_to() {
        let inside: IpAddr = "10.0.0.7".parse().unwrap();
        let refused = reach(&[]).address("dm.example.com", inside).unwrap_err().to_string();
        assert!(refused.starts_with("dm.example.com stands for 10.0.0.7, a private address"), "{refused}");
        assert_eq!(reach(&["10.0.0.0/24"]).address("dm.example.com", inside), Ok(()));
        assert_eq!(reach(&["10.0.0.7"]).address("dm.example.com", inside), Ok(()));
        assert_eq!(reach(&["DM.example.com"]).address("dm.example.com.", inside), Ok(()));
        assert!(reach(&["10.0.1.0/24", "other.example.com"]).address("dm.example.com", inside).is_err());
        assert_eq!(reach(&["::1"]).host("[::1]"), Ok(()));
        assert_eq!(reach(&["localhost"]).host("localhost"), Ok(()));
    }
}
