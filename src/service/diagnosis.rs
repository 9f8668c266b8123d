//! Determines the cause of a phone's state: the first problem that prevents it from working, or that there is none.

use jiff::{SignedDuration, Timestamp};

use super::{
    cause::{Cause, ProvisioningStage},
    diagnosis_facts::DiagnosisInputs,
    tls_rejections,
};
use crate::{
    phone::{
        admission::Reason,
        facet::{DevicesState, FacetState, RedirectState, RegistrationState, RequestState, UserObjectState, Wanted},
        record::{Account, Phone},
    },
    provision::timeline_texts::{NO_DESCRIPTOR, NO_LONGER_REGISTERED},
};

/// After this time without a request, a redirected phone needs an administrator to reset it.
pub const GRACE_AFTER_REDIRECT: SignedDuration = SignedDuration::from_mins(15);

/// Returns the first problem, in the order in which problems have to be solved.
#[must_use]
pub fn cause(phone: &Phone, facts: &DiagnosisInputs<'_>, now: Timestamp) -> Cause {
    let cause = leaving(phone)
        .or_else(|| devices(phone, facts).filter(|cause| *cause == Cause::RemovedInDevices))
        .or_else(|| is_orphaned(phone).then_some(Cause::Orphaned))
        .or_else(|| reset(facts))
        .or_else(|| devices(phone, facts))
        .or_else(|| asking(phone, facts, now))
        .unwrap_or_else(|| registering(phone, facts));
    let seen = match cause {
        Cause::WindowClosed => facts.request.map(|last| last.at),
        Cause::Rejected | Cause::Overdue => Some(phone.request.since),
        _ => None,
    };
    // An administrator has allowed the phone since, so the phone must act next.
    let cause = match seen {
        Some(_) if phone.window.is_open(now) && phone.window.opened > seen => Cause::AllowedNotAsked,
        _ => cause,
    };
    let waits_since = match cause {
        Cause::RedirectedNotAsked | Cause::RedirectNotConfigured => phone.redirect.since,
        Cause::AllowedNotAsked => phone.window.opened.unwrap_or(phone.created),
        Cause::Overdue => facts.request.map_or(phone.request.since, |last| last.at),
        _ => return cause,
    };
    match tls_rejections::of(phone, facts, waits_since) {
        Some((_, true)) => Cause::CertificateRefused,
        // An overdue phone already needs an administrator, and its address is known.
        Some((_, false)) if cause != Cause::Overdue => Cause::CertificatePerhapsRefused,
        _ => cause,
    }
}

fn is_orphaned(phone: &Phone) -> bool {
    !phone.accounts.is_empty() && phone.accounts.iter().all(|account| account.orphaned.is_some())
}

/// Returns the stage of the phone, including causes that need an administrator after some time.
#[must_use]
pub fn stage(cause: Cause, phone: &Phone, now: Timestamp) -> ProvisioningStage {
    match cause {
        Cause::RedirectedNotAsked | Cause::CertificatePerhapsRefused
            if now.duration_since(phone.redirect.since) >= GRACE_AFTER_REDIRECT =>
        {
            ProvisioningStage::Stuck
        }
        cause => cause.stage(),
    }
}

fn leaving(phone: &Phone) -> Option<Cause> {
    Some(match phone.wanted {
        Wanted::Active => return None,
        Wanted::Blocked => Cause::Blocked,
        Wanted::Released if crate::provision::flow::release_is_delivered(phone) => Cause::Released,
        Wanted::Released => Cause::Releasing,
        Wanted::Removed if phone.removed_at.is_none() => Cause::Removing,
        Wanted::Removed if phone.redirect_entry.is_some() => Cause::RemovedWithLeftovers,
        Wanted::Removed => Cause::Removed,
    })
}

/// The phone uses the credentials from the redirect service, as after a factory reset, but its bootstrap window is
/// closed. It has lost its configuration, regardless of the record.
fn reset(facts: &DiagnosisInputs<'_>) -> Option<Cause> {
    let last = facts.request?;
    (last.outcome == Reason::WindowClosed.as_str()).then_some(Cause::WindowClosed)
}

fn devices(phone: &Phone, facts: &DiagnosisInputs<'_>) -> Option<Cause> {
    let instance_status = facts.instance_status;
    Some(match phone.devices.state {
        DevicesState::NotInDomain if phone.sysclient.password.is_some() => Cause::RemovedInDevices,
        DevicesState::NotInDomain => Cause::CodeRefused,
        DevicesState::Waiting if phone.devices.error.as_deref() == Some(NO_DESCRIPTOR.english()) => Cause::NoDescriptor,
        DevicesState::Waiting if !instance_status.pbx => Cause::PbxAway,
        DevicesState::Waiting if !instance_status.services => Cause::ServicesNotGranted,
        DevicesState::Waiting if !instance_status.devices => Cause::DevicesNotAnnounced,
        DevicesState::Waiting => Cause::DevicesAway,
        DevicesState::Connecting if phone.request.state == RequestState::BeforeConfig => Cause::AskedBeforeConfig,
        DevicesState::Connecting if phone.device_config.received.is_none() => Cause::Connecting,
        // The phone keeps its configuration, so the other facets continue.
        DevicesState::Connecting | DevicesState::Received | DevicesState::Lost => return None,
    })
}

fn asking(phone: &Phone, facts: &DiagnosisInputs<'_>, now: Timestamp) -> Option<Cause> {
    Some(match phone.request.state {
        RequestState::Rejected => Cause::Rejected,
        RequestState::Overdue => Cause::Overdue,
        RequestState::BeforeConfig => Cause::AskedBeforeConfig,
        RequestState::Provisioned => return None,
        RequestState::NotYet if crate::provision::flow::unused(phone, now) => Cause::WindowExpired,
        RequestState::NotYet => match phone.redirect.state {
            // Neither a redirect service nor an administrator can direct the phone to the gateway.
            RedirectState::Pending | RedirectState::NotConfigured
                if !facts.instance_status.urls.is_known(&phone.provider) =>
            {
                Cause::NoOwnUrl
            }
            RedirectState::NotConfigured => Cause::RedirectNotConfigured,
            RedirectState::Refused => Cause::RedirectRefused,
            RedirectState::ForeignOwner => Cause::RedirectForeignOwner,
            RedirectState::Pending if phone.redirect.error.is_some() => Cause::RedirectAway,
            RedirectState::Pending => Cause::RedirectPending,
            RedirectState::Redirected => Cause::RedirectedNotAsked,
        },
    })
}

fn registering(phone: &Phone, facts: &DiagnosisInputs<'_>) -> Cause {
    let flags = worst_flags(phone).map(|account| account.user_object.state);
    let registered = worst_registration(phone).map(|account| account.registration.state);
    match (flags, registered) {
        (Some(UserObjectState::NotPermitted), _) => Cause::FlagsNotPermitted,
        (Some(UserObjectState::DeviceNotFound), _) => Cause::DeviceNotFound,
        (Some(UserObjectState::DidNotStick), _) => Cause::FlagsDidNotStick,
        (_, Some(RegistrationState::NoPassword)) => Cause::NoPbxPassword,
        (_, Some(RegistrationState::NotRegistered)) if is_registration_lost(phone) => Cause::RegistrationLost,
        (_, Some(RegistrationState::NotRegistered)) if !facts.known_model => Cause::UnknownModel,
        (_, Some(RegistrationState::NotRegistered)) => Cause::NotRegistered,
        (Some(UserObjectState::Pending), _) => Cause::FlagsPending,
        (_, Some(RegistrationState::Unknown)) => Cause::Registering,
        _ if phone.devices.state != DevicesState::Received => Cause::DevicesLost,
        _ if change_is_pending(phone) => Cause::ChangePending,
        _ => Cause::Working,
    }
}

/// Whether the account that is worst off was registered before.
fn is_registration_lost(phone: &Phone) -> bool {
    let error = worst_registration(phone).and_then(|account| account.registration.error.as_deref());
    error == Some(NO_LONGER_REGISTERED.english())
}

/// Whether the record has changed since the phone fetched its file.
#[must_use]
pub fn change_is_pending(phone: &Phone) -> bool {
    phone.delivery.as_ref().is_some_and(|delivery| delivery.revision < phone.revision)
}

/// Returns the account whose flags have the worst state.
#[must_use]
pub fn worst_flags(phone: &Phone) -> Option<&Account> {
    phone.accounts.iter().max_by_key(|account| account.user_object.state.severity())
}

/// Returns the account whose registration has the worst state.
#[must_use]
pub fn worst_registration(phone: &Phone) -> Option<&Account> {
    phone.accounts.iter().max_by_key(|account| account.registration.state.severity())
}

/// Returns the rule that rejected the phone, from the message in the record.
#[must_use]
pub fn rule(phone: &Phone) -> Option<Reason> {
    let error_text = phone.request.error.as_deref()?;
    Reason::ALL.iter().copied().find(|reason| reason.text() == error_text)
}
