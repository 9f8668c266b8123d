//! What the fleet is told and what it tells.

use std::fmt;

use gangway_base::{mac::Mac, secret::Secret};
use serde_json::Value;
use tokio::sync::oneshot;
use url::Url;

use crate::phone::{instance::InstanceId, record::PhoneId};

/// A phone that shall be represented towards Devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SysclientSpec {
    /// Which phone; one socket each.
    pub phone: PhoneId,
    /// Its tenant; decides whom we trust.
    pub instance: InstanceId,
    /// `wss://.../sysclients` of the Devices app.
    pub url: Url,
    /// The hardware id.
    pub mac: Mac,
    /// Model; part of the digest.
    pub product: String,
    /// Firmware; part of the digest.
    pub version: String,
    /// What it proves itself with.
    pub credential: Credential,
}

/// What a phone proves itself to Devices with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// The first time: a provisioning code. Not sent again once Devices has answered it or kept silent on it.
    Code(Secret),
    /// Ever after: the sysclient password.
    Password(Secret),
    /// A phone that Devices may know already gets a new code.
    CodeOrPassword {
        /// The code, sent once.
        code: Secret,
        /// Answers a challenge if there is one.
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

/// Something happened on one socket.
#[derive(Debug)]
pub struct SysclientEvent {
    /// Whose.
    pub phone: PhoneId,
    /// Which connection of that phone; grows. Events of an older one than the newest seen are out of date.
    pub conn: u64,
    /// What.
    pub kind: SysclientEventKind,
}

/// What happened.
pub enum SysclientEventKind {
    /// An attempt starts.
    Connecting,
    /// The socket is open and we said who we are.
    Connected,
    /// Devices gave the sysclient password. The socket does nothing before `stored` is sent; when `stored` is dropped
    /// (the store failed), the event comes again after a pause.
    Password {
        /// The password.
        password: Secret,
        /// The provisioning code this connection identified with: it is used up now.
        sent: Option<Secret>,
        /// To be sent once it is on disk.
        stored: oneshot::Sender<()>,
    },
    /// The domain's administrative password.
    AdminPassword(Secret),
    /// One configuration item, passwords in clear.
    Item(Value),
    /// The first burst of items is complete (may come again later).
    Last {
        /// The provisioning code this connection was opened with, spent or not: beside a configuration it is not needed.
        opened_with: Option<Secret>,
    },
    /// Nothing for 20 s: not in a domain. The socket stays, an administrator may still adopt the phone.
    Silence {
        /// The provisioning code this connection identified with, if it did.
        sent: Option<Secret>,
    },
    /// The socket ended, or was refused to this phone.
    Closed {
        /// A sentence for people.
        reason: String,
    },
    /// It waits: as many sockets are open as the process may have.
    NoDescriptor,
    /// Devices cannot be reached at all.
    EndpointAway {
        /// `host:port`.
        endpoint: String,
        /// A sentence for people.
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

/// The name and, where there is one, the reason: items and passwords are secret.
impl fmt::Debug for SysclientEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { reason } | Self::EndpointAway { reason, .. } => write!(f, "{}({reason})", self.label()),
            _ => f.write_str(self.label()),
        }
    }
}
