//! Opens the TCP connections for awc: name resolution, one address after the other, or a tunnel through the proxy. It
//! replaces awc's default, so that errors name the failed step.

use std::{future::Future, io, net::SocketAddr, pin::Pin, rc::Rc, sync::Arc, task::Poll, time::Duration};

use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use actix_web::dev::Service;
use awc::http::Uri;
use tokio::net::{TcpStream, lookup_host};

use super::proxy::{Proxy, TunnelError};
use crate::net::egress_policy::{EgressDenied, EgressPolicy};

/// Resolves a name and port to addresses.
pub type Resolve = Arc<dyn Fn(String, u16) -> ResolvedAddresses + Send + Sync>;
/// The future of the addresses of a name.
pub type ResolvedAddresses = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Uses the resolver of the operating system.
#[must_use]
pub fn system_resolver() -> Resolve {
    Arc::new(|host, port| Box::pin(async move { Ok(lookup_host((host, port)).await?.collect()) }))
}

/// Maximum time for one address before the next one is tried.
const PER_ADDRESS: Duration = Duration::from_secs(3);

/// Passed through awc inside an `io::Error`, which distinguishes it from errors of the TLS handshake.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("{0}")]
    Dns(io::Error),
    #[error("{0}")]
    Forbidden(EgressDenied),
    #[error("{0}")]
    Connect(io::Error),
    #[error("the proxy {proxy:?} {source}")]
    ProxyAway { proxy: Proxy, source: Box<DialError> },
    #[error("the proxy {proxy:?}: {source}")]
    Tunnel { proxy: Proxy, source: TunnelError },
}

#[derive(Clone)]
pub(super) struct Dialer {
    proxy: Option<Rc<Proxy>>,
    reach: EgressPolicy,
    resolve: Resolve,
}

impl Dialer {
    pub(super) fn new(proxy: Option<Proxy>, reach: EgressPolicy, resolve: Resolve) -> Self {
        Self { proxy: proxy.map(Rc::new), reach, resolve }
    }

    /// Check the host before resolving it, also if a proxy resolves it.
    async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        self.reach.host(host).map_err(DialError::Forbidden)?;
        match self.proxy.as_deref() {
            None => connect(host, port, &self.reach, &self.resolve).await,
            Some(proxy) => through(proxy, host, port, &self.resolve).await,
        }
    }
}

impl Service<ConnectInfo<Uri>> for Dialer {
    type Response = Connection<Uri, TcpStream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    fn poll_ready(&self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move {
            let uri = info.request().clone();
            let host = uri.host().unwrap_or_default().to_owned();
            let https = uri.scheme_str() == Some("https");
            let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
            match dialer.dial(&host, port).await {
                Ok(stream) => Ok(Connection::new(uri, stream)),
                Err(error) => Err(ConnectError::Io(io::Error::other(error))),
            }
        })
    }
}

async fn through(proxy: &Proxy, host: &str, port: u16, resolve: &Resolve) -> Result<TcpStream, DialError> {
    let mut stream = connect(&proxy.host, proxy.port, &EgressPolicy::everywhere(), resolve)
        .await
        .map_err(|source| DialError::ProxyAway { proxy: proxy.clone(), source: Box::new(source) })?;
    proxy.tunnel(&mut stream, host, port).await.map_err(|source| DialError::Tunnel { proxy: proxy.clone(), source })?;
    Ok(stream)
}

async fn connect(host: &str, port: u16, reach: &EgressPolicy, resolve: &Resolve) -> Result<TcpStream, DialError> {
    let bare = host.trim_matches(['[', ']']);
    let found = resolve(bare.to_owned(), port).await.map_err(DialError::Dns)?;
    let (mut allowed, mut forbidden) = (Vec::new(), None);
    for address in found {
        match reach.address(bare, address.ip()) {
            Ok(()) => allowed.push(address),
            Err(reason) => forbidden = Some(reason),
        }
    }
    if let (Some(reason), true) = (forbidden, allowed.is_empty()) {
        return Err(DialError::Forbidden(reason));
    }
    let mut addresses = allowed.into_iter().peekable();
    let mut last = None;
    while let Some(address) = addresses.next() {
        let attempt = TcpStream::connect(address);
        let result = if addresses.peek().is_some() {
            tokio::time::timeout(PER_ADDRESS, attempt).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        } else {
            attempt.await
        };
        match result {
            Ok(stream) => {
                // Small requests, each awaited: with Nagle's algorithm the last packet might wait for an
                // acknowledgement.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(match last {
        Some(error) => DialError::Connect(error),
        None => DialError::Dns(io::Error::other("the name has no address")),
    })
}
