//! Feeds the bytes of a websocket in arbitrary pieces through both wrappers of the frame inspector. The first three
//! bytes select limits and pieces; the rest is the data sent by the peer.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use actix_http::error::PayloadError;
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use gangway::net::frames::{FrameGate, FrameReader, FrameRoom, FrameStream};
use gangway_wire::websocket::FrameLimits;
use tokio::io::{AsyncRead, ReadBuf};

/// Maximum length of header and mask.
const HEADER: usize = 14;
const ROOM: u64 = 1 << 20;

pub fn enter(data: &[u8]) {
    let [kind, pieces, buffer, sent @ ..] = data else { return };
    let frame = [4_096, 125, 1_000, 65_536][usize::from(kind & 3)];
    let limits = FrameLimits { frame, message: frame * 2, total: (kind & 4 != 0).then_some(1_000) };
    let (allowed, ends) = allowed(sent, &limits);
    let pieces = usize::from(*pieces) + 1;

    let taken = through_a_stream(sent, pieces, limits);
    compare(&taken, sent, allowed, &ends);

    let room = FrameRoom::new(ROOM);
    let taken = through_a_reader(sent, pieces, usize::from(*buffer) * 8 + 1, limits, &room);
    compare(&taken, sent, allowed, &ends);
    assert_eq!(room.free(), ROOM, "room is given back");
}

/// A separate implementation that parses the input in one go: where the first rejected frame begins, and where the
/// frames before it end.
fn allowed(sent: &[u8], limits: &FrameLimits) -> (usize, Vec<usize>) {
    let (mut at, mut message, mut ends) = (0, 0_u128, Vec::new());
    while let [first, second, rest @ ..] = &sent[at..] {
        let is_control = first & 0x08 != 0;
        let (length, extended) = match second & 0x7f {
            short @ (126 | 127) if is_control => (u128::from(short), 0),
            126 if rest.len() >= 2 => (u128::from(rest[0]) << 8 | u128::from(rest[1]), 2),
            127 if rest.len() >= 8 => (u128::from(u64::from_be_bytes(rest[..8].try_into().unwrap())), 8),
            126 | 127 => return (sent.len(), ends),
            short => (u128::from(short), 0),
        };
        let whole = 2 + extended + if second & 0x80 != 0 { 4 } else { 0 } + length;
        let is_refused = if is_control {
            length > 125
        } else {
            length > limits.frame as u128 || message + length > limits.message as u128
        };
        if is_refused || limits.total.is_some_and(|total| at as u128 + whole > u128::from(total)) {
            return (at, ends);
        }
        if !is_control {
            message = if first & 0x80 != 0 { 0 } else { message + length };
        }
        let whole = usize::try_from(whole).unwrap();
        if sent.len() - at < whole {
            return (sent.len(), ends);
        }
        at += whole;
        ends.push(at);
    }
    (sent.len(), ends)
}

fn compare(taken: &[u8], sent: &[u8], allowed: usize, ends: &[usize]) {
    assert_eq!(taken, &sent[..taken.len()], "bytes are changed");
    assert!(taken.len() >= allowed, "{} of {allowed} bytes are handed on", taken.len());
    // If a header arrives in pieces, its first bytes pass before its length is known.
    assert!(taken.len() - allowed < HEADER, "{} bytes of a refused frame are handed on", taken.len() - allowed);
    assert!(ends.last().is_none_or(|end| *end <= allowed));
}

/// Reads like the framing library of an incoming socket: until there is no more data, then it takes the complete
/// frames.
fn through_a_stream(sent: &[u8], pieces: usize, limits: FrameLimits) -> Vec<u8> {
    let gate = FrameGate::new(limits);
    let mut stream = FrameStream::new(Pieces { left: sent, size: pieces }, gate.clone());
    let mut cx = Context::from_waker(Waker::noop());
    let (mut taken, mut held) = (Vec::new(), 0);
    loop {
        match Pin::new(&mut stream).poll_next(&mut cx) {
            Poll::Ready(Some(Ok(bytes))) => {
                assert!(!bytes.is_empty());
                held += bytes.len();
                assert!(held <= limits.frame.max(125) + HEADER, "{held} bytes are held");
                taken.extend_from_slice(&bytes);
            }
            // The stream pauses after a frame, and the framing library takes that frame.
            Poll::Pending => held = 0,
            Poll::Ready(Some(Err(_))) => {
                assert!(gate.fault().is_some());
                assert!(
                    matches!(Pin::new(&mut stream).poll_next(&mut cx), Poll::Ready(None)),
                    "something after the end"
                );
                return taken;
            }
            Poll::Ready(None) => return taken,
        }
    }
}

fn through_a_reader(sent: &[u8], pieces: usize, buffer: usize, limits: FrameLimits, room: &FrameRoom) -> Vec<u8> {
    let (before, rest) = sent.split_at(sent.len().min(pieces));
    let mut reader = FrameReader::new(Pieces { left: rest, size: pieces }, BytesMut::from(before), limits, room);
    let mut cx = Context::from_waker(Waker::noop());
    let (mut taken, mut buffer) = (Vec::new(), vec![0; buffer]);
    loop {
        let mut buf = ReadBuf::new(&mut buffer);
        match Pin::new(&mut reader).poll_read(&mut cx, &mut buf) {
            Poll::Ready(Ok(())) if buf.filled().is_empty() => return taken,
            Poll::Ready(Ok(())) => taken.extend_from_slice(buf.filled()),
            Poll::Ready(Err(_)) => {
                assert!(Pin::new(&mut reader).poll_read(&mut cx, &mut buf).map(|read| read.is_err()).is_ready());
                return taken;
            }
            Poll::Pending => unreachable!("a peer that has sent everything"),
        }
        assert!(room.free() <= ROOM);
    }
}

/// A peer that sends this many bytes at once.
struct Pieces<'a> {
    left: &'a [u8],
    size: usize,
}

impl Pieces<'_> {
    fn next(&mut self, most: usize) -> &[u8] {
        let (piece, left) = self.left.split_at(self.left.len().min(self.size).min(most));
        self.left = left;
        piece
    }
}

impl Stream for Pieces<'_> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = self.next(usize::MAX);
        Poll::Ready((!piece.is_empty()).then(|| Ok(Bytes::copy_from_slice(piece))))
    }
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let piece = self.next(buf.remaining());
        buf.put_slice(piece);
        Poll::Ready(Ok(()))
    }
}
