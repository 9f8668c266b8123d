//! Websocket client: connects, joins fragments, answers pings, and keeps the memory of an idle connection small. It
//! does not interpret messages. It is not `Send` and stays on one arbiter thread.

use std::{
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use actix_codec::{Framed, FramedParts};
use actix_http::ws::Item;
pub use awc::ws::{CloseCode, CloseReason};
use awc::{
    BoxedSocket,
    error::{WsClientError, WsProtocolError},
    ws::{Codec, Frame, Message},
};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use futures_util::{Sink, Stream};
use gangway_wire::websocket::{FrameFault, FrameLimits};
use url::Url;

use super::{
    error::{NetError, host_label},
    frames::{FrameReader, FrameRefusal, FrameRoom},
};

/// Read buffer of an idle connection. The framing library allocates 8 KiB whenever less than 1 KiB is free, so this
/// must be more than 1 KiB. Small messages fit.
const IDLE_READ_BUFFER: usize = 2 * 1024;
/// A larger read buffer is released as soon as it is empty.
const KEPT_READ_BUFFER: usize = 4 * 1024;
/// Total size of incomplete messages longer than 16 KiB on all connections of one [`WsConnector`], in bytes.
const LONG_MESSAGES: u64 = 16 << 20;
/// Time limit for the peer to answer a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Limits of a connection.
#[derive(Debug, Clone, Copy)]
pub struct WsLimits {
    /// Maximum size of a frame, in bytes.
    pub max_frame: usize,
    /// Maximum size of a message including all fragments, in bytes.
    pub max_message: usize,
    /// For name resolution and TCP.
    pub connect: Duration,
    /// For TLS, and again for the response to the upgrade.
    pub handshake: Duration,
    /// For writing one message to the network.
    pub write: Duration,
}

impl Default for WsLimits {
    fn default() -> Self {
        Self {
            max_frame: 1024 * 1024,
            max_message: 1024 * 1024,
            connect: Duration::from_secs(5),
            handshake: Duration::from_secs(5),
            write: Duration::from_secs(10),
        }
    }
}

/// A websocket message or control frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WsFrame {
    /// A complete text message.
    Text(ByteString),
    /// A complete binary message.
    Binary(Bytes),
    /// Received: already answered. Sent: expects a pong.
    Ping(Bytes),
    /// The answer to a ping.
    Pong(Bytes),
    /// The peer closes the connection, or the gateway does.
    Close(Option<CloseReason>),
}

/// Opens connections with one TLS configuration and one set of limits. Cheap to clone.
#[derive(Clone)]
pub struct WsConnector {
    client: awc::Client,
    limits: WsLimits,
    room: FrameRoom,
}

impl WsConnector {
    /// Creates a connector for many connections.
    #[must_use]
    pub fn new(tls: Arc<rustls::ClientConfig>, limits: WsLimits) -> Self {
        // limit(0) means no limit: a websocket keeps its permit until it closes, and the default of 100 would block
        // further connections.
        let connector =
            awc::Connector::new().limit(0).timeout(limits.connect).handshake_timeout(limits.handshake).rustls_0_23(tls);
        let client = awc::Client::builder()
            .connector(connector)
            .timeout(limits.connect + limits.handshake + limits.handshake)
            .disable_redirects()
            .finish();
        Self { client, limits, room: FrameRoom::new(LONG_MESSAGES) }
    }

    /// Connects and upgrades. Accepts `ws`, `wss`, `http`, and `https`.
    pub async fn connect(&self, url: &Url) -> Result<WsConn, NetError> {
        let host = host_label(url);
        if !matches!(url.scheme(), "ws" | "wss" | "http" | "https") {
            return Err(NetError::Address { host, reason: format!("'{}' is no websocket scheme", url.scheme()) });
        }
        let time_limit = self.limits.connect + self.limits.handshake + self.limits.handshake;
        let mut request = self.client.ws(url.as_str()).max_frame_size(self.limits.max_frame);
        if let (Some(url::Host::Ipv6(address)), Some(port)) = (url.host(), url.port_or_known_default()) {
            // The resolver treats the brackets of an IPv6 address as part of a name.
            request = request.address((address, port).into());
        }
        let (_, framed) = request.connect().await.map_err(|error| refused(&host, &error, time_limit))?;
        let limits = FrameLimits { frame: self.limits.max_frame, message: self.limits.max_message, total: None };
        let mut parts = framed.into_parts();
        // Frames may have arrived together with the response to the upgrade.
        let before = std::mem::take(&mut parts.read_buf);
        let mut framed = FramedParts::new(FrameReader::new(parts.io, before, limits, &self.room), parts.codec);
        framed.write_buf = parts.write_buf;
        let framed = Some(Framed::from_parts(framed));
        let mut connection = WsConn { framed, joining: None, limits: self.limits, host: host.into(), ended: false };
        connection.slim();
        Ok(connection)
    }
}

/// Connects once. For many connections use a [`WsConnector`].
pub async fn connect(tls: Arc<rustls::ClientConfig>, url: &Url, limits: WsLimits) -> Result<WsConn, NetError> {
    WsConnector::new(tls, limits).connect(url).await
}

fn refused(host: &str, error: &WsClientError, within: Duration) -> NetError {
    match error {
        WsClientError::InvalidResponseStatus(status) if status.is_redirection() => {
            NetError::Redirected { host: host.to_owned(), status: status.as_u16() }
        }
        WsClientError::InvalidResponseStatus(status) => {
            NetError::Status { host: host.to_owned(), status: status.as_u16() }
        }
        WsClientError::SendRequest(error) => NetError::from_send(host, error, within),
        other => NetError::Protocol { host: host.to_owned(), reason: other.to_string() },
    }
}

/// The message whose fragments are being joined.
struct Joining {
    text: bool,
    so_far: BytesMut,
}

/// An open websocket.
pub struct WsConn {
    /// Always present except while the buffers are replaced.
    framed: Option<Framed<FrameReader<BoxedSocket>, Codec>>,
    joining: Option<Box<Joining>>,
    limits: WsLimits,
    host: Rc<str>,
    ended: bool,
}

impl WsConn {
    /// `host:port` of the peer.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the next frame, or `None` after the end. Joins fragments and answers pings. The future may be dropped at
    /// any point and called again (usable in `select!`). After an error or a close, the next call returns `None`.
    pub async fn next(&mut self) -> Option<Result<WsFrame, NetError>> {
        loop {
            if self.ended {
                return None;
            }
            let Some(frame) = self.receive().await else {
                self.ended = true;
                return None;
            };
            let taken = frame.and_then(|frame| self.take(frame));
            match taken {
                Ok(None) => {}
                Ok(Some(frame)) => {
                    self.slim();
                    self.ended = matches!(frame, WsFrame::Close(_));
                    return Some(Ok(frame));
                }
                Err(error) => {
                    if matches!(error, NetError::TooLarge { .. }) {
                        self.refuse(CloseCode::Size);
                    }
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
    }

    /// Sends the reason for closing, as far as the network accepts it immediately.
    fn refuse(&mut self, code: CloseCode) {
        let Some(framed) = self.framed.as_mut() else { return };
        let mut framed = Pin::new(framed);
        if framed.as_mut().start_send(Message::Close(Some(code.into()))).is_ok() {
            let _ = Sink::<Message>::poll_flush(framed, &mut Context::from_waker(Waker::noop()));
        }
    }

    /// Reads one frame and at the same time flushes the write buffer (a pong, or the rest of a dropped `send`).
    async fn receive(&mut self) -> Option<Result<Frame, NetError>> {
        let host = Rc::clone(&self.host);
        let limit = self.limits.max_frame;
        let framed = self.framed.as_mut()?;
        let result = poll_fn(|cx| {
            let mut framed = Pin::new(&mut *framed);
            if !framed.is_write_buf_empty()
                && let Poll::Ready(Err(error)) = Sink::<Message>::poll_flush(framed.as_mut(), cx)
            {
                return Poll::Ready(Some(Err(error)));
            }
            framed.poll_next(cx)
        })
        .await?;
        Some(result.map_err(|error| broken(&host, &error, limit)))
    }

    fn take(&mut self, frame: Frame) -> Result<Option<WsFrame>, NetError> {
        Ok(Some(match frame {
            Frame::Text(bytes) => self.text(bytes)?,
            Frame::Binary(bytes) => WsFrame::Binary(self.whole(bytes)?),
            Frame::Continuation(item) => return self.join(item),
            Frame::Ping(payload) => {
                let host = Rc::clone(&self.host);
                if let Some(framed) = self.framed.as_mut() {
                    // Write only into the buffer, without an await. The next read flushes it.
                    Pin::new(framed)
                        .start_send(Message::Pong(payload.clone()))
                        .map_err(|error| broken(&host, &error, self.limits.max_frame))?;
                }
                WsFrame::Ping(payload)
            }
            Frame::Pong(payload) => WsFrame::Pong(payload),
            Frame::Close(reason) => WsFrame::Close(reason),
        }))
    }

    fn join(&mut self, item: Item) -> Result<Option<WsFrame>, NetError> {
        let (part, last) = match item {
            Item::FirstText(part) => {
                self.joining = Some(Box::new(Joining { text: true, so_far: BytesMut::new() }));
                (part, false)
            }
            Item::FirstBinary(part) => {
                self.joining = Some(Box::new(Joining { text: false, so_far: BytesMut::new() }));
                (part, false)
            }
            Item::Continue(part) => (part, false),
            Item::Last(part) => (part, true),
        };
        let Some(joining) = self.joining.as_mut() else {
            let reason = "a continuation without a beginning".to_owned();
            return Err(NetError::Protocol { host: self.host.to_string(), reason });
        };
        if joining.so_far.len() + part.len() > self.limits.max_message {
            return Err(self.too_large());
        }
        joining.so_far.extend_from_slice(&part);
        if !last {
            return Ok(None);
        }
        let Some(joined) = self.joining.take() else { return Ok(None) };
        let bytes = joined.so_far.freeze();
        Ok(Some(if joined.text { self.text(bytes)? } else { WsFrame::Binary(bytes) }))
    }

    fn text(&self, bytes: Bytes) -> Result<WsFrame, NetError> {
        let bytes = self.whole(bytes)?;
        ByteString::try_from(bytes).map(WsFrame::Text).map_err(|error| NetError::Protocol {
            host: self.host.to_string(),
            reason: format!("a text message that is not UTF-8 ({error})"),
        })
    }

    fn whole(&self, bytes: Bytes) -> Result<Bytes, NetError> {
        if bytes.len() > self.limits.max_message { Err(self.too_large()) } else { Ok(bytes) }
    }

    fn too_large(&self) -> NetError {
        NetError::TooLarge { host: self.host.to_string(), limit: self.limits.max_message }
    }

    /// Sends one frame to the network, within the write limit.
    pub async fn send(&mut self, frame: WsFrame) -> Result<(), NetError> {
        let host = Rc::clone(&self.host);
        let (limit, within) = (self.limits.max_frame, self.limits.write);
        let message = match frame {
            WsFrame::Text(text) => Message::Text(text),
            WsFrame::Binary(bytes) => Message::Binary(bytes),
            WsFrame::Ping(payload) => Message::Ping(payload),
            WsFrame::Pong(payload) => Message::Pong(payload),
            WsFrame::Close(reason) => Message::Close(reason),
        };
        let Some(framed) = self.framed.as_mut().filter(|_| !self.ended) else {
            return Err(NetError::Lost { host: host.to_string(), reason: "it is closed".to_owned() });
        };
        let sent = tokio::time::timeout(within, futures_util::SinkExt::send(framed, message)).await;
        match sent {
            Ok(Ok(())) => {
                self.slim();
                Ok(())
            }
            Ok(Err(error)) => {
                self.ended = true;
                Err(broken(&host, &error, limit))
            }
            Err(_) => {
                self.ended = true;
                Err(NetError::Timeout { host: host.to_string(), what: "take what was sent", within })
            }
        }
    }

    /// Sends a ping. The pong is returned by [`WsConn::next`].
    pub async fn ping(&mut self) -> Result<(), NetError> {
        self.send(WsFrame::Ping(Bytes::new())).await
    }

    /// Sends a close and waits briefly for the peer's close. Messages received meanwhile are dropped.
    pub async fn close(mut self, code: CloseCode, reason: &str) {
        let reason = CloseReason { code, description: (!reason.is_empty()).then(|| reason.to_owned()) };
        let close = async {
            if self.send(WsFrame::Close(Some(reason))).await.is_ok() {
                while let Some(Ok(frame)) = self.next().await {
                    if matches!(frame, WsFrame::Close(_)) {
                        break;
                    }
                }
            }
        };
        // Close anyway if the peer does not answer.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, close).await;
    }

    /// Releases buffers that a message has enlarged. The framing library never does: after one large message, a
    /// connection would keep its size until it closes. Codec and flags are preserved.
    fn slim(&mut self) {
        let Some(framed) = self.framed.take() else { return };
        let mut parts: FramedParts<_, _> = framed.into_parts();
        let capacity = parts.read_buf.capacity();
        if parts.read_buf.is_empty() && !(IDLE_READ_BUFFER / 2..=KEPT_READ_BUFFER).contains(&capacity) {
            parts.read_buf = BytesMut::with_capacity(IDLE_READ_BUFFER);
        }
        if parts.write_buf.is_empty() {
            parts.write_buf = BytesMut::new();
        }
        self.framed = Some(Framed::from_parts(parts));
    }
}

fn broken(host: &str, error: &WsProtocolError, limit: usize) -> NetError {
    match error {
        WsProtocolError::Io(io) => match io.get_ref().and_then(|inner| inner.downcast_ref::<FrameRefusal>()) {
            Some(FrameRefusal::Fault(
                FrameFault::FrameTooLong { limit, .. } | FrameFault::MessageTooLong { limit },
            )) => NetError::TooLarge { host: host.to_owned(), limit: *limit },
            Some(refusal) => NetError::Protocol { host: host.to_owned(), reason: refusal.to_string() },
            None => NetError::from_io(host, io, true),
        },
        WsProtocolError::Overflow => NetError::TooLarge { host: host.to_owned(), limit },
        other => NetError::Protocol { host: host.to_owned(), reason: other.to_string() },
    }
}

#[cfg(test)]
mod tests;
