//! A simulator's HTTP listener on a free loopback port. It can stop and restart on the same port, or move to another.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::{StatusCode, header},
    web,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::net::TcpSocket;

use crate::host::HostHandle;

type Configure = dyn Fn(&mut web::ServiceConfig) + Send + Sync;

/// The listener. Cheap to clone; all clones share the same state.
#[derive(Clone)]
pub(super) struct SimServer {
    host: HostHandle,
    configure: Arc<Configure>,
    place: Arc<Mutex<Place>>,
}

#[derive(Debug)]
struct Place {
    /// Bound and never listening: it keeps the port while the server is stopped, so that no other process on the machine
    /// gets it meanwhile.
    reserved: TcpSocket,
    address: SocketAddr,
    running: Option<ServerHandle>,
}

/// Reserves a free port. A listener may bind to it too, because both allow the address to be reused.
fn reserve() -> io::Result<(TcpSocket, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

impl std::fmt::Debug for SimServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimServer").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl SimServer {
    /// Binds a free port and serves what `configure` sets up.
    pub(super) async fn start(
        host: &HostHandle,
        configure: impl Fn(&mut web::ServiceConfig) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let (reserved, address) = reserve()?;
        let place = Place { reserved, address, running: None };
        let server = Self { host: host.clone(), configure: Arc::new(configure), place: Arc::new(Mutex::new(place)) };
        server.listen(address).await?;
        Ok(server)
    }

    /// The listening address. While the server is stopped, the address it listened on.
    pub(super) fn address(&self) -> SocketAddr {
        self.place(|place| place.address)
    }

    /// `http://127.0.0.1:<port>`.
    pub(super) fn base(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Closes the listener and every connection.
    pub(super) async fn stop(&self) {
        if let Some(running) = self.place(|place| place.running.take()) {
            running.stop(false).await;
        }
    }

    /// Starts listening again on the same port.
    pub(super) async fn start_again(&self) -> io::Result<()> {
        self.stop().await;
        self.listen(self.address()).await
    }

    /// Moves to another port permanently.
    pub(super) async fn move_away(&self) -> io::Result<()> {
        self.stop().await;
        let (reserved, address) = reserve()?;
        self.place(|place| place.reserved = reserved);
        self.listen(address).await
    }

    async fn listen(&self, address: SocketAddr) -> io::Result<()> {
        let configure = Arc::clone(&self.configure);
        let started = self
            .host
            .run(move |tasks| async move {
                let listener = TcpListener::bind(address)?;
                let address = listener.local_addr()?;
                let server = HttpServer::new(move || {
                    let configure = Arc::clone(&configure);
                    App::new().configure(move |services| configure(services))
                })
                .workers(1)
                .disable_signals()
                .shutdown_timeout(1)
                .listen(listener)?
                .run();
                let handle = server.handle();
                let stop = tasks.stop_token();
                let ending = handle.clone();
                tasks.spawn_local("sim listener", async move {
                    tokio::pin!(server);
                    tokio::select! {
                        _ = &mut server => return,
                        () = stop.cancelled() => {}
                    }
                    let (_, ()) = tokio::join!(server, ending.stop(false));
                });
                io::Result::Ok((address, handle))
            })
            .await
            .map_err(io::Error::other)??;
        self.place(|place| {
            place.address = started.0;
            place.running = Some(started.1);
        });
        Ok(())
    }

    fn place<R>(&self, work: impl FnOnce(&mut Place) -> R) -> R {
        work(&mut self.place.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Returns the account whose password the request shows with HTTP Basic authentication.
pub(super) fn account(accounts: &BTreeMap<String, String>, request: &HttpRequest) -> Option<String> {
    let (user, password) = basic(request)?;
    accounts.get(&user).is_some_and(|own| *own == password).then_some(user)
}

fn basic(request: &HttpRequest) -> Option<(String, String)> {
    let credentials = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let plain = String::from_utf8(BASE64_STANDARD.decode(credentials).ok()?).ok()?;
    let (user, password) = plain.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// The answer of a service in simulated failure: an HTTP status and a web page instead of its protocol.
pub(super) fn out_of_order(status: u16) -> HttpResponse {
    HttpResponse::build(StatusCode::from_u16(status).unwrap_or_default())
        .content_type("text/html")
        .body("<html><body>Service Unavailable</body></html>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fetch, host::SimHost};

    async fn status(host: &HostHandle, url: String) -> Option<u16> {
        let work = |_| async move { fetch::get(&url, &[]).await.ok().map(|answer| answer.status) };
        host.run(work).await.unwrap()
    }

    #[actix_rt::test]
    async fn a_server_goes_away_comes_back_and_moves() {
        let host = SimHost::start().unwrap();
        let handle = host.handle();
        let server = SimServer::start(&handle, |services| {
            services.default_service(web::to(HttpResponse::NoContent));
        })
        .await
        .unwrap();
        let first = server.base();
        assert_eq!(status(&handle, first.clone()).await, Some(204));
        server.stop().await;
        assert_eq!(status(&handle, first.clone()).await, None);
        server.start_again().await.unwrap();
        assert_eq!(server.base(), first);
        assert_eq!(status(&handle, first.clone()).await, Some(204));
        server.move_away().await.unwrap();
        assert_eq!(status(&handle, server.base()).await, Some(204));
        assert_eq!(status(&handle, first).await, None);
    }
}
