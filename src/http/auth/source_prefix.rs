//! Whose attempts are counted together.

use std::net::IpAddr;

use crate::phone::request_evidence::network;

/// One counted party: limits hold for each by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CountedSource {
    /// An IPv4 address, or the /64 of an IPv6 address.
    Source(IpAddr),
    /// A client behind a proxy that is not listed, as the proxy names it. Never the same party as that address itself.
    Behind {
        /// The proxy's address.
        proxy: IpAddr,
        /// The network of the client it names.
        client: IpAddr,
    },
    /// All clients behind such a proxy.
    Proxy(IpAddr),
}

impl CountedSource {
    /// The party that has this address.
    #[must_use]
    pub fn source(address: IpAddr) -> Self {
        Self::Source(network(address))
    }

    /// The party that a proxy names.
    #[must_use]
    pub fn behind(proxy: IpAddr, client: IpAddr) -> Self {
        Self::Behind { proxy, client: network(client) }
    }

    /// The party this one belongs to, with higher limits.
    #[must_use]
    pub fn whole(self) -> Option<Self> {
        match self {
            Self::Behind { proxy, .. } => Some(Self::Proxy(proxy)),
            Self::Source(_) | Self::Proxy(_) => None,
        }
    }

    /// How many times the limits of one source this party has.
    #[must_use]
    pub fn share(self) -> u32 {
        match self {
            Self::Source(_) | Self::Behind { .. } => 1,
            Self::Proxy(_) => CLIENTS,
        }
    }
}

impl From<IpAddr> for CountedSource {
    fn from(address: IpAddr) -> Self {
        Self::source(address)
    }
}

/// A proxy that is not listed has the limits of so many sources: its clients could be one stranger who invents names.
const CLIENTS: u32 = 16;
