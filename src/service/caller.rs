//! The callers of the admin app, `gangway-admin`. The admin service, which is in a higher layer, processes the
//! messages; this module defines the part of its interface that the socket needs. The admin service uses separate
//! threads, so that the page never delays a phone.

use std::{net::IpAddr, sync::Arc};

use gangway_wire::appws::{Envelope, Identity};
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::{
    base::telemetry::metric::{Metric, increment},
    net::appwebsocket::Link,
    phone::instance::Instance,
};

/// The api of all messages between page and gateway.
pub const API: &str = "gangway";
/// Maximum number of queued messages of one page.
const WAITING: usize = 64;

/// The origin of a request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The instance.
    pub instance: Arc<Instance>,
    /// The kind of caller.
    pub who: CallerKind,
    /// The address.
    pub source: IpAddr,
}

/// The kind of caller.
#[derive(Debug, Clone)]
pub enum CallerKind {
    /// A user of the admin page.
    Page(Box<Identity>),
    /// A script with this token.
    Token(String),
    /// A user at the command line of this machine.
    Command(String),
}

/// Serves the sessions of the admin page.
pub trait AdminSessions: Send + Sync {
    /// Serves a user who has just logged in. Answers are sent over `out`; `messages` ends when the socket closes.
    fn receive(&self, person: Caller, messages: mpsc::Receiver<Envelope>, out: Link);
}

/// The socket's side of a session with the admin service.
pub struct AdminSocket {
    messages: mpsc::Sender<Envelope>,
}

impl AdminSocket {
    /// Starts a session for a user who has just logged in.
    #[must_use]
    pub fn new(desk: &dyn AdminSessions, person: Caller, out: Link) -> Self {
        let (messages, inbox) = mpsc::channel(WAITING);
        desk.receive(person, inbox, out);
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
            Err(TrySendError::Full(message)) => Some(
                message
                    .error_answer(
                        &format!("{}Result", message.mt),
                        "Too many requests are open: wait for their answers.",
                    )
                    .text(),
            ),
        }
    }
}
