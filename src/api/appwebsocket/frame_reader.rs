//! Reads messages from incoming sockets. Before login the client is unknown, so messages are limited to the size of a
//! login, and their total size is limited as well. After login, messages may be long and fragmented in any way. Both
//! limits are checked against the frame header ([`gangway_wire::websocket`]).

use actix_http::BoxedPayloadStream;
use actix_web::{
    FromRequest, HttpRequest, HttpResponse, dev,
    web::{self, Bytes, BytesMut},
};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, Item, Message, MessageStream, ProtocolError};
use gangway_wire::{
    appws::{IN_LIMIT, PRE_LOGIN_LIMIT},
    websocket::{FrameFault, FrameLimits},
};

use crate::net::frames::{FrameGate, FrameStream};

/// Maximum number of bytes before login; a login needs two messages.
const PRE_LOGIN_TOTAL: u64 = 32 * PRE_LOGIN_LIMIT as u64;
const BEFORE_LOGIN: FrameLimits =
    FrameLimits { frame: PRE_LOGIN_LIMIT, message: PRE_LOGIN_LIMIT, total: Some(PRE_LOGIN_TOTAL) };
const KNOWN: FrameLimits = FrameLimits { frame: IN_LIMIT, message: IN_LIMIT, total: None };

/// The messages of one socket.
pub(super) struct Incoming {
    gate: FrameGate,
    stage: Option<Stage>,
}

enum Stage {
    BeforeLogin { stream: MessageStream, pieces: BytesMut },
    LoggedIn(AggregatedMessageStream),
}

/// Why the socket is closed for its input.
#[derive(Debug)]
pub(super) struct FrameRejection {
    /// The close code for the peer.
    pub(super) code: CloseCode,
    /// The reason for the peer.
    pub(super) reason: String,
}

/// Answers an upgrade request.
pub(super) async fn open(
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<(HttpResponse, actix_ws::Session, Incoming), actix_web::Error> {
    let gate = FrameGate::new(BEFORE_LOGIN);
    let checked: BoxedPayloadStream = Box::pin(FrameStream::new(payload.into_inner(), gate.clone()));
    let mut checked = dev::Payload::from(checked);
    let payload = web::Payload::from_request(request, &mut checked).await?;
    let (response, session, stream) = actix_ws::handle(request, payload)?;
    Ok((response, session, Incoming::new(stream, gate)))
}

impl Incoming {
    /// Creates the reader of a socket before login.
    fn new(stream: MessageStream, gate: FrameGate) -> Self {
        let stream = stream.max_frame_size(PRE_LOGIN_LIMIT);
        Self { gate, stage: Some(Stage::BeforeLogin { stream, pieces: BytesMut::new() }) }
    }

    /// Accepts long messages after a login.
    pub(super) fn trust(&mut self) {
        self.gate.set(KNOWN);
        self.stage = match self.stage.take() {
            Some(Stage::BeforeLogin { stream, .. }) => Some(Stage::LoggedIn(
                stream.max_frame_size(IN_LIMIT).aggregate_continuations().max_continuation_size(IN_LIMIT),
            )),
            other => other,
        };
    }

    /// Returns the next message. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Result<AggregatedMessage, FrameRejection>> {
        Some(self.message().await?.map_err(|error| self.refusal(&error)))
    }

    async fn message(&mut self) -> Option<Result<AggregatedMessage, ProtocolError>> {
        match self.stage.as_mut()? {
            Stage::LoggedIn(stream) => stream.recv().await,
            Stage::BeforeLogin { stream, pieces } => loop {
                let message = match stream.recv().await? {
                    Ok(message) => message,
                    Err(error) => return Some(Err(error)),
                };
                if let Some(whole) = whole(message, pieces).transpose() {
                    return Some(whole);
                }
            },
        }
    }

    fn refusal(&self, error: &ProtocolError) -> FrameRejection {
        let Some(fault) = self.gate.fault() else {
            let code = if matches!(error, ProtocolError::Overflow) { CloseCode::Size } else { CloseCode::Protocol };
            return FrameRejection { code, reason: error.to_string() };
        };
        let code = match fault {
            FrameFault::FrameTooLong { .. } | FrameFault::MessageTooLong { .. } => CloseCode::Size,
            FrameFault::ControlTooLong => CloseCode::Protocol,
            FrameFault::TotalTooLong { .. } => CloseCode::Policy,
        };
        FrameRejection { code, reason: fault.to_string() }
    }
}

/// Joins a fragmented text, up to the maximum length of a login.
fn whole(message: Message, pieces: &mut BytesMut) -> Result<Option<AggregatedMessage>, ProtocolError> {
    let (piece, first, last) = match message {
        Message::Text(text) => return Ok(Some(AggregatedMessage::Text(text))),
        Message::Binary(bytes) => return Ok(Some(AggregatedMessage::Binary(bytes))),
        Message::Ping(bytes) => return Ok(Some(AggregatedMessage::Ping(bytes))),
        Message::Pong(bytes) => return Ok(Some(AggregatedMessage::Pong(bytes))),
        Message::Close(reason) => return Ok(Some(AggregatedMessage::Close(reason))),
        Message::Nop => return Ok(None),
        Message::Continuation(Item::FirstText(piece)) => (piece, true, false),
        Message::Continuation(Item::FirstBinary(_)) => return Err(ProtocolError::ContinuationNotStarted),
        Message::Continuation(Item::Continue(piece)) => (piece, false, false),
        Message::Continuation(Item::Last(piece)) => (piece, false, true),
    };
    if first {
        pieces.clear();
    }
    if pieces.len() + piece.len() > PRE_LOGIN_LIMIT {
        return Err(ProtocolError::Overflow);
    }
    pieces.extend_from_slice(&piece);
    if !last {
        return Ok(None);
    }
    let text: Bytes = std::mem::take(pieces).freeze();
    let text = String::from_utf8(text.to_vec()).map_err(|_error| ProtocolError::BadOpCode)?;
    Ok(Some(AggregatedMessage::Text(text.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(item: Item, pieces: &mut BytesMut) -> Result<Option<AggregatedMessage>, ProtocolError> {
        whole(Message::Continuation(item), pieces)
    }

    #[test]
    fn a_login_may_come_in_pieces_but_not_be_longer_than_one() {
        let mut pieces = BytesMut::new();
        assert!(piece(Item::FirstText(Bytes::from_static(b"{\"mt\":")), &mut pieces).unwrap().is_none());
        let text = piece(Item::Last(Bytes::from_static(b"\"x\"}")), &mut pieces).unwrap();
        assert_eq!(text, Some(AggregatedMessage::Text("{\"mt\":\"x\"}".into())));
        assert!(piece(Item::FirstText(vec![b'x'; PRE_LOGIN_LIMIT].into()), &mut pieces).unwrap().is_none());
        assert!(matches!(piece(Item::Last(Bytes::from_static(b"x")), &mut pieces), Err(ProtocolError::Overflow)));
        pieces.clear();
        piece(Item::FirstText(Bytes::from_static(b"\xff")), &mut pieces).unwrap();
        assert!(piece(Item::Last(Bytes::new()), &mut pieces).is_err());
    }
}
