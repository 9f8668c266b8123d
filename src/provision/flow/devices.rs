//! The facet "Device Config": the sysclient that the phone needs.

use url::Url;

use super::{Action, Credential, FlowContext, NextStep, SysclientTarget, WaitReason, is_leaving};
use crate::phone::{facet::DevicesState, record::Phone};

pub(super) fn decide(phone: &Phone, context: &FlowContext) -> NextStep {
    if is_leaving(phone) {
        return if context.target.is_some() { NextStep::Act(Action::Disconnect) } else { NextStep::Settled };
    }
    let Some(credential) = credential(phone) else {
        // The socket of a rejected code stays open while it lasts, because an administrator may still adopt the device
        // there.
        return if phone.devices.state == DevicesState::NotInDomain {
            NextStep::WaitFor(WaitReason::Person)
        } else {
            NextStep::Act(Action::RecordNoCredential)
        };
    };
    let Some(url) = url(phone, context) else {
        return if phone.devices.error.is_some() {
            NextStep::WaitFor(WaitReason::DevicesUrl)
        } else {
            NextStep::Act(Action::RecordNoDevices)
        };
    };
    let wanted = SysclientTarget { url, credential };
    if context.target.as_ref() != Some(&wanted) {
        return NextStep::Act(Action::Connect(wanted));
    }
    match phone.devices.state {
        DevicesState::Received => NextStep::Settled,
        DevicesState::NotInDomain => NextStep::WaitFor(WaitReason::Person),
        DevicesState::Waiting | DevicesState::Connecting | DevicesState::Lost => NextStep::WaitFor(WaitReason::Devices),
    }
}

/// The sysclient that the pool is to hold for this phone, if any.
#[must_use]
pub fn sysclient_target(phone: &Phone, context: &FlowContext) -> Option<SysclientTarget> {
    if is_leaving(phone) {
        return None;
    }
    Some(SysclientTarget { url: url(phone, context)?, credential: credential(phone)? })
}

/// Whether Devices is retried automatically after a failure. The phone may then be redirected without its
/// configuration, so that it is already under way when Devices is back.
#[must_use]
pub fn in_back_off(phone: &Phone) -> bool {
    phone.devices.error.is_some() && phone.devices.next_attempt.is_some()
}

/// The credential that the phone identifies with now. A code exists only until it is spent; a spent code is never sent
/// again.
#[must_use]
pub fn credential(phone: &Phone) -> Option<Credential> {
    match (phone.sysclient.password.clone(), phone.code.clone()) {
        (Some(password), Some(code)) => Some(Credential::CodeOrPassword { code, password }),
        (Some(password), None) => Some(Credential::Password(password)),
        (None, Some(code)) => Some(Credential::Code(code)),
        (None, None) => None,
    }
}

/// The URL that a PBX announces, else the one where the password was issued: after a restart, phones connect before any
/// PBX does.
fn url(phone: &Phone, context: &FlowContext) -> Option<Url> {
    context.devices_url.clone().or_else(|| phone.sysclient.url.as_deref().and_then(|url| url.parse().ok()))
}
