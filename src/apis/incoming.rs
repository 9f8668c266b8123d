//! What comes in over a socket that somebody opened to us. Before login a stranger decides what is sent, so nothing
//! longer than a login gets into memory; after it messages may be long and come in pieces of any size.

use actix_web::web::{Bytes, BytesMut};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, Item, Message, MessageStream, ProtocolError};

use crate::wire::appws::{IN_LIMIT, PRE_LOGIN_LIMIT};

/// The messages of one socket.
pub(super) struct Incoming(Option<Stage>);

enum Stage {
    Stranger { stream: MessageStream, pieces: BytesMut },
    Known(AggregatedMessageStream),
}

impl Incoming {
    /// Of a socket nobody logged in on yet.
    pub(super) fn new(stream: MessageStream) -> Self {
        let stream = stream.max_frame_size(PRE_LOGIN_LIMIT);
        Self(Some(Stage::Stranger { stream, pieces: BytesMut::new() }))
    }

    /// Somebody has logged in: long messages are taken from now on.
    pub(super) fn trust(&mut self) {
        self.0 = match self.0.take() {
            Some(Stage::Stranger { stream, .. }) => Some(Stage::Known(
                stream.max_frame_size(IN_LIMIT).aggregate_continuations().max_continuation_size(IN_LIMIT),
            )),
            other => other,
        };
    }

    /// The next message; safe to be dropped while it waits.
    pub(super) async fn next(&mut self) -> Option<Result<AggregatedMessage, ProtocolError>> {
        match self.0.as_mut()? {
            Stage::Known(stream) => stream.recv().await,
            Stage::Stranger { stream, pieces } => loop {
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
}

/// Joins a text that comes in pieces, as far as a login may be long.
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
