//! Accepts TLS connections. The gateway does this itself because a phone that rejects its certificate never sends a
//! request: every failed handshake is counted and recorded with the client, the requested name, and the reason.

use std::{
    cell::RefCell,
    io,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_service::{Service, ServiceFactory};
use actix_web::rt::net::TcpStream;
use futures_util::future::{LocalBoxFuture, Ready, ready as at_once};
use gangway_base::clock::SharedClock;
use metrics::Counter;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    connection_limiter::{ConnectionLimiter, ConnectionPermit, ConnectionRejection},
    source_shares::{SharePermit, SourceShares},
};
use crate::{
    base::telemetry::metric::{Metric, increment},
    net::{
        client_hello,
        handshake_failures::{FailedHandshake, FailedHandshakes, Failure},
    },
};

/// A client's TCP stream. It records the first bytes until the handshake is done.
pub struct RecordedStream {
    io: TcpStream,
    first: Option<First>,
}

/// Shared with the task that waits for the handshake, because a failed handshake consumes the stream.
type First = Rc<RefCell<Vec<u8>>>;

impl AsyncRead for RecordedStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        if let Some(first) = &mut this.first {
            let new = buf.filled().get(before..).unwrap_or_default();
            let mut first = first.borrow_mut();
            let room = client_hello::MOST.saturating_sub(first.len()).min(new.len());
            first.extend_from_slice(new.get(..room).unwrap_or_default());
        }
        Poll::Ready(Ok(()))
    }
}

/// Forwards writes unchanged.
macro_rules! hand_writing_on {
    ($of:ty, $to:ident) => {
        impl AsyncWrite for $of {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.get_mut().$to).poll_write(cx, bytes)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.get_mut().$to).poll_flush(cx)
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.get_mut().$to).poll_shutdown(cx)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                parts: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.get_mut().$to).poll_write_vectored(cx, parts)
            }

            fn is_write_vectored(&self) -> bool {
                self.$to.is_write_vectored()
            }
        }
    };
}

hand_writing_on!(RecordedStream, io);
hand_writing_on!(Secured, stream);

/// A connection whose handshake is done. It occupies a slot of its source until it ends.
pub struct Secured {
    stream: TlsStream<RecordedStream>,
    share_permit: Option<SharePermit>,
    _permit: ConnectionPermit,
}

impl Secured {
    /// Takes this connection's slot among all connections, for the caller to keep.
    pub fn take_permit(&mut self) -> Option<SharePermit> {
        self.share_permit.take()
    }

    /// The negotiated TLS session. A resumed session has the client certificate of the original one.
    #[must_use]
    pub fn session(&self) -> &rustls::ServerConnection {
        self.stream.get_ref().1
    }
}

impl AsyncRead for Secured {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

/// Creates the acceptor of a worker.
#[derive(Clone)]
pub struct PhoneTlsAcceptor {
    /// Certificates, protocol versions, and tickets.
    pub config: Arc<ServerConfig>,
    /// Limits per source.
    pub gate: Arc<ConnectionLimiter>,
    /// The limit for the connections of all listeners.
    pub capacity: Arc<SourceShares>,
    /// Records failed handshakes.
    pub failures: Arc<FailedHandshakes>,
    /// The clock.
    pub clock: SharedClock,
    /// Time limit for a handshake.
    pub handshake_timeout: Duration,
}

/// Why a connection does not get to its first request. It has been logged and counted by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeEnd {
    /// The source has too many connections.
    TurnedAway,
    /// The handshake failed.
    Failed,
}

/// The acceptor of a worker.
pub struct TlsAccept {
    parts: PhoneTlsAcceptor,
    acceptor: TlsAcceptor,
    done: [Counter; 2],
}

impl ServiceFactory<TcpStream> for PhoneTlsAcceptor {
    type Response = (Secured, Option<SocketAddr>);
    type Error = HandshakeEnd;
    type Config = ();
    type Service = TlsAccept;
    type InitError = ();
    type Future = Ready<Result<TlsAccept, ()>>;

    fn new_service(&self, (): ()) -> Self::Future {
        let done = [("full", Metric::Handshakes), ("resumed", Metric::Handshakes)]
            .map(|(kind, metric)| metrics::counter!(metric.name(), "kind" => kind));
        at_once(Ok(TlsAccept { parts: self.clone(), acceptor: TlsAcceptor::from(Arc::clone(&self.config)), done }))
    }
}

impl Service<TcpStream> for TlsAccept {
    type Response = (Secured, Option<SocketAddr>);
    type Error = HandshakeEnd;
    type Future = LocalBoxFuture<'static, Result<Self::Response, HandshakeEnd>>;

    /// Always ready: slow handshakes of one source must not delay the others. The connection limits apply instead.
    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), HandshakeEnd>> {
        Poll::Ready(Ok(()))
    }

    fn call(&self, io: TcpStream) -> Self::Future {
        let (parts, acceptor, done) = (self.parts.clone(), self.acceptor.clone(), self.done.clone());
        Box::pin(async move {
            // Without a peer address the connection is already closed.
            let Ok(peer) = io.peer_addr() else { return Err(HandshakeEnd::Failed) };
            let share_permit = parts.capacity.enter(peer.ip()).map_err(|why| rejected(peer, why))?;
            let permit = parts.gate.enter(peer.ip()).map_err(|why| rejected(peer, why))?;
            // The small messages of the handshake must not wait for each other.
            let _ = io.set_nodelay(true);
            let first = First::default();
            let accept = acceptor.accept(RecordedStream { io, first: Some(Rc::clone(&first)) });
            let error = match tokio::time::timeout(parts.handshake_timeout, accept).await {
                Ok(Ok(mut stream)) => {
                    stream.get_mut().0.first = None;
                    let resumed = stream.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
                    let [full, again] = &done;
                    if resumed {
                        again.increment(1);
                    } else {
                        full.increment(1);
                    }
                    return Ok((Secured { stream, share_permit: Some(share_permit), _permit: permit }, Some(peer)));
                }
                Ok(Err(error)) => error,
                Err(_) => io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long"),
            };
            parts.failed(peer, &first.borrow(), &error);
            Err(HandshakeEnd::Failed)
        })
    }
}

impl PhoneTlsAcceptor {
    fn failed(&self, peer: SocketAddr, heard: &[u8], error: &io::Error) {
        // A port scan or a health check that sends nothing is not a phone.
        if heard.is_empty() && error.kind() != io::ErrorKind::TimedOut {
            increment(Metric::HandshakesFailed, &[("reason", "silent")]);
            return;
        }
        let failed = FailedHandshake::new(self.clock.now(), peer.ip(), heard, error);
        increment(Metric::HandshakesFailed, &[("reason", failed.failure.as_str())]);
        let (address, name) = (failed.peer, failed.server_name.as_deref().unwrap_or("-"));
        let (alert, versions) = (failed.alert.unwrap_or("-"), failed.versions.as_str());
        let first = failed.failure == Failure::CertificateRefused
            && self.failures.refusal(hour_before(failed.at), |old| old.peer == failed.peer).is_none();
        let (what, detail) = (failed.failure.text(), failed.detail.as_str());
        if first {
            tracing::info!(%address, name, alert, versions, detail, "TLS handshake failed: {what}");
        } else {
            tracing::debug!(%address, name, alert, versions, detail, "TLS handshake failed: {what}");
        }
        self.failures.note(failed);
    }
}

/// Logs rejections of one source at most once an hour, because a phone retries continuously.
fn hour_before(now: jiff::Timestamp) -> jiff::Timestamp {
    now.saturating_sub(Duration::from_secs(3600)).unwrap_or(jiff::Timestamp::MIN)
}

fn rejected(peer: SocketAddr, why: ConnectionRejection) -> HandshakeEnd {
    why.note(peer.ip());
    HandshakeEnd::TurnedAway
}
