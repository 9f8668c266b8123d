//! Lets awc read a response whose body ends with the connection (RFC 9112, 6.3, case 8). awc reads such a body only in
//! HTTP/1.0. The version of a response without a length is therefore changed to 1.0 before awc sees it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Longest response head that is examined, in bytes. A longer one is passed on as it is.
const HEAD_LIMIT: usize = 64 * 1024;
const READ: usize = 8 * 1024;

/// A connection on which one request follows the response to the one before, as awc sends them.
#[derive(Debug)]
pub(super) struct ResponseFraming<S> {
    stream: S,
    /// The head of the next response is not complete yet.
    in_head: bool,
    /// What was read of the head.
    head: Vec<u8>,
    /// What awc has not taken yet, from the beginning at `taken`.
    ready: Vec<u8>,
    taken: usize,
}

impl<S> ResponseFraming<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, in_head: true, head: Vec::new(), ready: Vec::new(), taken: 0 }
    }

    /// The connection.
    pub(super) fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Moves complete heads, and the body that was read with them, to what awc takes.
    fn examine(&mut self, is_end: bool) {
        while let Some(length) = self.head.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|at| at + 4) {
            let rest = self.head.split_off(length);
            let mut head = std::mem::replace(&mut self.head, rest);
            let is_interim = status(&head).is_some_and(|status| (100..200).contains(&status) && status != 101);
            if ends_with_connection(&head)
                && let Some(version) = head.get_mut(..8)
            {
                version.copy_from_slice(b"HTTP/1.0");
            }
            self.ready.extend(head);
            if !is_interim {
                self.in_head = false;
                self.ready.append(&mut self.head);
                return;
            }
        }
        if is_end || self.head.len() > HEAD_LIMIT {
            self.in_head = false;
            self.ready.append(&mut self.head);
        }
    }

    fn take(&mut self, buffer: &mut ReadBuf<'_>) {
        let rest = self.ready.get(self.taken..).unwrap_or_default();
        let some = rest.get(..buffer.remaining()).unwrap_or(rest);
        buffer.put_slice(some);
        self.taken += some.len();
        if self.taken == self.ready.len() {
            self.ready.clear();
            self.taken = 0;
        }
    }
}

fn status(head: &[u8]) -> Option<u16> {
    std::str::from_utf8(head.get(9..12)?).ok()?.parse().ok()
}

/// Whether the response has a body without a length.
fn ends_with_connection(head: &[u8]) -> bool {
    let has_body = status(head).is_some_and(|status| status >= 200 && !matches!(status, 204 | 304));
    let is_framed = head.split(|byte| *byte == b'\n').skip(1).any(|line| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"transfer-encoding")
    });
    head.starts_with(b"HTTP/1.1 ") && has_body && !is_framed
}

impl<S: AsyncRead + Unpin> AsyncRead for ResponseFraming<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.in_head && this.ready.is_empty() {
            let mut bytes = [0; READ];
            let mut read = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut read))?;
            this.head.extend_from_slice(read.filled());
            this.examine(read.filled().is_empty());
        }
        if !this.ready.is_empty() {
            this.take(buffer);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ResponseFraming<S> {
    /// A request is written after the response to the one before was read.
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.in_head = true;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// What awc reads of these bytes, which arrive in pieces of this size.
    async fn through(bytes: &[u8], piece: usize) -> Vec<u8> {
        let (client, mut server) = tokio::io::duplex(1 << 20);
        let mut framing = ResponseFraming::new(client);
        for piece in bytes.chunks(piece) {
            server.write_all(piece).await.unwrap();
        }
        drop(server);
        let mut read = Vec::new();
        framing.read_to_end(&mut read).await.unwrap();
        read
    }

    #[tokio::test]
    async fn only_a_body_without_a_length_changes_the_version() {
        let version = |response: &'static str| async move {
            for piece in [1, 7, 4096] {
                let read = String::from_utf8(through(response.as_bytes(), piece).await).unwrap();
                assert_eq!(read.len(), response.len());
                let changed = read.starts_with("HTTP/1.0");
                assert_eq!(read.get(8..), response.get(8..), "{piece}");
                assert_eq!(
                    changed,
                    response.contains("x-undelimited") || response.starts_with("HTTP/1.0"),
                    "{response}"
                );
            }
        };
        version("HTTP/1.1 200 OK\r\nx-undelimited: 1\r\nConnection: close\r\n\r\n<?xml?>").await;
        version("HTTP/1.1 500 no\r\nx-undelimited: 1\r\n\r\n").await;
        version("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab").await;
        version("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n").await;
        version("HTTP/1.1 204 No Content\r\n\r\n").await;
        version("HTTP/1.1 304 Not Modified\r\n\r\n").await;
        version("HTTP/1.0 200 OK\r\n\r\nab").await;
    }

    #[tokio::test]
    async fn an_interim_response_is_followed_by_another_head() {
        let both = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nbody";
        for piece in [1, 10, 4096] {
            assert_eq!(through(both, piece).await, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\nbody");
        }
    }

    #[tokio::test]
    async fn each_request_has_its_own_response() {
        let (client, mut server) = tokio::io::duplex(1 << 16);
        let mut framing = ResponseFraming::new(client);
        let mut buffer = [0; 200];
        for _ in 0..2 {
            framing.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            let response = b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
            server.write_all(response).await.unwrap();
            let mut read = Vec::new();
            while read.len() < response.len() {
                let count = framing.read(&mut buffer).await.unwrap();
                read.extend_from_slice(&buffer[..count]);
            }
            assert_eq!(read, response, "a body that looks like a head is left alone");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_added(bytes in prop::collection::vec(any::<u8>(), 0..400), piece in 1_usize..50) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let read = runtime.block_on(through(&bytes, piece));
            prop_assert_eq!(read.len(), bytes.len());
            prop_assert_eq!(read.get(8..), bytes.get(8..));
        }
    }
}
