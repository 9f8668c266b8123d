//! Defines which requests are counted together.

use std::net::IpAddr;

use crate::phone::request_evidence::network;

/// A source that requests are counted for. Limits apply to each one separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CountedSource {
    /// An IPv4 address, or the /64 of an IPv6 address.
    Source(IpAddr),
    /// A client behind an unlisted proxy, as named by the proxy. Never equal to the source with that address itself.
    Behind {
        /// The proxy's address.
        proxy: IpAddr,
        /// The network of the client that the proxy names.
        client: IpAddr,
    },
    /// All clients behind such a proxy.
    Proxy(IpAddr),
}

impl CountedSource {
    /// Returns the source for this address.
    #[must_use]
    pub fn source(address: IpAddr) -> Self {
        Self::Source(network(address))
    }

    /// Returns the source for a client that a proxy names.
    #[must_use]
    pub fn behind(proxy: IpAddr, client: IpAddr) -> Self {
        Self::Behind { proxy, client: network(client) }
    }

    /// Returns the larger source this one belongs to, which has higher limits.
    #[must_use]
    pub fn whole(self) -> Option<Self> {
        match self {
            Self::Behind { proxy, .. } => Some(Self::Proxy(proxy)),
            Self::Source(_) | Self::Proxy(_) => None,
        }
    }

    /// Returns the factor by which the limits of a single source are multiplied.
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

/// Factor for an unlisted proxy. It is limited because all its clients could be one client that invents addresses.
const CLIENTS: u32 = 16;
