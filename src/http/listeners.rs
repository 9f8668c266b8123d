//! Binds the addresses and makes the servers. When they run and when they stop is the caller's business.

use std::{
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

use actix_web::{App, HttpServer, dev::Server};

use super::{
    Deps,
    certificate::Certificate,
    configure,
    ops::{self, MetricsText},
    ports::Readiness,
};

/// An idle connection is kept this long: a phone fetches its files in a row, then not for a day.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// A request's head must be there by then.
const SLOW_REQUEST: Duration = Duration::from_secs(10);
/// A client that does not take its end of the connection is dropped after this.
const SLOW_GOODBYE: Duration = Duration::from_secs(1);
/// A TLS handshake must be done by then: old phones take seconds.
const SLOW_HANDSHAKE: Duration = Duration::from_secs(10);

/// Why listening failed.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be used.
    #[error("cannot listen on {address} ({section}): {source}; choose another address or stop who uses it")]
    Bind {
        /// As configured.
        address: String,
        /// Section of the configuration.
        section: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// TLS cannot be set up.
    #[error("cannot offer TLS with the configured certificate: {0}")]
    Tls(#[from] rustls::Error),
}

/// What to listen on.
pub struct Addresses {
    /// `[http] listen`.
    pub http: Vec<String>,
    /// `[https] listen`.
    pub https: Vec<String>,
    /// Its certificate; needed when `https` is not empty.
    pub certificate: Option<Arc<Certificate>>,
    /// Worker threads; `None` = one per core.
    pub workers: Option<usize>,
    /// How long a stopping server waits for answers under way.
    pub shutdown: Duration,
}

/// A server and where it listens. It serves once it is awaited or spawned.
pub struct Listening {
    /// The server; its handle stops it.
    pub server: Server,
    /// Bound addresses of `[http]`.
    pub http: Vec<SocketAddr>,
    /// Bound addresses of `[https]`.
    pub https: Vec<SocketAddr>,
}

/// Binds the listeners of phones, PBXs and people.
pub fn listen(addresses: &Addresses, deps: &Arc<Deps>) -> Result<Listening, ListenError> {
    let deps = deps.clone();
    let mut server = HttpServer::new(move || App::new().configure(configure(deps.clone())))
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(SLOW_REQUEST)
        .client_disconnect_timeout(SLOW_GOODBYE)
        .tls_handshake_timeout(SLOW_HANDSHAKE)
        .tcp_nodelay(true)
        .shutdown_timeout(addresses.shutdown.as_secs())
        .disable_signals();
    if let Some(workers) = addresses.workers {
        server = server.workers(workers);
    }
    let (mut http, mut https) = (Vec::new(), Vec::new());
    for address in &addresses.http {
        let section = "[http] listen";
        let socket = bind(address, section, &mut http)?;
        server = server.listen(socket).map_err(failed(address, section))?;
    }
    for address in &addresses.https {
        let section = "[https] listen";
        let certificate = addresses
            .certificate
            .as_ref()
            .ok_or_else(|| rustls::Error::General("[https] certificate and key are needed".to_owned()))?;
        let config = certificate.server_config()?;
        let socket = bind(address, section, &mut https)?;
        server = server.listen_rustls_0_23(socket, config).map_err(failed(address, section))?;
    }
    Ok(Listening { server: server.run(), http, https })
}

/// Binds the operator's listener; `None` where no address is configured.
pub fn listen_ops(
    addresses: &[String],
    readiness: &Arc<dyn Readiness>,
    metrics: &MetricsText,
) -> Result<Option<Listening>, ListenError> {
    if addresses.is_empty() {
        return Ok(None);
    }
    let (readiness, metrics) = (readiness.clone(), metrics.clone());
    let mut server = HttpServer::new(move || App::new().configure(ops::configure(readiness.clone(), metrics.clone())))
        .workers(1)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(SLOW_REQUEST)
        .client_disconnect_timeout(SLOW_GOODBYE)
        .shutdown_timeout(1)
        .disable_signals();
    let mut http = Vec::new();
    for address in addresses {
        let section = "[ops] listen";
        let socket = bind(address, section, &mut http)?;
        server = server.listen(socket).map_err(failed(address, section))?;
    }
    Ok(Some(Listening { server: server.run(), http, https: Vec::new() }))
}

fn failed(address: &str, section: &'static str) -> impl FnOnce(std::io::Error) -> ListenError {
    let address = address.to_owned();
    move |source| ListenError::Bind { address, section, source }
}

fn bind(address: &str, section: &'static str, bound: &mut Vec<SocketAddr>) -> Result<TcpListener, ListenError> {
    let resolved: Vec<SocketAddr> = address.to_socket_addrs().map_err(failed(address, section))?.collect();
    let socket = TcpListener::bind(&resolved[..]).map_err(failed(address, section))?;
    bound.push(socket.local_addr().map_err(failed(address, section))?);
    Ok(socket)
}
