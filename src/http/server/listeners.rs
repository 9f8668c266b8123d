//! Binds the addresses and creates the servers. The caller starts and stops them.

use std::{
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

use actix_web::{App, HttpServer, dev::Server};

use super::{
    certificates::Certificates,
    client_ca_store::ClientCaStore,
    connection_limiter::{Bounds, ConnectionLimiter, UNFINISHED},
    connections::{self, KEEP_ALIVE, PlainConnectionFilter, SLOW_GOODBYE, SLOW_REQUEST, Timeouts},
    source_shares::SourceShares,
    tls_acceptor::PhoneTlsAcceptor,
};
use crate::{
    http::{
        AppState,
        interfaces::Readiness,
        operations::health_and_metrics::{self, MetricsText},
    },
    net::handshake_failures::FailedHandshakes,
};

/// Why listening failed.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be used.
    #[error("cannot listen on {address} ({section}): {source}; choose another address or stop who uses it")]
    Bind {
        /// The address as configured.
        address: String,
        /// The section of the configuration.
        section: &'static str,
        /// The error from the operating system.
        source: std::io::Error,
    },
    /// TLS cannot be set up.
    #[error("cannot offer TLS with the configured certificate: {0}")]
    Tls(#[from] rustls::Error),
}

/// Settings of the TLS listeners.
#[derive(Clone)]
pub struct TlsSettings {
    /// The server's certificates.
    pub certificates: Arc<Certificates>,
    /// The CAs for phone certificates.
    pub issuers: Arc<ClientCaStore>,
    /// Records failed handshakes.
    pub failures: Arc<FailedHandshakes>,
    /// Limits per source.
    pub bounds: Bounds,
}

/// What to listen on.
pub struct ListenAddresses {
    /// `[http] listen`.
    pub http: Vec<String>,
    /// `[https] listen`.
    pub https: Vec<String>,
    /// Settings of the TLS listeners. Required if `https` is not empty.
    pub tls: Option<TlsSettings>,
    /// Time limits for clients.
    pub timeouts: Timeouts,
    /// Worker threads.
    pub workers: usize,
    /// Maximum number of open connections per worker. Further connections wait until one closes.
    pub connections_per_worker: usize,
    /// How long a stopping server waits for pending responses.
    pub shutdown: Duration,
}

/// A server and its addresses. It starts serving when it is awaited or spawned.
pub struct Listening {
    /// The server; its handle stops it.
    pub server: Server,
    /// Bound addresses of `[http]`.
    pub http: Vec<SocketAddr>,
    /// Bound addresses of `[https]`.
    pub https: Vec<SocketAddr>,
}

/// Binds the listeners for phones, PBXs, and browsers.
pub fn listen(addresses: &ListenAddresses, deps: &Arc<AppState>) -> Result<Listening, ListenError> {
    let mut server = Server::build()
        .shutdown_timeout(addresses.shutdown.as_secs())
        .disable_signals()
        .workers(addresses.workers)
        .max_concurrent_connections(addresses.connections_per_worker);
    let most = addresses.connections_per_worker.saturating_mul(addresses.workers);
    let proxies = &deps.proxies.trusted;
    let admission = PlainConnectionFilter {
        gate: ConnectionLimiter::new(UNFINISHED, proxies.clone(), Arc::clone(&deps.clock)),
        capacity: SourceShares::new(most, proxies.clone()),
    };
    let shutdown = server.graceful_shutdown_signal();
    let (mut http, mut https, timeouts) = (Vec::new(), Vec::new(), addresses.timeouts);
    for address in &addresses.http {
        let section = "[http] listen";
        let socket = bind(address, section, &mut http)?;
        let (deps, shutdown, admission) = (deps.clone(), shutdown.clone(), admission.clone());
        let service = move || connections::plain(deps.clone(), shutdown.clone(), admission.clone(), timeouts);
        server = server.listen(format!("http {address}"), socket, service).map_err(failed(address, section))?;
    }
    if !addresses.https.is_empty() {
        let tls = addresses
            .tls
            .as_ref()
            .ok_or_else(|| rustls::Error::General("[https] certificate and key are needed".to_owned()))?;
        // All addresses share one configuration, so that a session started at one address can be resumed at another.
        let handshakes = PhoneTlsAcceptor {
            config: Arc::new(tls.certificates.server_config()?),
            gate: ConnectionLimiter::new(tls.bounds, proxies.clone(), Arc::clone(&deps.clock)),
            capacity: Arc::clone(&admission.capacity),
            failures: Arc::clone(&tls.failures),
            clock: Arc::clone(&deps.clock),
            handshake_timeout: timeouts.handshake,
        };
        for address in &addresses.https {
            let section = "[https] listen";
            let socket = bind(address, section, &mut https)?;
            let (deps, shutdown) = (deps.clone(), shutdown.clone());
            let (handshakes, issuers) = (handshakes.clone(), Arc::clone(&tls.issuers));
            let service = move || {
                connections::over_tls(deps.clone(), shutdown.clone(), handshakes.clone(), issuers.clone(), timeouts)
            };
            server = server.listen(format!("https {address}"), socket, service).map_err(failed(address, section))?;
        }
    }
    Ok(Listening { server: server.run(), http, https })
}

/// Binds the operations listener with a limit on concurrent connections. Returns `None` if no address is configured.
pub fn listen_ops(
    addresses: &[String],
    connections: usize,
    readiness: &Arc<dyn Readiness>,
    metrics: &MetricsText,
) -> Result<Option<Listening>, ListenError> {
    if addresses.is_empty() {
        return Ok(None);
    }
    let (readiness, metrics) = (readiness.clone(), metrics.clone());
    let mut server = HttpServer::new(move || {
        App::new().configure(health_and_metrics::configure(readiness.clone(), metrics.clone()))
    })
    .workers(1)
    .max_connections(connections)
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
