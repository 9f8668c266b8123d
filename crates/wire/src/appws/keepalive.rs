//! Whether a peer is still there: a machine that lost its power or its way says no goodbye. Not every peer answers
//! websocket pings (RFC 6455 demands it) or KeepAlives, so that only one that has answered before is expected to answer
//! again.

use std::time::Duration;

/// Between two websocket pings, so that a dead peer is noticed and middleboxes keep the connection.
pub const PING: Duration = Duration::from_secs(30);

/// Pings in a row without any sign of life after which the peer is gone.
const UNANSWERED: u8 = 3;

/// What was heard between pings.
#[derive(Debug, Default)]
pub struct Keepalive {
    answers_pings: bool,
    unanswered: u8,
}

impl Keepalive {
    /// Something came.
    pub fn received(&mut self) {
        self.unanswered = 0;
    }

    /// The answer to a ping (or a KeepAlive) came.
    pub fn answered(&mut self) {
        self.answers_pings = true;
        self.unanswered = 0;
    }

    /// It is time for the next question; false when the peer is gone instead.
    #[must_use]
    pub fn ping(&mut self) -> bool {
        if self.answers_pings && self.unanswered >= UNANSWERED {
            return false;
        }
        self.unanswered = self.unanswered.saturating_add(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_answered_once_and_is_silent_for_three_pings_is_gone() {
        let mut pulse = Keepalive::default();
        assert!(pulse.ping());
        pulse.answered();
        assert!((0..3).all(|_| pulse.ping()));
        assert!(!pulse.ping());
        pulse.received();
        assert!((0..3).all(|_| pulse.ping()), "any sign of life counts");
        assert!(!pulse.ping());
    }

    #[test]
    fn who_never_answers_pings_is_not_expected_to() {
        let mut pulse = Keepalive::default();
        for _ in 0..1_000 {
            assert!(pulse.ping());
        }
        pulse.received();
        assert!(pulse.ping());
    }
}
