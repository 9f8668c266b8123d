//! Closes connections that make no progress. The HTTP layer only has deadlines for the first request and for completely
//! idle connections. Without further deadlines, a client could keep its connection forever by sending one request and
//! half of the next, or the start of a body that is never read, or by not reading its response.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep_until},
};

use super::{connection_limiter::ConnectionPermit, source_shares::SharePermit};

/// Time limits for a client.
#[derive(Debug, Clone, Copy)]
pub struct StallLimits {
    /// From the first byte of a request to the end of its head.
    pub head: Duration,
    /// For a part of the response, and then for the next request.
    pub stall: Duration,
}

/// What the connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectionState {
    /// The first request; the HTTP layer has a deadline for it.
    Begins,
    /// The gateway, which is processing a request.
    Serves,
    /// The client, which must read the response and then send the next request or disconnect.
    Rests { until: Instant },
    /// The client, which must send the rest of a request head.
    Asks { until: Instant },
    /// No limit: the connection no longer uses HTTP.
    Other,
}

/// The slots of a connection. Released when it ends.
#[derive(Debug, Default)]
pub struct ConnectionPermits {
    /// Slot among the source's connections that have not sent a complete request.
    pub unfinished: Option<ConnectionPermit>,
    /// Slot among all connections.
    pub share_permit: Option<SharePermit>,
}

/// Progress of a connection, shared between its stream and its requests.
#[derive(Debug, Clone)]
pub struct StallTimer(Rc<Connection>);

#[derive(Debug)]
struct Connection {
    state: Cell<ConnectionState>,
    limits: StallLimits,
    permits: RefCell<ConnectionPermits>,
}

impl StallTimer {
    /// Creates the timer of a new connection.
    #[must_use]
    pub fn new(limits: StallLimits, permits: ConnectionPermits) -> Self {
        Self(Rc::new(Connection { state: Cell::new(ConnectionState::Begins), limits, permits: RefCell::new(permits) }))
    }

    fn enter(&self, state: ConnectionState) {
        self.0.state.set(state);
    }

    /// A request has arrived. There is no deadline until it is answered.
    pub fn serves(&self) {
        self.enter(ConnectionState::Serves);
        self.0.permits.borrow_mut().unfinished = None;
    }

    /// The request has been answered.
    pub fn answered(&self, now: Instant) {
        self.enter(ConnectionState::Rests { until: now + self.0.limits.stall });
    }

    /// The connection no longer uses HTTP. Its new protocol has separate deadlines and limits.
    pub fn leaves_http(&self) {
        self.enter(ConnectionState::Other);
        if let Some(share_permit) = &mut self.0.permits.borrow_mut().share_permit {
            share_permit.leave_source();
        }
    }

    /// Whether slots are scarce, so that the connection must be closed after its response.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.0.permits.borrow().share_permit.as_ref().is_some_and(SharePermit::is_crowded)
    }

    fn received(&self, now: Instant) {
        if let ConnectionState::Rests { until } = self.0.state.get() {
            self.enter(ConnectionState::Asks { until: until.min(now + self.0.limits.head) });
        }
    }

    fn sent(&self, now: Instant) {
        if let ConnectionState::Rests { .. } = self.0.state.get() {
            self.answered(now);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.0.state.get() {
            ConnectionState::Rests { until } | ConnectionState::Asks { until } => Some(until),
            ConnectionState::Begins | ConnectionState::Serves | ConnectionState::Other => None,
        }
    }
}

/// A stream that ends when its client makes no progress. Its slots are released when it is closed, even if one of its
/// requests is still being processed.
pub struct StallTimeoutStream<T> {
    io: T,
    stall_timer: StallTimer,
    timer: Option<Pin<Box<Sleep>>>,
    /// Time since which the client has read nothing.
    full_since: Option<Instant>,
}

impl<T> StallTimeoutStream<T> {
    /// Wraps a connection.
    #[must_use]
    pub fn new(io: T, limits: StallLimits, permits: ConnectionPermits) -> Self {
        Self { io, stall_timer: StallTimer::new(limits, permits), timer: None, full_since: None }
    }

    /// Returns the connection.
    #[must_use]
    pub fn get_ref(&self) -> &T {
        &self.io
    }

    /// Returns the timer, for the requests of the connection.
    #[must_use]
    pub fn stall_timer(&self) -> StallTimer {
        self.stall_timer.clone()
    }

    /// A connection that no longer uses HTTP has separate deadlines. But they cannot end a connection that accepts no
    /// data, not even the closing message, so a deadline for writes applies here.
    fn deadline(&self) -> Option<Instant> {
        match self.stall_timer.0.state.get() {
            ConnectionState::Other => self.full_since.map(|since| since + self.stall_timer.0.limits.stall),
            _ => self.stall_timer.deadline(),
        }
    }

    /// Whether the deadline has passed. If not, the task is woken when it does.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        while let Some(until) = self.deadline() {
            if Instant::now() >= until {
                return true;
            }
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until.into())));
            // A timer that fires too early is reset then, because responses are much more frequent than timeouts.
            if timer.deadline().into_std() > until || timer.is_elapsed() {
                timer.as_mut().reset(until.into());
            }
            if timer.as_mut().poll(cx).is_pending() {
                return false;
            }
        }
        false
    }
}

impl<T> Drop for StallTimeoutStream<T> {
    fn drop(&mut self) {
        self.stall_timer.0.permits.take();
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for StallTimeoutStream<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_over(cx) {
            // Return end of file, as if the client had disconnected. If the client reads nothing, only an error ends
            // the connection.
            let is_full = this.full_since.is_some();
            return Poll::Ready(if is_full { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) });
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut this.io).poll_read(cx, buf);
        if buf.filled().len() > before {
            this.stall_timer.received(Instant::now());
        }
        read
    }
}

impl<T> StallTimeoutStream<T> {
    fn noted(&mut self, written: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(1..)) = written {
            self.stall_timer.sent(Instant::now());
        }
        self.full(written, cx)
    }

    /// Returns the result of the write, or an error if the client has read nothing for too long.
    fn full<R>(&mut self, tried: Poll<io::Result<R>>, cx: &mut Context<'_>) -> Poll<io::Result<R>> {
        self.full_since = tried.is_pending().then(|| self.full_since.unwrap_or_else(Instant::now));
        // After a response, nothing is read until the task is woken, so register the timer here.
        let is_over = self.is_over(cx);
        if is_over && tried.is_pending() { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { tried }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for StallTimeoutStream<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.noted(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, parts);
        this.noted(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.io).poll_flush(cx);
        this.full(flushed, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSES: StallLimits = StallLimits { head: Duration::from_secs(10), stall: Duration::from_secs(40) };

    #[test]
    fn only_a_client_that_owes_us_something_has_a_deadline() {
        let (stall_timer, began) = (StallTimer::new(PAUSES, ConnectionPermits::default()), Instant::now());
        let after = |seconds| began + Duration::from_secs(seconds);
        stall_timer.received(began);
        assert_eq!(stall_timer.deadline(), None, "the first head");
        stall_timer.serves();
        stall_timer.received(began);
        stall_timer.sent(began);
        assert_eq!(stall_timer.deadline(), None, "a body, and the beginning of an answer");
        stall_timer.answered(began);
        assert_eq!(stall_timer.deadline(), Some(after(40)));
        stall_timer.sent(after(30));
        assert_eq!(stall_timer.deadline(), Some(after(70)), "a slow line that goes on");
        stall_timer.received(after(31));
        assert_eq!(stall_timer.deadline(), Some(after(41)), "a head that has begun");
        stall_timer.received(after(40));
        stall_timer.sent(after(40));
        assert_eq!(stall_timer.deadline(), Some(after(41)), "a byte now and then gains nothing");
        stall_timer.serves();
        stall_timer.answered(after(60));
        stall_timer.received(after(99));
        assert_eq!(stall_timer.deadline(), Some(after(100)));
        stall_timer.leaves_http();
        stall_timer.received(after(99));
        stall_timer.sent(after(99));
        assert_eq!(stall_timer.deadline(), None);
    }

    /// Accepts four bytes, then blocks.
    struct Clogged(usize);

    impl AsyncRead for Clogged {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Clogged {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            match self.0.min(bytes.len()) {
                0 => Poll::Pending,
                taken => {
                    self.0 -= taken;
                    Poll::Ready(Ok(taken))
                }
            }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn who_takes_no_answer_is_cut_off_and_who_is_silent_is_as_good_as_gone() {
        use std::future::poll_fn;
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let limits = StallLimits { head: Duration::from_millis(20), stall: Duration::from_millis(20) };
        let mut clogged = StallTimeoutStream::new(Clogged(4), limits, ConnectionPermits::default());
        clogged.stall_timer().answered(Instant::now());
        assert_eq!(clogged.write(b"abcdef").await.unwrap(), 4);
        poll_fn(|cx| {
            // The deadline may have passed already.
            assert!(!matches!(Pin::new(&mut clogged).poll_write(cx, b"ef"), Poll::Ready(Ok(_))));
            Poll::Ready(())
        })
        .await;
        let mut byte = [0; 1];
        assert_eq!(clogged.read(&mut byte).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let mut other = StallTimeoutStream::new(Clogged(4), limits, ConnectionPermits::default());
        other.stall_timer().leaves_http();
        assert_eq!(other.write(b"abcd").await.unwrap(), 4);
        assert_eq!(other.write(b"a").await.unwrap_err().kind(), io::ErrorKind::TimedOut, "no HTTP any more");
        let mut silent = StallTimeoutStream::new(Clogged(0), limits, ConnectionPermits::default());
        silent.stall_timer().answered(Instant::now());
        assert_eq!(silent.read(&mut byte).await.unwrap(), 0);
    }
}
