//! Who asks for a file, and how sure are we. Collected by the listener from the connection, the path and the headers;
//! judged by [`admission`](super::admission).

use std::net::IpAddr;

use gangway_base::mac::Mac;

/// What a request brings along to show who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence<'a> {
    /// The client's address, forwarding headers of trusted proxies taken into account.
    pub source: IpAddr,
    /// Whether the request came over TLS (up to us or up to a trusted proxy).
    pub encrypted: bool,
    /// Vendor and model from the User-Agent, without firmware; empty when it told none.
    pub family: &'a str,
    /// What the path says.
    pub token: Token,
    /// What the `Authorization` header says.
    pub authorization: Authorization,
    /// What the client certificate says.
    pub certificate: Certificate<'a>,
    /// The source was seen trying one MAC address after the other: what takes no more than a MAC and something that many
    /// know opens nothing to it.
    pub frozen: bool,
}

/// What counts as one source: one customer's end of an IPv6 network has 2^64 addresses to try from.
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
    /// It belongs to a phone of this instance, the one given to `admit`.
    Known,
    /// Nobody's.
    Unknown,
}

/// The outcome of looking at the `Authorization` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorization {
    /// No header, or one of a scheme that was not asked for. Never a strike.
    Missing,
    /// The phone's own credentials, delivered in its first personal file.
    Own,
    /// Those it had before they were changed; good until it has proven the new ones.
    Former,
    /// Credentials that travelled through the redirect service: this phone's, or the account shared by the instance.
    Bootstrap,
    /// Checked, and right for nothing.
    Wrong,
    /// The nonce is odd or too old: ask again with a fresh one. Never a strike.
    Stale,
    /// Right, but used before: somebody may have overheard it. Ask again with a nonce nobody had. Never a strike.
    Used,
    /// The source is locked out or frozen: own credentials did not fit, and nothing else was looked at.
    Unchecked,
}

/// The outcome of looking at the client certificate. A phone with an odd certificate is still answered, by the weaker
/// rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate<'a> {
    /// None was shown.
    None,
    /// Valid, issued by a CA that vouches for `vendor`, in the name of `mac`.
    Trusted {
        /// The common name, normalised.
        mac: Mac,
        /// The vendor whose CA issued it.
        vendor: &'a str,
    },
    /// Issued by a vendor's CA, but its time is over or has not come.
    Expired,
    /// Nobody we know issued it.
    UnknownIssuer,
    /// Valid, but its name is not a MAC address.
    NoMac,
}

/// How a request showed that it comes from the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The phone's own credentials.
    Own,
    /// The factory certificate.
    Certificate,
    /// The token of the redirect URL, inside the window.
    Token,
    /// Credentials that travelled through the redirect service, inside the window.
    Bootstrap,
    /// A person allowed this MAC to fetch without a token, inside the window.
    Allowed,
}

impl Proof {
    /// Whether this proof holds only inside the phone's window.
    #[must_use]
    pub fn is_bootstrap(self) -> bool {
        matches!(self, Self::Token | Self::Bootstrap | Self::Allowed)
    }

    /// The word in metrics and in the time line.
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
