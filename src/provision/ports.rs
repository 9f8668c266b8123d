//! What provisioning needs from others, named by the one who needs it. The rooms with sockets implement it, tests do
//! so with plain memory.

use std::{future::Future, pin::Pin};

use serde_json::Value;
use tokio::sync::oneshot;
use url::Url;

use super::flow::Credential;
use crate::{
    phone::{
        instance::InstanceId,
        mac::Mac,
        record::{Flags, PhoneId},
    },
    redirect::{Operation, Outcome, RedirectAccount},
    secret::Secret,
};

/// A future as traits hand it out.
pub type Reply<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How a user is found: by GUID when known (the lasting identity), else by H.323 name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserKey {
    /// GUID of the user object.
    pub guid: Option<String>,
    /// H.323 name.
    pub h323: String,
}

/// A user object as far as provisioning looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PbxUser {
    /// GUID of the user object.
    pub guid: String,
    /// H.323 name.
    pub h323: String,
    /// Long name.
    pub cn: String,
    /// HW-IDs of its devices.
    pub hwids: Vec<String>,
}

/// What became of written flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlagsWritten {
    /// Read back as written.
    Applied,
    /// Reading back shows something else; the sentence says what.
    DidNotStick(String),
}

/// Why the PBX could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PbxError {
    /// No PBX is connected to this instance.
    #[error(
        "no PBX is connected: check that the app object exists, its URL points here and the flag Websocket is ticked"
    )]
    NoSession,
    /// No connected app object may edit user objects.
    #[error("the app object lacks the flag Admin: tick it in the PBX Manager")]
    NotPermitted,
    /// No connected PBX knows the user.
    #[error("no connected PBX knows this user")]
    UserNotFound,
    /// The user object has no device with this HW-ID.
    #[error("the user object has no device with this hardware id")]
    DeviceNotFound,
    /// The PBX is too old or answers in a form that must not be written back.
    #[error("the PBX cannot do this: {0}")]
    Unsupported(String),
    /// No answer in time.
    #[error("the PBX did not answer in time")]
    Timeout,
    /// It answered with an error.
    #[error("the PBX refused: {0}")]
    Failed(String),
}

/// The PBXs and services of an instance as provisioning sees them. All connected PBXs of the instance are asked; any
/// that owns the user answers.
pub trait Pbx: Send + Sync {
    /// The sysclient websocket URL (`.../sysclients`) of the Devices app as last announced by a PBX.
    fn devices_url(&self, instance: InstanceId) -> Option<Url>;
    /// The user object, from whichever PBX owns it.
    fn user(&self, instance: InstanceId, key: UserKey) -> Reply<Result<PbxUser, PbxError>>;
    /// Sets the flags on the device `hwid` of the user (read-modify-write, read back).
    fn set_flags(
        &self,
        instance: InstanceId,
        key: UserKey,
        hwid: String,
        flags: Flags,
    ) -> Reply<Result<FlagsWritten, PbxError>>;
    /// The address from which `hwid` is registered, at any connected PBX; `None` when at none.
    fn registration(&self, instance: InstanceId, key: UserKey, hwid: String)
    -> Reply<Result<Option<String>, PbxError>>;
}

/// A sysclient to be held.
#[derive(Debug, Clone)]
pub struct SysclientHold {
    /// Whose.
    pub phone: PhoneId,
    /// Its tenant: decides whom we trust.
    pub instance: InstanceId,
    /// `.../sysclients`.
    pub url: Url,
    /// The hardware id.
    pub mac: Mac,
    /// What it says it is; part of the digest.
    pub product: String,
    /// Its version; part of the digest.
    pub version: String,
    /// How it identifies.
    pub credential: Credential,
}

/// The fleet of sysclients. It opens sockets again by itself, at a bounded rate.
pub trait Sysclients: Send + Sync {
    /// Opens or replaces the phone's sysclient; nothing happens when it is held exactly so.
    fn hold(&self, hold: SysclientHold);
    /// Closes it.
    fn drop_phone(&self, phone: PhoneId);
}

/// What a sysclient brings.
#[derive(Debug)]
pub struct SysclientEvent {
    /// Whose.
    pub phone: PhoneId,
    /// Which connection; later ones have greater numbers.
    pub conn: u64,
    /// What.
    pub kind: SysclientKind,
}

/// The kinds of [`SysclientEvent`].
#[derive(Debug)]
pub enum SysclientKind {
    /// The websocket is up.
    Connected,
    /// Devices gave a password; `stored` is answered when it is on disk.
    Password {
        /// The password.
        password: Secret,
        /// Tells the fleet to go on.
        stored: oneshot::Sender<()>,
    },
    /// Devices deployed an administrative password.
    AdminPassword(Secret),
    /// One configuration item, its passwords decrypted.
    Item(Value),
    /// The burst is complete.
    Last,
    /// Nothing came within 20 s of identifying.
    Silence,
    /// The socket is gone.
    Closed(String),
    /// The endpoint cannot be reached.
    EndpointAway(String),
}

/// Carries operations out at redirect services.
pub trait RedirectService: Send + Sync {
    /// Runs one and tells what came of it.
    fn run(&self, account: RedirectAccount, operation: Operation, phone: Option<(PhoneId, Mac)>) -> Reply<Outcome>;
}

/// What happens to a MAC that is provisioned for another user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameMac {
    /// The phone goes to the other user (desk phones).
    Replace,
    /// The other user is a further account (DECT bases).
    Add,
}

/// A provider as far as provisioning looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderFacts {
    /// The vendor folder.
    pub vendor: String,
    /// The vendor's name for people.
    pub title: String,
    /// The policy for a MAC seen again.
    pub same_mac: SameMac,
}

/// The providers and vendors of the manifests.
pub trait Providers: Send + Sync {
    /// By name.
    fn provider(&self, name: &str) -> Option<ProviderFacts>;
    /// Every vendor with the redirect protocol its manifest names (empty or `none` without one).
    fn vendors(&self) -> Vec<(String, String)>;
}

impl SysclientKind {
    /// The name for logs.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Password { .. } => "password",
            Self::AdminPassword(_) => "admin password",
            Self::Item(_) => "item",
            Self::Last => "last",
            Self::Silence => "silence",
            Self::Closed(_) => "closed",
            Self::EndpointAway(_) => "endpoint away",
        }
    }
}
