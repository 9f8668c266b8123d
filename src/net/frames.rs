//! Applies [`FrameInspector`] to incoming sockets (as a stream of payload) and to outgoing ones (as a connection). The
//! framing libraries buffer everything until a frame is complete, so their input ends before a rejected frame.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_http::error::PayloadError;
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use gangway_wire::websocket::{FrameFault, FrameInspector, FrameLimits};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The limits of one incoming socket, shared between its stream and its owner.
#[derive(Debug, Clone)]
pub struct FrameGate(Rc<(Cell<FrameLimits>, Cell<Option<FrameFault>>)>);

impl FrameGate {
    /// Starts with these limits.
    #[must_use]
    pub fn new(limits: FrameLimits) -> Self {
        Self(Rc::new((Cell::new(limits), Cell::new(None))))
    }

    /// Sets the limits from the next frame on.
    pub fn set(&self, limits: FrameLimits) {
        self.0.0.set(limits);
    }

    /// Returns why the stream ended, if a frame was rejected.
    #[must_use]
    pub fn fault(&self) -> Option<FrameFault> {
        self.0.1.get()
    }
}

/// The payload of an incoming socket, frame by frame. It returns `Pending` once after each frame, because the framing
/// library reads until nothing is left. So the library never has more than one frame, and a frame after a login is
/// checked after that login.
#[derive(Debug)]
pub struct FrameStream<S> {
    payload: S,
    gate: FrameGate,
    inspector: FrameInspector,
    /// Bytes received together with the previous frame.
    held: Bytes,
    rests: bool,
}

impl<S> FrameStream<S> {
    /// Wraps a payload.
    #[must_use]
    pub fn new(payload: S, gate: FrameGate) -> Self {
        Self { payload, gate, inspector: FrameInspector::default(), held: Bytes::new(), rests: false }
    }
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for FrameStream<S> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.gate.fault().is_some() {
            return Poll::Ready(None);
        }
        if std::mem::take(&mut this.rests) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        while this.held.is_empty() {
            match ready!(Pin::new(&mut this.payload).poll_next(cx)) {
                Some(Ok(bytes)) => this.held = bytes,
                other => return Poll::Ready(other),
            }
        }
        match this.inspector.inspect(&this.held, &this.gate.0.0.get()) {
            Ok(passage) => {
                this.rests = passage.ends_frame;
                Poll::Ready(Some(Ok(this.held.split_to(passage.length))))
            }
            Err(fault) => {
                this.gate.0.1.set(Some(fault));
                this.held = Bytes::new();
                Poll::Ready(Some(Err(PayloadError::Overflow)))
            }
        }
    }
}

/// A budget for incomplete long messages, shared by several connections. Otherwise a peer could start a long message on
/// each of thousands of connections and exhaust the memory without exceeding the limit of any connection.
#[derive(Debug, Clone)]
pub struct FrameRoom(Rc<Cell<u64>>);

/// Shorter messages do not count: a connection has a buffer of this size anyway.
const NEEDS_ROOM: u64 = 16 * 1024;

impl FrameRoom {
    /// Creates a budget in bytes.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        Self(Rc::new(Cell::new(bytes)))
    }

    /// Returns the number of free bytes.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.0.get()
    }
}

/// The part of a [`FrameRoom`] that one connection uses.
#[derive(Debug)]
struct Share {
    room: FrameRoom,
    taken: u64,
}

impl Share {
    /// Reserves `bytes` instead of the previous amount. Returns false if not enough is free.
    fn change(&mut self, bytes: u64) -> bool {
        let wanted = if bytes > NEEDS_ROOM { bytes } else { 0 };
        if wanted == self.taken {
            return true;
        }
        let free = self.room.free() + self.taken;
        let granted = if wanted > free { 0 } else { wanted };
        self.room.0.set(free - granted);
        self.taken = granted;
        granted == wanted
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.change(0);
    }
}

/// Why reading from a [`FrameReader`] failed; contained in the [`io::Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameRefusal {
    /// The frame's header was rejected.
    #[error(transparent)]
    Fault(#[from] FrameFault),
    /// Too many incomplete long messages at once.
    #[error("a long message was begun while others that are not complete take all the room for them")]
    NoRoom,
}

/// A connection that never returns bytes of a rejected frame.
#[derive(Debug)]
pub struct FrameReader<T> {
    io: T,
    limits: FrameLimits,
    inspector: FrameInspector,
    /// Bytes that were read before this reader was created.
    before: BytesMut,
    share: Share,
    refusal: Option<FrameRefusal>,
}

impl<T> FrameReader<T> {
    /// Wraps a connection from which `before` has already been read.
    #[must_use]
    pub fn new(io: T, before: BytesMut, limits: FrameLimits, room: &FrameRoom) -> Self {
        let share = Share { room: room.clone(), taken: 0 };
        Self { io, limits, inspector: FrameInspector::default(), before, share, refusal: None }
    }

    fn inspect(&mut self, bytes: &[u8]) -> usize {
        let mut passed = 0;
        while passed < bytes.len() && self.refusal.is_none() {
            match self.inspector.inspect(&bytes[passed..], &self.limits) {
                Ok(_) if !self.share.change(self.inspector.unfinished()) => self.refusal = Some(FrameRefusal::NoRoom),
                Ok(passage) => passed += passage.length,
                Err(fault) => self.refusal = Some(fault.into()),
            }
        }
        passed
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for FrameReader<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.refusal.is_none() {
            let begun = buf.filled().len();
            if this.before.is_empty() {
                ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
            } else {
                let length = this.before.len().min(buf.remaining());
                buf.put_slice(&this.before.split_to(length));
                if this.before.is_empty() {
                    // Release its memory.
                    this.before = BytesMut::new();
                }
            }
            let passed = this.inspect(&buf.filled()[begun..]);
            buf.set_filled(begun + passed);
            if passed > 0 {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Ready(match this.refusal {
            Some(refusal) => Err(io::Error::new(io::ErrorKind::InvalidData, refusal)),
            None => Ok(()),
        })
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for FrameReader<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
