//! The facet "Device Config": which sysclient the phone needs.

use url::Url;

use super::{Action, Awaited, Credential, FlowContext, NextStep, SysclientTarget, is_leaving};
use crate::phone::{facet::DevicesState, record::Phone};

pub(super) fn decide(phone: &Phone, context: &FlowContext) -> NextStep {
    if is_leaving(phone) {
        return if context.held.is_some() { NextStep::Act(Action::Disconnect) } else { NextStep::Settled };
    }
    let Some(credential) = credential(phone) else {
        // The socket of a refused code stays open while it lasts: an administrator may still adopt the device there.
        return if phone.devices.state == DevicesState::NotInDomain {
            NextStep::WaitFor(Awaited::Person)
        } else {
            NextStep::Act(Action::RecordNoCredential)
        };
    };
    let Some(url) = url(phone, context) else {
        return if phone.devices.error.is_some() {
            NextStep::WaitFor(Awaited::DevicesUrl)
        } else {
            NextStep::Act(Action::RecordNoDevices)
        };
    };
    let wanted = SysclientTarget { url, credential };
    if context.held.as_ref() != Some(&wanted) {
        return NextStep::Act(Action::Connect(wanted));
    }
    match phone.devices.state {
        DevicesState::Received => NextStep::Settled,
        DevicesState::NotInDomain => NextStep::WaitFor(Awaited::Person),
        DevicesState::Waiting | DevicesState::Connecting | DevicesState::Lost => NextStep::WaitFor(Awaited::Devices),
    }
}

/// What the fleet is to hold for this phone, if it can be held at all.
#[must_use]
pub fn sysclient_target(phone: &Phone, context: &FlowContext) -> Option<SysclientTarget> {
    if is_leaving(phone) {
        return None;
    }
    Some(SysclientTarget { url: url(phone, context)?, credential: credential(phone)? })
}

/// Whether Devices is tried again by itself after a failure: then the phone may be redirected without its
/// configuration, so that it is on its way when Devices comes back.
#[must_use]
pub fn in_back_off(phone: &Phone) -> bool {
    phone.devices.error.is_some() && phone.devices.next_attempt.is_some()
}

/// How the phone identifies now. A code is there only until it is spent; a spent one is never sent again.
#[must_use]
pub fn credential(phone: &Phone) -> Option<Credential> {
    match (phone.sysclient.password.clone(), phone.code.clone()) {
        (Some(password), Some(code)) => Some(Credential::CodeOrPassword { code, password }),
        (Some(password), None) => Some(Credential::Password(password)),
        (None, Some(code)) => Some(Credential::Code(code)),
        (None, None) => None,
    }
}

/// What a PBX announces, else where the password was given: phones come back after a restart before any PBX does.
fn url(phone: &Phone, context: &FlowContext) -> Option<Url> {
    context.devices_url.clone().or_else(|| phone.sysclient.url.as_deref().and_then(|url| url.parse().ok()))
}
