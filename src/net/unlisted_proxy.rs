//! A reverse proxy that the configuration does not list, as it is stored and displayed.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A proxy that is not listed, or that names its clients in a different header than listed proxies do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnlistedProxy {
    /// Its address.
    pub peer: IpAddr,
    /// The header in which it names its clients.
    pub header: String,
    /// The proxy is listed, but uses a different header.
    pub is_listed: bool,
    /// When it was detected.
    pub since: Timestamp,
    /// When a phone last authenticated through it, to the hour.
    pub last: Timestamp,
}

impl UnlistedProxy {
    /// Describes the problem and the solution, for the log, `check`, and `readyz`.
    #[must_use]
    pub fn message(&self) -> String {
        let Self { peer, header, .. } = self;
        match self.is_listed {
            true => format!(
                "the proxy {peer} of [net] trusted_proxies names its clients in {header}, which is not [net] \
                 client_address_header: limits, windows and admin_from take all of them for the proxy. Set \
                 client_address_header = \"{header}\" only if the proxy itself writes this header and no client can: its \
                 writer can name any client address"
            ),
            false => format!(
                "phones come through {peer}, which names them in {header} and is not in [net] trusted_proxies: windows and \
                 admin_from take all of them for one device. Add {peer} to trusted_proxies only if it is your own reverse \
                 proxy: a listed proxy can name any client address, also one of admin_from"
            ),
        }
    }
}
