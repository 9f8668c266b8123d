//! The evidence of who requests a file. The listener collects it from the connection, the path and the headers, and
//! [`admission`](super::admission) evaluates it.

use std::net::IpAddr;

use gangway_base::mac::Mac;

/// The evidence in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence<'a> {
    /// The client's address, taking forwarding headers of trusted proxies into account.
    pub source: IpAddr,
    /// Whether the request used TLS (to the gateway or to a trusted proxy).
    pub encrypted: bool,
    /// Vendor and model from the User-Agent, without firmware; empty if not given.
    pub family: &'a str,
    /// The token of the path.
    pub token: Token,
    /// The result of checking the `Authorization` header.
    pub authorization: Authorization,
    /// The result of checking the client certificate.
    pub certificate: Certificate<'a>,
    /// The source was seen trying many MAC addresses. Proofs that need only a MAC and widely known data are rejected
    /// for it.
    pub frozen: bool,
}

/// What counts as one source. IPv6 addresses are reduced to their /64, because one customer has 2^64 addresses.
#[must_use]
pub fn network(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(_) => source,
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
    }
}

/// The token of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// The path has none (`phone/<file>`).
    None,
    /// The token belongs to the phone of this instance that is given to `admit`.
    Known,
    /// The token belongs to no phone.
    Unknown,
}

/// The result of checking the `Authorization` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorization {
    /// No header, or a scheme that was not requested. Never a strike.
    Missing,
    /// The phone's own credentials, delivered in its first personal file.
    Own,
    /// The credentials before the last change. Valid until the phone has proved the new ones.
    Former,
    /// Credentials sent through the redirect service: this phone's, or the account shared by the instance.
    Bootstrap,
    /// Checked, and they match nothing.
    Wrong,
    /// The nonce is invalid or too old. Challenge again with a new one. Never a strike.
    Stale,
    /// Right, but used before, so they may have been overheard. Challenge again with a new nonce. Never a strike.
    Used,
    /// The source is locked out or frozen. The phone's own credentials did not match, and nothing else was checked.
    Unchecked,
}

/// The result of checking the client certificate. A request with an unusable certificate is still answered, by the
/// weaker rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate<'a> {
    /// No certificate was presented.
    None,
    /// Valid, issued by a CA trusted for `vendor`, with the name `mac`.
    Trusted {
        /// The common name, normalised.
        mac: Mac,
        /// The vendor whose CA issued it.
        vendor: &'a str,
    },
    /// Issued by a vendor's CA, but expired or not valid yet.
    Expired,
    /// The issuer is unknown.
    UnknownIssuer,
    /// Valid, but its name is not a MAC address.
    NoMac,
}

/// How a request proved that the phone sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The phone's own credentials.
    Own,
    /// The factory certificate.
    Certificate,
    /// The token of the redirect URL, inside the bootstrap window.
    Token,
    /// Credentials sent through the redirect service, inside the bootstrap window.
    Bootstrap,
    /// An administrator allowed this MAC to fetch without a token, inside the bootstrap window.
    Allowed,
}

impl Proof {
    /// Whether this proof is valid only inside the phone's bootstrap window.
    #[must_use]
    pub fn is_bootstrap(self) -> bool {
        matches!(self, Self::Token | Self::Bootstrap | Self::Allowed)
    }

    /// The identifier in metrics and in the timeline.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own-credentials",
            Self::Certificate => "certificate",
            Self::Token => "token",
            Self::Bootstrap => "bootstrap-credentials",
            Self::Allowed => "allowed",
        }
    }
}
