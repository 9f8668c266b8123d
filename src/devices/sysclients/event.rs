//! The requests to and the events from the sysclient pool.

use std::{fmt, time::Duration};

use gangway_base::{mac::Mac, secret::Secret};
use serde_json::Value;
use tokio::sync::oneshot;
use url::Url;

use crate::phone::{instance::InstanceId, record::PhoneId};

/// A phone to be represented towards Devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SysclientSpec {
    /// The phone; it has one socket.
    pub phone: PhoneId,
    /// Its tenant, which determines the trusted certificates.
    pub instance: InstanceId,
    /// `wss://.../sysclients` of the Devices app.
    pub url: Url,
    /// The hardware ID.
    pub mac: Mac,
    /// What the phone tells Devices about itself.
    pub identity: SysclientIdentity,
    /// How long Devices may take to answer an identify before the phone counts as not in any domain.
    pub silence_limit: Duration,
    /// What the phone authenticates with.
    pub credential: Credential,
}

/// What Devices shows of a phone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SysclientIdentity {
    /// Model; part of the digest.
    pub product: String,
    /// Firmware; part of the digest.
    pub version: String,
    /// Name; `None` lets Devices choose it.
    pub name: Option<String>,
}

/// What a phone authenticates with at Devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A provisioning code, used for the first connection. Not sent again once Devices has answered it or kept silent.
    Code(Secret),
    /// The sysclient password, used for all later connections.
    Password(Secret),
    /// A new code for a phone that Devices may already know.
    CodeOrPassword {
        /// The code, sent once.
        code: Secret,
        /// Answers a challenge, if there is one.
        password: Secret,
    },
}

impl Credential {
    /// The provisioning code.
    #[must_use]
    pub fn code(&self) -> Option<&Secret> {
        match self {
            Self::Code(code) | Self::CodeOrPassword { code, .. } => Some(code),
            Self::Password(_) => None,
        }
    }

    pub(super) fn password(&self) -> Option<&Secret> {
        match self {
            Self::Password(password) | Self::CodeOrPassword { password, .. } => Some(password),
            Self::Code(_) => None,
        }
    }
}

/// An event of one socket.
#[derive(Debug)]
pub struct SysclientEvent {
    /// The phone.
    pub phone: PhoneId,
    /// The number of the phone's connection. Numbers increase; events of a connection older than the newest seen are
    /// stale.
    pub conn: u64,
    /// What happened.
    pub kind: SysclientEventKind,
}

/// What happened.
pub enum SysclientEventKind {
    /// A connection attempt starts.
    Connecting,
    /// The socket is open and the phone has identified itself.
    Connected,
    /// Devices sent the sysclient password. The socket waits until `stored` is sent. When `stored` is dropped (the
    /// store failed), the event is repeated after a pause.
    Password {
        /// The password.
        password: Secret,
        /// The provisioning code that this connection sent; it is used up now.
        sent: Option<Secret>,
        /// Sent by the receiver once the password is on disk.
        stored: oneshot::Sender<()>,
    },
    /// The domain's administrative password.
    AdminPassword(Secret),
    /// One configuration item, with passwords in clear text.
    Item(Value),
    /// The first burst of items is complete (may be repeated later).
    Last {
        /// The provisioning code that this connection was opened with, used or not. Once there is a configuration, the
        /// code is not needed any more.
        opened_with: Option<Secret>,
    },
    /// Devices sent nothing within the limit: the phone is in no domain. The socket stays open, because an administrator may
    /// still add the phone.
    Silence {
        /// The provisioning code that this connection sent, if it did.
        sent: Option<Secret>,
    },
    /// The socket ended, or Devices rejected the connection of this phone.
    Closed {
        /// A sentence for administrators.
        reason: String,
    },
    /// The phone waits because the limit of open sockets is reached.
    NoDescriptor,
    /// Devices is unreachable.
    EndpointAway {
        /// `host:port`.
        endpoint: String,
        /// A sentence for administrators.
        reason: String,
    },
}

impl SysclientEventKind {
    /// The name for logs and metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Password { .. } => "password",
            Self::AdminPassword(_) => "admin_password",
            Self::Item(_) => "item",
            Self::Last { .. } => "last",
            Self::Silence { .. } => "silence",
            Self::Closed { .. } => "closed",
            Self::NoDescriptor => "no_descriptor",
            Self::EndpointAway { .. } => "endpoint_away",
        }
    }
}

/// Writes the name and the reason, if any. Items and passwords are secret.
impl fmt::Debug for SysclientEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { reason } | Self::EndpointAway { reason, .. } => write!(f, "{}({reason})", self.label()),
            _ => f.write_str(self.label()),
        }
    }
}
