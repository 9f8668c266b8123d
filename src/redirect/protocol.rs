//! The interface of protocols, which does not use the network: the client asks for the next call and passes the answer,
//! until the exchange is done.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;

use super::result::{RedirectFailure, RedirectResult};
use crate::net::http::{Request, Response};

/// The kind of a call, in the terms of the history that administrators know from the original app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// Exchanges the credentials for a token.
    GetToken,
    /// Looks up addresses or ids at the service.
    LookUp,
    /// Checks which account the phone belongs to.
    CheckDevice,
    /// Adds or changes a server entry.
    AddServer,
    /// Sends a phone to us.
    RedirectDevice,
    /// Removes the redirection of a phone.
    DeregisterDevice,
}

impl CallKind {
    /// The name in the history.
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

/// The values that are new each time a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendContext {
    /// The time of sending.
    pub now: Timestamp,
    /// Random, never used twice.
    pub nonce: u128,
}

/// Adds to a request what must be fresh each time it is sent, including the repetition after a broken connection: the
/// time, a nonce, and a signature over both.
pub type SignRequest = Arc<dyn Fn(Request, SendContext) -> Request + Send + Sync>;

/// A request to the service.
#[derive(Clone)]
pub struct ServiceRequest {
    /// The kind of the call.
    pub command: CallKind,
    /// The request to send; the runner sets its time-out and size limit.
    pub request: Request,
    /// Applied immediately before each sending.
    pub seal: Option<SignRequest>,
    /// Maximum size of the answer in bytes, if larger than the runner's usual limit.
    pub max_bytes: Option<usize>,
}

impl ServiceRequest {
    /// A request that is sent unchanged.
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
    /// When the answer was received.
    pub at: Timestamp,
    /// `Retry-After` in seconds, if present.
    pub retry_after: Option<Duration>,
    /// Header names in lower case with their values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl ServiceResponse {
    /// Extracts what the exchange needs from a response.
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

    /// An answer without headers, received at the Unix epoch.
    #[cfg(test)]
    pub(super) fn bare(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, at: Timestamp::UNIX_EPOCH, retry_after: None, headers: Vec::new(), body: body.into() }
    }

    /// The first header of this name (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// The text of the body; invalid UTF-8 becomes replacement characters.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Interprets a status other than success, for services that report their errors in the body.
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

/// The next step of an exchange.
#[derive(Debug)]
pub enum NextCall {
    /// Send this call and return with the answer.
    Send(Box<ServiceRequest>),
    /// The exchange is done.
    Done(RedirectResult),
}

/// One turn of an exchange.
#[derive(Debug)]
pub struct ProtocolTurn {
    /// The result of the answer just passed alone; `None` in the first turn. It is written to the history.
    pub call_result: Option<RedirectResult>,
    /// The next step.
    pub step: NextCall,
}

/// One operation in one protocol: a plain state machine.
pub trait RedirectProtocol: Send {
    /// Returns the next turn. `last` is `None` the first time, then the answer to the call of the previous turn. A call
    /// without an answer ends the exchange without another call of this method.
    fn next(&mut self, last: Option<&ServiceResponse>) -> ProtocolTurn;
}
