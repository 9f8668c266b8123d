//! Pending replies of one socket. Each request is a separate future, at most 64 at once. Requests with a `src` are
//! answered as they finish, requests without one in their order of arrival.

use std::{future::Future, pin::Pin};

use futures_util::{
    StreamExt,
    stream::{FuturesOrdered, FuturesUnordered},
};

/// Maximum number of open requests per socket.
pub const OPEN_REQUESTS: usize = 64;

type Reply = Pin<Box<dyn Future<Output = String>>>;

/// The open requests of a socket.
#[derive(Default)]
pub struct PendingReplies {
    any_order: FuturesUnordered<Reply>,
    in_order: FuturesOrdered<Reply>,
}

impl PendingReplies {
    /// Whether another request can be opened.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.len() < OPEN_REQUESTS
    }

    /// Returns the number of open requests.
    #[must_use]
    pub fn len(&self) -> usize {
        self.any_order.len() + self.in_order.len()
    }

    /// Adds a request. `has_src` is true if its answer can be matched by `src`.
    pub fn open(&mut self, has_src: bool, reply: impl Future<Output = String> + 'static) {
        if has_src {
            self.any_order.push(Box::pin(reply));
        } else {
            self.in_order.push_back(Box::pin(reply));
        }
    }

    /// Returns the next finished answer, or `None` if there are no open requests.
    pub async fn next(&mut self) -> Option<String> {
        match (self.any_order.is_empty(), self.in_order.is_empty()) {
            (true, true) => None,
            (false, true) => self.any_order.next().await,
            (true, false) => self.in_order.next().await,
            (false, false) => tokio::select! {
                answer = self.any_order.next() => answer,
                answer = self.in_order.next() => answer,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn a_slow_request_holds_up_only_those_that_cannot_be_told_apart() {
        let mut replies = PendingReplies::default();
        replies.open(true, pending());
        replies.open(true, ready("quick".to_owned()));
        assert_eq!(replies.next().await.as_deref(), Some("quick"));

        let (sender, slow) = tokio::sync::oneshot::channel::<()>();
        replies.open(false, async move {
            let _ = slow.await;
            "first".to_owned()
        });
        replies.open(false, ready("second".to_owned()));
        {
            let next = replies.next();
            tokio::pin!(next);
            assert!(futures_util::poll!(&mut next).is_pending());
        }
        drop(sender);
        assert_eq!(replies.next().await.as_deref(), Some("first"));
        assert_eq!(replies.next().await.as_deref(), Some("second"));
        assert_eq!(replies.len(), 1);
    }
}
