//! A response body that reports when it was sent completely: the last byte was passed to the connection's buffers, and
//! these were flushed once without an error in between. An aborted response reports nothing.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

/// Size of a chunk: at most what a socket accepts at once, so that a client that disconnects midway is noticed.
const PIECE: usize = 16 * 1024;

/// The bytes, and a callback for when they have been sent.
pub struct DeliveryBody {
    bytes: Bytes,
    length: u64,
    flushed: bool,
    done: Option<Box<dyn FnOnce()>>,
}

impl DeliveryBody {
    /// Calls `done` after the last byte was taken and flushed. It is not called if the response is aborted.
    #[must_use]
    pub fn new(bytes: Bytes, done: impl FnOnce() + 'static) -> Self {
        let length = bytes.len() as u64;
        Self { bytes, length, flushed: false, done: Some(Box::new(done)) }
    }
}

impl MessageBody for DeliveryBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length)
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let this = self.get_mut();
        if !this.flushed {
            // The connection flushes its buffer whenever a body returns `Pending`, and drops the body if that fails. So
            // after one `Pending` before each chunk, the previous chunk counts as written.
            this.flushed = true;
            if this.bytes.len() as u64 != this.length {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        if this.bytes.is_empty() {
            if let Some(done) = this.done.take() {
                done();
            }
            return Poll::Ready(None);
        }
        this.flushed = false;
        let piece = this.bytes.split_to(this.bytes.len().min(PIECE));
        Poll::Ready(Some(Ok(piece)))
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::poll_fn, rc::Rc};

    use super::*;

    #[actix_web::test]
    async fn reports_only_what_was_taken_completely() {
        let done = Rc::new(Cell::new(false));
        let flag = done.clone();
        let mut body = DeliveryBody::new(Bytes::from(vec![7; 3 * PIECE + 1]), move || flag.set(true));
        let mut taken = 0;
        while let Some(Ok(piece)) = poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await {
            assert!(!done.get());
            taken += piece.len();
        }
        assert_eq!(taken, 3 * PIECE + 1);
        assert!(done.get());

        let done = Rc::new(Cell::new(false));
        let flag = done.clone();
        let mut body = DeliveryBody::new(Bytes::from_static(b"abc"), move || flag.set(true));
        let first = poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await;
        assert!(first.is_some());
        drop(body);
        assert!(!done.get(), "an aborted answer is no delivery");
    }
}
