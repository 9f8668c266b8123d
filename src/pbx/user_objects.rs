//! The user objects of the PBXs as provisioning sees them: find a user, set the flags of a device, ask for a registration.

use std::{future::Future, pin::Pin};

use url::Url;

use crate::phone::{instance::InstanceId, record::Flags};

/// A future as traits hand it out.
pub type PbxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

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
    fn user(&self, instance: InstanceId, key: UserKey) -> PbxFuture<Result<PbxUser, PbxError>>;
    /// Sets the flags on the device `hwid` of the user (read-modify-write, read back).
    fn set_flags(
        &self,
        instance: InstanceId,
        key: UserKey,
        hwid: String,
        flags: Flags,
    ) -> PbxFuture<Result<FlagsWritten, PbxError>>;
    /// The address from which `hwid` is registered, at any connected PBX; `None` when at none. An account that
    /// registers by the user's name is also known by a registration without hardware id, or with that name as one.
    fn registration(
        &self,
        instance: InstanceId,
        key: UserKey,
        hwid: String,
        by_name: bool,
    ) -> PbxFuture<Result<Option<String>, PbxError>>;
}
