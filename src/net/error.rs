//! Errors of outgoing connections, shared by websockets and HTTP: the host, the reason, and the solution.

use std::{error::Error, time::Duration};

/// A failed connection or exchange. `host` is `host:port`, never a URL, because URLs contain tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// The address cannot be used.
    #[error("cannot use the address of {host}: {reason}; correct the URL")]
    Address {
        /// The host, or the scheme of the invalid text.
        host: String,
        /// The reason.
        reason: String,
    },
    /// No connection: name unknown, connection refused, or host unreachable.
    #[error("cannot connect to {host}: {reason}; is it running, and reachable from here?")]
    Unreachable {
        /// The peer.
        host: String,
        /// The error from the operating system.
        reason: String,
    },
    /// The process or the system has reached its limit of open files.
    #[error("cannot connect to {host}: no file descriptor is free; {}", super::descriptors::CURE)]
    NoDescriptor {
        /// The peer.
        host: String,
    },
    /// A time limit expired.
    #[error("{host} did not {what} within {} s; is it overloaded, or does a firewall swallow the packets?", within.as_secs())]
    Timeout {
        /// The peer.
        host: String,
        /// The awaited action, as a verb: "answer".
        what: &'static str,
        /// The time limit.
        within: Duration,
    },
    /// The certificate is not trusted, or there is no common TLS version.
    #[error("no TLS connection with {host}: {reason}; {cure}")]
    Tls {
        /// The peer.
        host: String,
        /// The reason.
        reason: String,
        /// The solution.
        cure: String,
    },
    /// Unexpected HTTP status. For a websocket, the upgrade was rejected.
    #[error("{host} answered with HTTP status {status} instead of what was asked; is the URL the right one?")]
    Status {
        /// The peer.
        host: String,
        /// HTTP status.
        status: u16,
    },
    /// A redirect. It is never followed, because the request is only meant for the configured host.
    #[error(
        "{host} redirects to another address (HTTP status {status}); nothing was sent there: if that one is right, have it \
         announced, or enter it, instead"
    )]
    Redirected {
        /// The peer.
        host: String,
        /// HTTP status.
        status: u16,
    },
    /// The message exceeds the limit.
    #[error("{host} sent more than {limit} bytes at once; that is over the limit, the connection was given up")]
    TooLarge {
        /// The peer.
        host: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The peer does not speak the expected protocol.
    #[error("{host} does not speak the expected protocol: {reason}")]
    Protocol {
        /// The peer.
        host: String,
        /// The reason.
        reason: String,
    },
    /// The connection was lost while in use.
    #[error("the connection to {host} broke: {reason}")]
    Lost {
        /// The peer.
        host: String,
        /// The error from the operating system.
        reason: String,
    },
}

impl NetError {
    /// Returns true if the endpoint could not be reached, so that other requests to it would fail as well: the circuit
    /// breaker opens. Server errors (5xx, 429) of a proxy in front of it count too. Other rejections and protocol
    /// errors affect only the one request.
    #[must_use]
    pub fn is_endpoint_away(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Tls { .. } | Self::Lost { .. } => true,
            Self::Status { status, .. } => *status >= 500 || *status == 429,
            Self::Address { .. }
            | Self::NoDescriptor { .. }
            | Self::Redirected { .. }
            | Self::TooLarge { .. }
            | Self::Protocol { .. } => false,
        }
    }

    /// The label in metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Address { .. } => "address",
            Self::Unreachable { .. } => "unreachable",
            Self::NoDescriptor { .. } => "no_descriptor",
            Self::Timeout { .. } => "timeout",
            Self::Tls { .. } => "tls",
            Self::Status { .. } => "status",
            Self::Redirected { .. } => "redirect",
            Self::TooLarge { .. } => "too_large",
            Self::Protocol { .. } => "protocol",
            Self::Lost { .. } => "lost",
        }
    }

    /// Converts an I/O error while connecting to or talking to `host`.
    #[must_use]
    pub fn from_io(host: &str, error: &std::io::Error, connected: bool) -> Self {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let host = host.to_owned();
        match (tls, connected) {
            (Some(tls), _) => {
                Self::Tls { host, reason: super::tls::reason(tls), cure: super::tls::remedy(tls).to_owned() }
            }
            (None, false) if is_out_of_descriptors(error) => Self::NoDescriptor { host },
            (None, true) => Self::Lost { host, reason: error.to_string() },
            (None, false) => Self::Unreachable { host, reason: error.to_string() },
        }
    }

    /// Converts an error while opening a connection.
    #[must_use]
    pub fn from_connect(host: &str, error: &awc::error::ConnectError, within: Duration) -> Self {
        use awc::error::ConnectError;
        match error {
            ConnectError::Io(io) => Self::from_io(host, io, false),
            ConnectError::Timeout => Self::Timeout { host: host.to_owned(), what: "take the connection", within },
            ConnectError::Resolver(inner) => Self::Unreachable {
                host: host.to_owned(),
                reason: format!("its name cannot be resolved ({})", root_cause(inner.as_ref())),
            },
            ConnectError::NoRecords => {
                Self::Unreachable { host: host.to_owned(), reason: "its name has no address".to_owned() }
            }
            other => Self::Unreachable { host: host.to_owned(), reason: other.to_string() },
        }
    }

    /// Converts an error while sending a request, including an upgrade.
    #[must_use]
    pub fn from_send(host: &str, error: &awc::error::SendRequestError, within: Duration) -> Self {
        use awc::error::SendRequestError;
        match error {
            SendRequestError::Connect(inner) => Self::from_connect(host, inner, within),
            SendRequestError::Send(io) => Self::from_io(host, io, true),
            SendRequestError::Timeout => Self::Timeout { host: host.to_owned(), what: "answer", within },
            SendRequestError::Url(inner) => Self::Address { host: host.to_owned(), reason: inner.to_string() },
            SendRequestError::Response(actix_http::error::ParseError::Io(io)) => Self::from_io(host, io, true),
            other => Self::Protocol { host: host.to_owned(), reason: other.to_string() },
        }
    }
}

/// Whether the process (`EMFILE`) or the system (`ENFILE`) has no free descriptor.
fn is_out_of_descriptors(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Returns `host:port` of a URL, for messages and as the key of an endpoint. A URL without a port gets the default port
/// of its scheme.
#[must_use]
pub fn host_label(url: &url::Url) -> String {
    let host = url.host_str().unwrap_or("(no host)");
    url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_a_translation() {
        let (host, reason) = (String::from("a.example:443"), String::from("the reason"));
        for error in [
            NetError::Address { host: host.clone(), reason: reason.clone() },
            NetError::Unreachable { host: host.clone(), reason: reason.clone() },
            NetError::NoDescriptor { host: host.clone() },
            NetError::Timeout { host: host.clone(), what: "answer", within: Duration::from_secs(5) },
            NetError::Tls { host: host.clone(), reason: reason.clone(), cure: "the cure".into() },
            NetError::Status { host: host.clone(), status: 404 },
            NetError::Redirected { host: host.clone(), status: 302 },
            NetError::TooLarge { host: host.clone(), limit: 9 },
            NetError::Protocol { host: host.clone(), reason: reason.clone() },
            NetError::Lost { host, reason },
        ] {
            let message = crate::base::i18n::message_of(&error.to_string());
            assert!(message.key().starts_with("error.net."), "{error}: {message:?}");
            assert_eq!(message.english(), error.to_string());
        }
    }

    #[test]
    fn a_label_names_host_and_port_and_no_secret() {
        for (url, label) in [
            ("wss://user:secret@ap.example.com/a/b?token=x", "ap.example.com:443"),
            ("ws://10.0.0.1:8080/", "10.0.0.1:8080"),
            ("http://[::1]/", "[::1]:80"),
        ] {
            assert_eq!(host_label(&url.parse().unwrap()), label);
        }
    }

    #[test]
    fn away_is_what_every_phone_would_see() {
        let host = || "ap:443".to_owned();
        assert!(NetError::Unreachable { host: host(), reason: String::new() }.is_endpoint_away());
        assert!(NetError::Status { host: host(), status: 502 }.is_endpoint_away());
        assert!(!NetError::Status { host: host(), status: 404 }.is_endpoint_away());
        assert!(!NetError::TooLarge { host: host(), limit: 1 }.is_endpoint_away());
    }

    #[test]
    fn too_many_open_files_are_our_own_fault_and_not_the_peers() {
        for errno in [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE] {
            let error = NetError::from_io("ap:443", &errno.into(), false);
            assert!(!error.is_endpoint_away() && error.to_string().contains("LimitNOFILE="), "{error}");
        }
        let refused = rustix::io::Errno::CONNREFUSED.into();
        assert!(matches!(NetError::from_io("ap:443", &refused, false), NetError::Unreachable { .. }));
    }
}
