//! The app of people, `gangway-admin`. What is said there is the matter of the desk behind it (a room further up, named
//! here by what the socket needs of it); it works on threads of its own, so that no page ever delays a phone.

use std::{net::IpAddr, sync::Arc};

use gangway_wire::appws::{Envelope, Identity};
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::{
    base::telemetry::metric::{Metric, increment},
    net::appwebsocket::Link,
    phone::instance::Instance,
};

/// The api of everything said between page and gateway.
pub const API: &str = "gangway";
/// Messages of one page that may wait.
const WAITING: usize = 64;

/// Who asks for something.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Where.
    pub instance: Arc<Instance>,
    /// As what.
    pub who: CallerKind,
    /// From where.
    pub source: IpAddr,
}

/// As what somebody asks.
#[derive(Debug, Clone)]
pub enum CallerKind {
    /// A person at the admin page.
    Page(Box<Identity>),
    /// A script with this token.
    Token(String),
    /// Somebody at the command line of this machine.
    Command(String),
}

/// Serves people.
pub trait AdminSessions: Send + Sync {
    /// Somebody has logged in. Answers go out over `out`; `messages` ends with the socket.
    fn receive(&self, person: Caller, messages: mpsc::Receiver<Envelope>, out: Link);
}

/// The socket's end of a person at the desk.
pub struct AdminSocket {
    messages: mpsc::Sender<Envelope>,
}

impl AdminSocket {
    /// Leads somebody who has just logged in to the desk.
    #[must_use]
    pub fn new(desk: &dyn AdminSessions, person: Caller, out: Link) -> Self {
        let (messages, inbox) = mpsc::channel(WAITING);
        desk.receive(person, inbox, out);
        Self { messages }
    }

    /// A message came; the text is its answer when it cannot even wait.
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
