//! The interface to the PBXs' user objects that provisioning uses: find a user, set the flags of a device, query a
//! registration.

use futures_util::future::BoxFuture;

use super::devices_address::GrantedDevices;
use crate::phone::{instance::InstanceId, record::Flags};

/// How a user is found: by GUID if known (it never changes), else by H.323 name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserKey {
    /// GUID of the user object.
    pub guid: Option<String>,
    /// H.323 name.
    pub h323: String,
}

/// The parts of a user object that provisioning uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PbxUser {
    /// GUID of the user object.
    pub guid: String,
    /// H.323 name.
    pub h323: String,
    /// Long name.
    pub cn: String,
    /// Its devices.
    pub devices: Vec<UserDevice>,
}

/// A device of a user object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserDevice {
    /// HW-ID.
    pub hwid: String,
    /// Name that a user or an administrator entered; empty if there is none.
    pub name: String,
}

impl PbxUser {
    /// The device with this HW-ID.
    #[must_use]
    pub fn device(&self, hwid: &str) -> Option<&UserDevice> {
        self.devices.iter().find(|device| device.hwid.eq_ignore_ascii_case(hwid))
    }
}

/// The result of writing flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlagsWritten {
    /// The flags were read back as written.
    Applied,
    /// The flags read back differ; the sentence says how.
    DidNotStick(String),
}

/// Why the PBX could not carry out a request.
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
    /// The PBX is too old, or its response has a form that must not be written back.
    #[error("the PBX cannot do this: {0}")]
    Unsupported(String),
    /// The PBX did not answer in time.
    #[error("the PBX did not answer in time")]
    Timeout,
    /// The PBX answered with an error.
    #[error("the PBX refused: {0}")]
    Failed(String),
}

/// The PBXs and services of an instance for provisioning. All connected PBXs of the instance are asked; the one that
/// owns the user answers.
pub trait Pbx: Send + Sync {
    /// The Devices apps that PBXs announce, or announced last.
    fn devices(&self, instance: InstanceId) -> Vec<GrantedDevices>;
    /// The user object, from the PBX that owns it.
    fn user(&self, instance: InstanceId, key: UserKey) -> BoxFuture<'static, Result<PbxUser, PbxError>>;
    /// Sets the flags on the device `hwid` of the user (read-modify-write, then read back).
    fn set_flags(
        &self,
        instance: InstanceId,
        key: UserKey,
        hwid: String,
        flags: Flags,
    ) -> BoxFuture<'static, Result<FlagsWritten, PbxError>>;
    /// The address that `hwid` is registered from on any connected PBX; `None` when it is not registered. An account
    /// that registers by the user's name also matches a registration without hardware ID, or with that name as hardware
    /// ID.
    fn registration(
        &self,
        instance: InstanceId,
        key: UserKey,
        hwid: String,
        by_name: bool,
    ) -> BoxFuture<'static, Result<Option<String>, PbxError>>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::i18n::message_of;

    #[test]
    fn every_error_has_a_translation() {
        let text = || "what the PBX said".to_owned();
        for error in [
            PbxError::NoSession,
            PbxError::NotPermitted,
            PbxError::UserNotFound,
            PbxError::DeviceNotFound,
            PbxError::Unsupported(text()),
            PbxError::Timeout,
            PbxError::Failed(text()),
        ] {
            assert!(message_of(&error.to_string()).stored().is_some(), "{error}");
        }
    }
}
