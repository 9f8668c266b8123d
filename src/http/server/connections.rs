//! Serves the connections of phones, PBXs, and browsers: HTTP/1.1 only, over TCP or TLS. Phones support nothing newer,
//! websockets need it, and all limits here apply to HTTP/1.1.

use std::{net::IpAddr, sync::Arc, time::Duration};

use actix_http::{
    Extensions, HttpServiceBuilder, Request, Response,
    body::BoxBody,
    error::DispatchError,
    h1::{ExpectHandler, H1Service, UpgradeHandler},
};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::{App, HttpRequest, dev::AppConfig, rt::net::TcpStream};

use super::{
    client_ca_store::{ClientCaStore, ClientCertificate},
    connection_limiter::{ConnectionLimiter, ConnectionRejection},
    source_shares::SourceShares,
    stall_timeout::{ConnectionPermits, StallLimits, StallTimeoutStream},
    tls_acceptor::{HandshakeEnd, PhoneTlsAcceptor, Secured},
};
use crate::http::{AppState, configure};

/// An idle connection is kept this long: a phone fetches its files one after the other and then nothing for a day.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Time limit for receiving the head of a request.
pub(crate) const SLOW_REQUEST: Duration = Duration::from_secs(10);
/// Time limit for a client to close its end of the connection.
pub(crate) const SLOW_GOODBYE: Duration = Duration::from_secs(1);
/// A client that does not read its response, or only sends the body of a rejected request, is disconnected after this
/// time. It is longer than the timeout for idle clients.
const SLOW_CLIENT: Duration = Duration::from_secs(40);
/// Time limit for a TLS handshake. Old phones need several seconds.
const SLOW_HANDSHAKE: Duration = Duration::from_secs(10);

/// Time limits for clients.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For a TLS handshake.
    pub handshake: Duration,
    /// For the head of a request.
    pub request: Duration,
    /// For a part of a response, and for the next request after it.
    pub stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { handshake: SLOW_HANDSHAKE, request: SLOW_REQUEST, stall: SLOW_CLIENT }
    }
}

impl Timeouts {
    fn stall_limits(self) -> StallLimits {
        StallLimits { head: self.request, stall: self.stall }
    }
}

/// Connection data of TLS connections, available to their requests.
struct OverTls {
    certificate: ClientCertificate,
}

/// Whether the request's connection uses TLS up to the gateway.
#[must_use]
pub fn is_over_tls(request: &HttpRequest) -> bool {
    request.conn_data::<OverTls>().is_some()
}

/// Returns the result of verifying the client certificate of the request's connection.
#[must_use]
pub fn certificate(request: &HttpRequest) -> &ClientCertificate {
    request.conn_data::<OverTls>().map_or(&ClientCertificate::None, |connection| &connection.certificate)
}

/// Completes when a graceful stop begins, so that idle connections are closed.
pub(crate) type CloseReporter = actix_server::GracefulShutdownSignal;

fn settings<T, S>(
    shutdown: CloseReporter,
    timeouts: Timeouts,
) -> HttpServiceBuilder<T, S, ExpectHandler, UpgradeHandler>
where
    S: ServiceFactory<Request, Config = ()>,
    S::Error: Into<Response<BoxBody>> + 'static,
    S::InitError: std::fmt::Debug,
    <S::Service as Service<Request>>::Future: 'static,
{
    HttpServiceBuilder::default()
        .graceful_shutdown_signal(move || {
            let shutdown = shutdown.clone();
            async move { shutdown.notified().await }
        })
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(timeouts.request)
        .client_disconnect_timeout(SLOW_GOODBYE)
        .tcp_nodelay(true)
}

macro_rules! application {
    ($deps:expr) => {
        map_config(
            App::new().configure(configure($deps)).into_factory().map_err(|error| error.error_response()),
            |()| AppConfig::default(),
        )
    };
}

/// Limits plain connections.
#[derive(Clone)]
pub(crate) struct PlainConnectionFilter {
    /// Limits a source's connections that have not sent a complete request.
    pub gate: Arc<ConnectionLimiter>,
    /// The limit for the connections of all listeners.
    pub capacity: Arc<SourceShares>,
}

impl PlainConnectionFilter {
    fn admit(&self, peer: IpAddr) -> Result<ConnectionPermits, ConnectionRejection> {
        let share_permit = self.capacity.enter(peer)?;
        let unfinished = self.gate.enter(peer).map_err(|_bound| ConnectionRejection::Unfinished)?;
        Ok(ConnectionPermits { unfinished: Some(unfinished), share_permit: Some(share_permit) })
    }
}

/// Serves the plain connections of one worker.
pub(crate) fn plain(
    deps: Arc<AppState>,
    shutdown: CloseReporter,
    admission: PlainConnectionFilter,
    timeouts: Timeouts,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = Option<DispatchError>, InitError = ()> {
    let served: H1Service<StallTimeoutStream<TcpStream>, _, _, _, _> = settings(shutdown, timeouts)
        .on_connect_ext(|io: &StallTimeoutStream<TcpStream>, data: &mut Extensions| {
            data.insert(io.stall_timer());
        })
        .h1(application!(deps));
    let accepted = fn_service(move |io: TcpStream| {
        // Without a peer address the connection is already closed.
        let admitted = io.peer_addr().map_err(|_gone| None).and_then(|peer| {
            let permits = admission.admit(peer.ip()).map_err(|why| {
                why.note(peer.ip());
                None
            })?;
            // Responses are small.
            let _ = io.set_nodelay(true);
            Ok((StallTimeoutStream::new(io, timeouts.stall_limits(), permits), Some(peer)))
        });
        std::future::ready(admitted)
    });
    accepted.and_then(served.map_err(Some))
}

/// Serves the TLS connections of one worker.
pub(crate) fn over_tls(
    deps: Arc<AppState>,
    shutdown: CloseReporter,
    handshakes: PhoneTlsAcceptor,
    issuers: Arc<ClientCaStore>,
    timeouts: Timeouts,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = Option<DispatchError>, InitError = ()> {
    let clock = Arc::clone(&handshakes.clock);
    let served: H1Service<StallTimeoutStream<Secured>, _, _, _, _> = settings(shutdown, timeouts)
        .on_connect_ext(move |io: &StallTimeoutStream<Secured>, data: &mut Extensions| {
            let chain = io.get_ref().session().peer_certificates().unwrap_or_default();
            data.insert(OverTls { certificate: issuers.verify(chain, clock.now()) });
            data.insert(io.stall_timer());
        })
        .h1(application!(deps));
    let paced = handshakes.map_err(|_: HandshakeEnd| None).map(move |(mut io, peer): (Secured, _)| {
        let permits = ConnectionPermits { unfinished: None, share_permit: io.take_permit() };
        (StallTimeoutStream::new(io, timeouts.stall_limits(), permits), peer)
    });
    paced.and_then(served.map_err(Some))
}
