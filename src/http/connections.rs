//! How connections of phones, PBXs and people are served: HTTP/1.1 and nothing else, over TCP or TLS. Phones speak nothing
//! newer, websockets need it, and every limit here is one of HTTP/1.1; actix-web's own TLS listener would offer HTTP/2
//! by ALPN.

use std::{sync::Arc, time::Duration};

use actix_http::{
    Extensions, HttpServiceBuilder, Request, Response,
    body::BoxBody,
    error::DispatchError,
    h1::{ExpectHandler, H1Service, UpgradeHandler},
};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, map_config};
use actix_tls::accept::{
    TlsError,
    rustls_0_23::{Acceptor, TlsStream},
};
use actix_web::{App, HttpRequest, dev::AppConfig, rt::net::TcpStream};
use rustls::ServerConfig;

use super::{Deps, configure};

/// An idle connection is kept this long: a phone fetches its files in a row, then not for a day.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// A request's head must be there by then.
pub(super) const SLOW_REQUEST: Duration = Duration::from_secs(10);
/// A client that does not take its end of the connection is dropped after this.
pub(super) const SLOW_GOODBYE: Duration = Duration::from_secs(1);
/// A TLS handshake must be done by then: old phones take seconds.
const SLOW_HANDSHAKE: Duration = Duration::from_secs(10);
/// What is offered by ALPN. Clients that send no ALPN are served alike.
const ALPN: &[u8] = b"http/1.1";

/// Marks a connection that came over TLS up to us.
struct OverTls;

/// Whether the request's connection is encrypted up to us.
#[must_use]
pub fn is_over_tls(request: &HttpRequest) -> bool {
    request.conn_data::<OverTls>().is_some()
}

/// Completes when a graceful stop begins: idle connections are closed then.
pub(super) type Goodbye = actix_server::GracefulShutdownSignal;

fn settings<T, S>(goodbye: Goodbye) -> HttpServiceBuilder<T, S, ExpectHandler, UpgradeHandler>
where
    S: ServiceFactory<Request, Config = ()>,
    S::Error: Into<Response<BoxBody>> + 'static,
    S::InitError: std::fmt::Debug,
    <S::Service as Service<Request>>::Future: 'static,
{
    HttpServiceBuilder::default()
        .graceful_shutdown_signal(move || {
            let goodbye = goodbye.clone();
            async move { goodbye.notified().await }
        })
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(SLOW_REQUEST)
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

/// Plain connections of one worker.
pub(super) fn plain(
    deps: Arc<Deps>,
    goodbye: Goodbye,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()> {
    settings(goodbye).h1(application!(deps)).tcp()
}

/// TLS connections of one worker.
pub(super) fn over_tls(
    deps: Arc<Deps>,
    goodbye: Goodbye,
    mut config: ServerConfig,
) -> impl ServiceFactory<
    TcpStream,
    Config = (),
    Response = (),
    Error = TlsError<std::io::Error, DispatchError>,
    InitError = (),
> {
    config.alpn_protocols = vec![ALPN.to_vec()];
    let mut acceptor = Acceptor::new(config);
    acceptor.set_handshake_timeout(SLOW_HANDSHAKE);
    let served: H1Service<TlsStream<TcpStream>, _, _, _, _> = settings(goodbye)
        .on_connect_ext(|_: &TlsStream<TcpStream>, data: &mut Extensions| {
            data.insert(OverTls);
        })
        .h1(application!(deps));
    acceptor
        .map_init_err(|_| ())
        .map_err(TlsError::into_service_error)
        .map(|io: TlsStream<TcpStream>| {
            let peer = io.get_ref().0.peer_addr().ok();
            (io, peer)
        })
        .and_then(served.map_err(TlsError::Service))
}
