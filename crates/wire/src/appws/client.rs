//! The client end of one AppWebsocket as a state machine. gangway uses it as a client of another service (Devices). The
//! PBX creates the login: the challenge is sent to the PBX (GetServiceLogin), and its result is forwarded to the
//! service.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    envelope::{Envelope, EnvelopeError, IN_LIMIT, Outgoing},
    keepalive::{Keepalive, PING},
    login::Login,
};
use crate::lenient_json;

/// Time limit from opening the socket to the completed login.
pub const LOGIN_TIME: Duration = Duration::from_secs(20);
/// A KeepAlive is sent after this time without traffic in either direction, as vendor pages do.
pub const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// What the caller must do, in the given order.
#[derive(Debug)]
pub enum Action {
    /// Send a text message.
    Send(String),
    /// Send a websocket ping.
    Ping,
    /// Get a login for this challenge from the PBX, then call [`Session::login`].
    NeedLogin {
        /// The other service's challenge.
        challenge: String,
    },
    /// Logged in: requests may be sent.
    Ready {
        /// Domain of the other instance.
        domain: Option<String>,
    },
    /// A message of the other service; only after login.
    Deliver(Box<Envelope>),
    /// A message was ignored; count it.
    Ignored,
    /// Close the socket for this reason.
    Close(CloseReason),
}

/// Why the socket is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CloseReason {
    /// The login took too long.
    #[error("the login did not complete within 20 seconds")]
    LoginTime,
    /// The other service rejected the login.
    #[error("the service refused the login: check that its app object is ticked in the Apps tab of ours")]
    Refused,
    /// A message longer than allowed.
    #[error("the service sent a message longer than allowed")]
    TooLarge,
    /// The peer no longer answers pings or KeepAlives.
    #[error("the service does not answer any more")]
    Dead,
}

/// One socket.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    /// Deadline of the login, or time of the next KeepAlive.
    timer: Timestamp,
    /// Time of the next websocket ping.
    ping: Timestamp,
    pings: Keepalive,
    keep_alives: Keepalive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    WaitForChallenge,
    WaitForLogin,
    WaitForResult,
    Ready,
    Closed,
}

impl Session {
    /// Creates the session of a newly opened socket and returns the first actions.
    #[must_use]
    pub fn open(now: Timestamp) -> (Self, Vec<Action>) {
        let session = Self {
            phase: Phase::WaitForChallenge,
            timer: later(now, LOGIN_TIME),
            ping: later(now, PING),
            pings: Keepalive::default(),
            keep_alives: Keepalive::default(),
        };
        (session, vec![Action::Send(Outgoing::new(None, "AppChallenge").text())])
    }

    /// Sends the requested login. Does nothing unless [`Action::NeedLogin`] is pending.
    pub fn login(&mut self, login: &Login) -> Vec<Action> {
        if self.phase != Phase::WaitForLogin {
            return Vec::new();
        }
        self.phase = Phase::WaitForResult;
        vec![Action::Send(login.to_message())]
    }

    /// The time at which [`Session::on_timer`] must be called; `None` means never.
    #[must_use]
    pub fn timer(&self) -> Option<Timestamp> {
        (self.phase != Phase::Closed).then_some(self.timer.min(self.ping))
    }

    /// Records that the caller sent a message, which postpones the KeepAlive.
    pub fn sent(&mut self, now: Timestamp) {
        self.traffic(now);
    }

    /// Checks the timers. Call it at the time that [`Session::timer`] returns.
    pub fn on_timer(&mut self, now: Timestamp) -> Vec<Action> {
        if self.phase == Phase::Closed {
            return Vec::new();
        }
        let mut actions = Vec::new();
        if now >= self.timer {
            if self.phase != Phase::Ready {
                return self.close(CloseReason::LoginTime);
            }
            if !self.keep_alives.ping() {
                return self.close(CloseReason::Dead);
            }
            self.traffic(now);
            actions.push(Action::Send(Outgoing::new(None, "KeepAlive").text()));
        }
        if now >= self.ping {
            if !self.pings.ping() {
                return self.close(CloseReason::Dead);
            }
            self.ping = later(now, PING);
            actions.push(Action::Ping);
        }
        actions
    }

    /// Handles a pong.
    pub fn on_pong(&mut self) {
        self.pings.answered();
        self.keep_alives.received();
    }

    /// Records that the peer is alive after receiving data that is not a message of this protocol.
    pub fn received(&mut self) {
        self.pings.received();
        self.keep_alives.received();
    }

    /// Handles a text message.
    pub fn on_text(&mut self, text: &str, now: Timestamp) -> Vec<Action> {
        if self.phase == Phase::Closed {
            return vec![Action::Ignored];
        }
        self.traffic(now);
        self.received();
        let message = match Envelope::parse(text, IN_LIMIT) {
            Ok(message) => message,
            Err(EnvelopeError::TooLarge { .. }) => return self.close(CloseReason::TooLarge),
            Err(EnvelopeError::Json(_)) => return vec![Action::Ignored],
        };
        match (self.phase, message.mt.as_str()) {
            // A KeepAlive response is never answered: otherwise two peers would answer each other forever.
            (_, "KeepAlive") => {
                self.keep_alives.answered();
                Vec::new()
            }
            (Phase::WaitForChallenge, "AppChallengeResult") => {
                let Some(challenge) = lenient_json::text(&message.body, "challenge") else {
                    return vec![Action::Ignored];
                };
                self.phase = Phase::WaitForLogin;
                vec![Action::NeedLogin { challenge }]
            }
            (Phase::WaitForResult, "AppLoginResult") if lenient_json::flag(&message.body, "ok") => {
                self.phase = Phase::Ready;
                self.traffic(now);
                vec![Action::Ready { domain: lenient_json::text(&message.body, "domain") }]
            }
            (Phase::WaitForResult, "AppLoginResult") => self.close(CloseReason::Refused),
            (Phase::Ready, _) => vec![Action::Deliver(Box::new(message))],
            _ => vec![Action::Ignored],
        }
    }

    fn traffic(&mut self, now: Timestamp) {
        if self.phase == Phase::Ready {
            self.timer = later(now, KEEP_ALIVE);
        }
    }

    fn close(&mut self, reason: CloseReason) -> Vec<Action> {
        self.phase = Phase::Closed;
        vec![Action::Close(reason)]
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
