//! The AppWebsocket's side of a session. The session runs on the service's threads, so that the page never delays a
//! phone.

use gangway_wire::appws::Envelope;
use tokio::sync::mpsc::{self, error::TrySendError};

use super::{response::rejection, session::AdminSession};
use crate::{
    base::telemetry::metric::{Metric, increment},
    net::appwebsocket::Link,
    service::{AdminService, ServiceError, caller::Caller},
};

/// The api of all messages between page and gateway.
pub const API: &str = "gangway";
/// Maximum number of queued messages of one page.
const WAITING: usize = 64;

/// The messages of one page on their way to its session.
pub struct AdminSocket {
    messages: mpsc::Sender<Envelope>,
}

impl AdminSocket {
    /// Starts a session for a user who has just logged in. Its answers are sent over `out`. It ends with the socket.
    #[must_use]
    pub fn new(service: &AdminService, person: Caller, out: Link) -> Self {
        let (messages, inbox) = mpsc::channel(WAITING);
        let session = AdminSession::new(service.clone(), person, out);
        service.spawn("admin session", session.serve(inbox));
        Self { messages }
    }

    /// Passes a message on. If the queue is full, returns the answer to send.
    pub fn message(&self, message: Envelope) -> Option<String> {
        if message.api.as_deref() != Some(API) {
            increment(Metric::MessagesIgnored, &[("reason", "unknown")]);
            return None;
        }
        match self.messages.try_send(message) {
            Ok(()) | Err(TrySendError::Closed(_)) => None,
            Err(TrySendError::Full(message)) => Some(rejection(&message, &ServiceError::Busy)),
        }
    }
}
