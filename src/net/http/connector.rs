//! Opens the connections for awc: name resolution, one address after the other, or a tunnel through the proxy, then TLS. It
//! replaces awc's default, so that errors name the failed step, and so that responses can be examined before awc reads
//! them.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use actix_rt::net::{ActixStream, Ready};
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use actix_web::dev::Service;
use awc::http::Uri;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, lookup_host},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    Options,
    proxy::{Proxy, TunnelError},
    response_framing::ResponseFraming,
};
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
    #[error("{0}")]
    Tls(io::Error),
    #[error("no connection in time")]
    Timeout,
}

/// The bytes of HTTP.
#[derive(Debug)]
pub(super) enum HttpStream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl HttpStream {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

/// awc asks for it, but only reads and writes.
impl ActixStream for ResponseFraming<HttpStream> {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(self.get_ref().socket(), cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(self.get_ref().socket(), cx)
    }
}

impl AsyncRead for HttpStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for HttpStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[derive(Clone)]
pub(super) struct Dialer {
    proxy: Option<Rc<Proxy>>,
    reach: EgressPolicy,
    resolve: Resolve,
    /// If set, every connection is encrypted, whatever scheme awc sees.
    tls: Option<Arc<rustls::ClientConfig>>,
    /// Limit for name resolution, TCP connect, and the proxy's response together, and again for the TLS handshake.
    timeout: Duration,
}

impl Dialer {
    pub(super) fn new(options: &Options, tls: Option<Arc<rustls::ClientConfig>>) -> Self {
        Self {
            proxy: options.proxy.clone().map(Rc::new),
            reach: options.reach.clone(),
            resolve: Arc::clone(&options.resolve),
            tls,
            timeout: options.connect_timeout,
        }
    }

    async fn open(&self, host: &str, port: u16) -> Result<HttpStream, DialError> {
        let dialed = tokio::time::timeout(self.timeout, self.dial(host, port)).await;
        let stream = dialed.map_err(|_elapsed| DialError::Timeout)??;
        let Some(config) = &self.tls else { return Ok(HttpStream::Plain(stream)) };
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|error| DialError::Tls(io::Error::other(error)))?;
        let handshake = TlsConnector::from(Arc::clone(config)).connect(name, stream);
        let shaken = tokio::time::timeout(self.timeout, handshake).await.map_err(|_elapsed| DialError::Timeout)?;
        Ok(HttpStream::Tls(Box::new(shaken.map_err(DialError::Tls)?)))
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
    type Response = Connection<Uri, ResponseFraming<HttpStream>>;
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
            let port = uri.port_u16().unwrap_or(if dialer.tls.is_some() { 443 } else { 80 });
            match dialer.open(&host, port).await {
                Ok(stream) => Ok(Connection::new(uri, ResponseFraming::new(stream))),
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
