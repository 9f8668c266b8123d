//! Detects dead peers: a machine that loses power or network does not close its connections. Not every peer answers
//! websocket pings (which RFC 6455 requires) or KeepAlives, so only a peer that has answered before is expected to
//! answer again.

use std::time::Duration;

/// Interval between websocket pings. They detect dead peers and make middleboxes keep the connection open.
pub const PING: Duration = Duration::from_secs(30);

/// Number of consecutive pings without received data after which the peer counts as dead.
const UNANSWERED: u8 = 3;

/// Tracks which pings were answered.
#[derive(Debug, Default)]
pub struct Keepalive {
    answers_pings: bool,
    unanswered: u8,
}

impl Keepalive {
    /// Records that data was received.
    pub fn received(&mut self) {
        self.unanswered = 0;
    }

    /// Records the response to a ping (or a KeepAlive).
    pub fn answered(&mut self) {
        self.answers_pings = true;
        self.unanswered = 0;
    }

    /// Records that the next ping is due. Returns false if the peer is dead instead.
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
    fn a_peer_that_stops_answering_three_pings_is_dead() {
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
    fn a_peer_that_never_answered_pings_is_not_expected_to() {
        let mut pulse = Keepalive::default();
        for _ in 0..1_000 {
            assert!(pulse.ping());
        }
        pulse.received();
        assert!(pulse.ping());
    }
}
