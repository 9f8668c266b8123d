//! The facets "PBX flags" and "Registered" of one account.

use std::time::Duration;

use jiff::Timestamp;

use super::{Action, FlowContext, NextStep, WaitReason, when_due};
use crate::phone::{
    admission::{ORPHAN_GRACE, is_lost},
    facet::{RegistrationState, Wanted},
    record::{Account, Flags, Phone},
};

/// How long after a delivery the PBXs are asked without a request.
pub const GRACE_AFTER_DELIVERY: Duration = Duration::from_secs(600);
/// Retry interval for flags that an administrator must fix at the PBX, without any sign of a change.
pub const FLAGS_SLOWLY: Duration = Duration::from_secs(3600);

/// The pause before the next GetRegs: 1 s, doubled up to a minute.
#[must_use]
pub fn registration_pause(attempts: u32) -> Duration {
    Duration::from_secs(1_u64 << attempts.min(6)).min(Duration::from_secs(60))
}

pub(super) fn user_object(phone: &Phone, account: &Account, context: &FlowContext, now: Timestamp) -> NextStep {
    if phone.wanted != Wanted::Active || flags_written(account, context.flags) {
        return NextStep::Settled;
    }
    if !is_delivered(phone, account) {
        return NextStep::WaitFor(WaitReason::Delivery);
    }
    when_due(account.user_object.next_attempt, now, || NextStep::Act(Action::WriteFlags(context.flags)))
}

/// Whether these flags were already written for this provisioning. If so, later drift is shown, not corrected.
#[must_use]
pub fn flags_written(account: &Account, wanted: Flags) -> bool {
    account.flags_provisioning == account.provisioning && account.flags_written == Some(wanted)
}

pub(super) fn registration(phone: &Phone, account: &Account, now: Timestamp) -> NextStep {
    if phone.wanted != Wanted::Active {
        return NextStep::Settled;
    }
    if !is_delivered(phone, account) {
        return NextStep::WaitFor(WaitReason::Delivery);
    }
    let registration = &account.registration;
    // The phone fetched another file after the checks had ended, so it may register now.
    let is_delivered_since = phone.delivery.as_ref().is_some_and(|delivery| delivery.at > registration.since);
    match (registration.state, registration.next_attempt) {
        (RegistrationState::Unknown, next) | (_, next @ Some(_)) => {
            when_due(next, now, || NextStep::Act(Action::CheckRegistration))
        }
        (RegistrationState::NotRegistered | RegistrationState::NoPassword, None) if is_delivered_since => {
            NextStep::Act(Action::CheckRegistration)
        }
        (RegistrationState::Registered | RegistrationState::NotRegistered | RegistrationState::NoPassword, None) => {
            NextStep::Settled
        }
    }
}

/// Disables an account in the phone's file when it has been orphaned for too long.
pub(super) fn presence(phone: &Phone, account: &Account, now: Timestamp) -> NextStep {
    let Some(orphaned) = account.orphaned else { return NextStep::Settled };
    if phone.wanted == Wanted::Removed || account.withheld.is_some() {
        return NextStep::Settled;
    }
    if is_lost(account, now) {
        return NextStep::Act(Action::DisableAccount);
    }
    NextStep::WaitUntil(orphaned.since.saturating_add(ORPHAN_GRACE).unwrap_or(Timestamp::MAX))
}

/// Whether the phone has fetched the personal file that added this account.
fn is_delivered(phone: &Phone, account: &Account) -> bool {
    phone.delivery.as_ref().is_some_and(|delivery| delivery.provisioning >= account.provisioning)
}
