//! The facet "Device Config": the sysclient that the phone needs.

use url::Url;

use super::{Action, Credential, DevicesCandidate, FlowContext, NextStep, SysclientTarget, WaitReason, is_leaving};
use crate::{
    devices::sysclients::SysclientIdentity,
    phone::{
        facet::DevicesState,
        record::{CodeOrigin, Phone},
    },
};

pub(super) fn decide(phone: &Phone, context: &FlowContext) -> NextStep {
    if is_leaving(phone) {
        return if context.target.is_some() { NextStep::Act(Action::Disconnect) } else { NextStep::Settled };
    }
    let Some(credential) = credential(phone) else {
        // The socket of a rejected code stays open while it lasts, because an administrator may still adopt the device
        // there. With several Devices apps, the device would be shown as unassigned in one that it does not belong to.
        return match phone.devices.state {
            DevicesState::NotInDomain if context.target.is_some() && context.devices.len() > 1 => {
                NextStep::Act(Action::Disconnect)
            }
            DevicesState::NotInDomain => NextStep::WaitFor(WaitReason::Person),
            _ => NextStep::Act(Action::RecordNoCredential),
        };
    };
    let Some(url) = url(phone, &credential, context) else {
        return if phone.devices.error.is_some() {
            NextStep::WaitFor(WaitReason::DevicesUrl)
        } else {
            NextStep::Act(Action::RecordNoDevices)
        };
    };
    let wanted = SysclientTarget { url, credential, identity: identity(phone, context) };
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
    let credential = credential(phone)?;
    Some(SysclientTarget { url: url(phone, &credential, context)?, identity: identity(phone, context), credential })
}

/// A connection that has not got its configuration yet keeps its identity: another identity needs another connection,
/// and the code is sent only once.
fn identity(phone: &Phone, context: &FlowContext) -> SysclientIdentity {
    let current = context.target.as_ref().filter(|_| phone.devices.state != DevicesState::Received);
    current.map_or_else(|| context.identity.clone(), |target| target.identity.clone())
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

/// Whether a code with this origin may still be tried at one of the Devices apps.
#[must_use]
pub fn has_untried<'a>(origin: &CodeOrigin, mut devices: impl Iterator<Item = &'a Url>) -> bool {
    origin.made_at.is_none() && devices.any(|url| !origin.refused_at.iter().any(|refused| refused == url.as_str()))
}

fn url(phone: &Phone, credential: &Credential, context: &FlowContext) -> Option<Url> {
    let own = phone.sysclient.url.as_deref().and_then(|url| url.parse().ok());
    match credential.code() {
        Some(_) => url_of_code(phone, own, context),
        None => url_of_password(own, &context.devices),
    }
}

/// A code belongs to the Devices app that made it. Where that is not known, the apps are tried in their order, those that
/// can be reached first. An attempt that is under way goes on.
fn url_of_code(phone: &Phone, own: Option<Url>, context: &FlowContext) -> Option<Url> {
    let origin = &phone.code_origin;
    let urls = || context.devices.iter().map(|devices| &devices.url);
    if let Some(made_at) = origin.made_at.as_deref().and_then(|url| url.parse().ok()) {
        return url_of_password(Some(made_at), &context.devices);
    }
    if context.devices.is_empty() {
        // After a restart, phones connect before any PBX does.
        return own;
    }
    let is_open = |url: &Url| !origin.refused_at.iter().any(|refused| refused == url.as_str());
    let under_way = context.target.as_ref().filter(|target| target.credential.code() == phone.code.as_ref());
    let is_away = |url: &Url| context.devices.iter().any(|devices| devices.url == *url && devices.is_away);
    let current = under_way.map(|target| &target.url).filter(|url| urls().any(|known| known == *url));
    current
        .filter(|url| is_open(url) && !is_away(url))
        .or_else(|| urls().find(|url| is_open(url) && !is_away(url)))
        .or_else(|| current.filter(|url| is_open(url)))
        .or_else(|| urls().find(|url| is_open(url)))
        .cloned()
}

/// A password belongs to the Devices app that issued it. If that one is not announced any more, it has a new address: the
/// one with the same path, or the only one announced.
fn url_of_password(own: Option<Url>, devices: &[DevicesCandidate]) -> Option<Url> {
    let urls = || devices.iter().map(|devices| &devices.url);
    let Some(own) = own else { return urls().next().cloned() };
    if urls().any(|url| *url == own) {
        return Some(own);
    }
    let has_same_path = urls().find(|url| url.path() == own.path());
    let only = devices.first().filter(|_| devices.len() == 1).map(|devices| &devices.url);
    Some(has_same_path.or(only).cloned().unwrap_or(own))
}
