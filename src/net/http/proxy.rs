//! The outgoing proxy: its configured address, and the CONNECT request that opens a tunnel through it (RFC 9110 9.3.6).

use std::fmt;

use gangway_base::secret::Secret;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::Url;

use super::{basic, percent_decoded};

/// An HTTP proxy that tunnels with CONNECT.
#[derive(Clone)]
pub struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    credentials: Option<(String, Secret)>,
}

/// Why `net.proxy` is not a valid proxy address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyAddressError {
    /// Not a URL.
    #[error("the proxy address is no URL ({0}): write http://[user:password@]host:port")]
    NoUrl(url::ParseError),
    /// TLS to the proxy, SOCKS, or another unsupported scheme.
    #[error("a proxy with the scheme '{0}' is not supported: write http://[user:password@]host:port")]
    Scheme(String),
    /// The address has no host.
    #[error("the proxy address names no host: write http://[user:password@]host:port")]
    Host,
}

/// Why the proxy did not open the tunnel.
#[derive(Debug, thiserror::Error)]
pub(super) enum TunnelError {
    #[error("it wants other credentials (407): set user and password in net.proxy as http://user:password@host:port")]
    Credentials,
    #[error("it answered {0}: allow CONNECT to this host and port there")]
    Status(u16),
    #[error("its answer is no HTTP: check that net.proxy names an HTTP proxy")]
    NoHttp,
    #[error("the connection broke ({0})")]
    Io(#[from] std::io::Error),
}

impl Proxy {
    /// Parses `http://[user:password@]host[:port]`. The default port is 80, not 3128.
    ///
    /// # Errors
    /// See [`ProxyAddressError`].
    pub fn parse(text: &str) -> Result<Self, ProxyAddressError> {
        let url = Url::parse(text.trim()).map_err(ProxyAddressError::NoUrl)?;
        if url.scheme() != "http" {
            return Err(ProxyAddressError::Scheme(url.scheme().to_owned()));
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(ProxyAddressError::Host)?;
        let credentials = (!url.username().is_empty()).then(|| {
            (percent_decoded(url.username()), Secret::new(percent_decoded(url.password().unwrap_or_default())))
        });
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port_or_known_default().unwrap_or(80),
            credentials,
        })
    }

    /// The request for a tunnel to `host:port`.
    fn question(&self, host: &str, port: u16) -> Secret {
        let authorization = self.credentials.as_ref().map_or_else(String::new, |(user, password)| {
            format!("Proxy-Authorization: {}\r\n", basic(user, password).expose())
        });
        Secret::new(format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{authorization}\r\n"))
    }

    /// Opens a tunnel to `host:port` on a connection to the proxy. `host` is as written in a URL (`[..]` around IPv6).
    pub(super) async fn tunnel(&self, stream: &mut TcpStream, host: &str, port: u16) -> Result<(), TunnelError> {
        stream.write_all(self.question(host, port).expose().as_bytes()).await?;
        // Read byte by byte: everything after the empty line belongs to the tunnel.
        let mut head = Vec::with_capacity(256);
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= 8192 {
                return Err(TunnelError::NoHttp);
            }
            head.push(stream.read_u8().await?);
        }
        match status_of(&head).ok_or(TunnelError::NoHttp)? {
            200..=299 => Ok(()),
            407 => Err(TunnelError::Credentials),
            status => Err(TunnelError::Status(status)),
        }
    }
}

fn status_of(head: &[u8]) -> Option<u16> {
    let line = head.strip_prefix(b"HTTP/1.")?;
    std::str::from_utf8(line.get(2..5)?).ok()?.parse().ok()
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
