//! How a protocol is run without a network: it is asked for the next call and told the answer, until it is done.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;

use super::result::{RedirectFailure, RedirectResult};
use crate::net::http::{Request, Response};

/// What a call is for, in the words of the history the administrators of the original app know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// Credentials become a token.
    GetToken,
    /// Where things are at the service.
    LookUp,
    /// Whose is the phone?
    CheckDevice,
    /// A server entry.
    AddServer,
    /// A phone is sent to us.
    RedirectDevice,
    /// A phone is sent nowhere any more.
    DeregisterDevice,
}

impl CallKind {
    /// As it stands in the history.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GetToken => "GET TOKEN",
            Self::LookUp => "LOOK UP",
            Self::CheckDevice => "CHECK DEVICE",
            Self::AddServer => "ADD SERVER",
            Self::RedirectDevice => "REDIRECT DEVICE",
            Self::DeregisterDevice => "DEREGISTER DEVICE",
        }
    }
}

/// What is new with every sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendContext {
    /// The time of sending.
    pub now: Timestamp,
    /// Random, never used twice.
    pub nonce: u128,
}

/// Puts on a request what must be fresh whenever it is sent, the repetition after a broken connection included: time,
/// nonce, a signature over both.
pub type SignRequest = Arc<dyn Fn(Request, SendContext) -> Request + Send + Sync>;

/// A request to the service.
#[derive(Clone)]
pub struct ServiceRequest {
    /// What it is for.
    pub command: CallKind,
    /// What to send; time-out and size limit are the runner's.
    pub request: Request,
    /// Applied right before each sending.
    pub seal: Option<SignRequest>,
    /// Largest answer in bytes, where that is more than the runner lets through otherwise.
    pub max_bytes: Option<usize>,
}

impl ServiceRequest {
    /// A request that is sent as it is.
    #[must_use]
    pub fn plain(command: CallKind, request: Request) -> Self {
        Self { command, request, seal: None, max_bytes: None }
    }

    /// The request as it is to be sent now.
    #[must_use]
    pub fn request_at(&self, moment: SendContext) -> Request {
        match &self.seal {
            Some(seal) => seal(self.request.clone(), moment),
            None => self.request.clone(),
        }
    }
}

impl fmt::Debug for ServiceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("command", &self.command).field("request", &self.request).finish_non_exhaustive()
    }
}

/// The service's answer.
#[derive(Debug, Clone)]
pub struct ServiceResponse {
    /// HTTP status.
    pub status: u16,
    /// When it was here.
    pub at: Timestamp,
    /// `Retry-After` in seconds, where there is one.
    pub retry_after: Option<Duration>,
    /// Header names in lower case with their values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl ServiceResponse {
    /// What the exchange needs to know of a response.
    #[must_use]
    pub fn of(response: &Response, at: Timestamp) -> Self {
        let seconds = response.header("retry-after").and_then(|text| text.trim().parse().ok());
        Self {
            status: response.status,
            at,
            retry_after: seconds.map(Duration::from_secs),
            headers: response.headers.clone(),
            body: response.body.clone(),
        }
    }

    /// An answer without headers, at the beginning of time.
    #[cfg(test)]
    pub(super) fn bare(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, at: Timestamp::UNIX_EPOCH, retry_after: None, headers: Vec::new(), body: body.into() }
    }

    /// The first header of this name (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// The text of the body; what is not UTF-8 shows as replacement characters.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What a status other than success means with every service that speaks of its errors in the body.
    pub(super) fn refused_by_status(&self) -> Option<RedirectResult> {
        match self.status {
            200..=299 => None,
            401 => Some(RedirectResult::AuthFailed),
            403 => Some(RedirectResult::NotPermitted("status 403".to_owned())),
            429 => Some(RedirectResult::RateLimited { retry_after: self.retry_after }),
            status @ 500.. => Some(RedirectResult::Transport(RedirectFailure::Broken(status))),
            status => Some(RedirectResult::Transport(RedirectFailure::Status(status))),
        }
    }
}

/// What to do now.
#[derive(Debug)]
pub enum NextCall {
    /// Send this and come back with the answer.
    Send(Box<ServiceRequest>),
    /// That is all.
    Done(RedirectResult),
}

/// One turn of an exchange.
#[derive(Debug)]
pub struct ProtocolTurn {
    /// What the answer just given meant by itself; `None` in the first turn. It goes to the history.
    pub meant: Option<RedirectResult>,
    /// How it goes on.
    pub step: NextCall,
}

/// One operation in one protocol: a plain state machine.
pub trait RedirectProtocol: Send {
    /// The next turn: without an answer the first time, then with the answer to the call of the turn before. A call
    /// that got no answer ends the exchange; it is not told.
    fn next(&mut self, last: Option<&ServiceResponse>) -> ProtocolTurn;
}
