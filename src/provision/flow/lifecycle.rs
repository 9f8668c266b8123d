//! The bootstrap window, the wait for the phone's requests, and the deletion of a phone.

use std::time::Duration;

use jiff::Timestamp;

use super::{Action, FlowContext, NextStep, WaitReason};
use crate::phone::{
    facet::{RedirectState, RequestState, Wanted},
    record::{Phone, is_ahead},
};

/// How long bootstrap is still admitted after the first delivery.
pub const AFTER_FIRST_DELIVERY: Duration = Duration::from_secs(15 * 60);
/// Number of missed intervals after which a phone is overdue.
const MISSED_INTERVALS: u64 = 3;
/// When a phone without an interval is overdue.
const SILENT_FOR: Duration = Duration::from_secs(7 * 86_400);

/// Closes the bootstrap window 15 minutes after its first delivery, at the latest when its days are over.
pub(super) fn window(phone: &Phone, now: Timestamp) -> NextStep {
    let window = &phone.window;
    let (Some(opened), None, Some(until)) = (window.opened, window.closed, window.ends()) else {
        return NextStep::Settled;
    };
    // The clock was set back, so it is unknown how long the bootstrap window has been open.
    if is_ahead(window.first_delivery.unwrap_or(opened), now) {
        return NextStep::Act(Action::CloseWindow);
    }
    let closes = match window.first_delivery {
        Some(first) => later(first, AFTER_FIRST_DELIVERY).min(until),
        None => until,
    };
    if closes <= now || is_over(phone) { NextStep::Act(Action::CloseWindow) } else { NextStep::WaitUntil(closes) }
}

/// Whether the bootstrap window is to be closed now.
#[must_use]
pub fn ends_window(phone: &Phone, now: Timestamp) -> bool {
    window(phone, now) == NextStep::Act(Action::CloseWindow)
}

/// Whether the bootstrap window expired before the phone ever fetched its file. Then the entry at the redirect service
/// is withdrawn and the users' passwords are dropped. A new provisioning restores both.
#[must_use]
pub fn unused(phone: &Phone, now: Timestamp) -> bool {
    phone.delivery.is_none() && phone.window.until.is_some_and(|until| until <= now)
}

pub(super) fn request(phone: &Phone, context: &FlowContext, now: Timestamp) -> NextStep {
    if phone.wanted != Wanted::Active {
        return NextStep::Settled;
    }
    match phone.request.state {
        RequestState::Provisioned => {
            let at = overdue_at(phone, context.interval_minutes, context.last_request);
            if at <= now { NextStep::Act(Action::MarkOverdue) } else { NextStep::WaitUntil(at) }
        }
        RequestState::NotYet | RequestState::BeforeConfig | RequestState::Rejected | RequestState::Overdue => {
            NextStep::WaitFor(WaitReason::Delivery)
        }
    }
}

/// When the phone will have missed three intervals, or seven days if it has no interval.
#[must_use]
pub fn overdue_at(phone: &Phone, interval_minutes: u32, last_request: Option<Timestamp>) -> Timestamp {
    let delivered = phone.delivery.as_ref().map(|delivery| delivery.at);
    let last_contact = [Some(phone.request.since), delivered, last_request].into_iter().flatten().max();
    let silence = match interval_minutes {
        0 => SILENT_FOR,
        minutes => Duration::from_secs(u64::from(minutes) * 60 * MISSED_INTERVALS),
    };
    later(last_contact.unwrap_or(phone.request.since), silence)
}

/// Whether a released phone has fetched its last file, the one with all accounts off. `wanted` is part of the rendered
/// file, so that releasing has raised the revision.
#[must_use]
pub fn release_is_delivered(phone: &Phone) -> bool {
    phone.wanted == Wanted::Released
        && phone.delivery.as_ref().is_none_or(|delivery| delivery.revision >= phone.revision)
}

/// Deletes a removed phone (tombstone) once its other tasks are complete.
pub(super) fn end(phone: &Phone, context: &FlowContext) -> NextStep {
    if phone.wanted != Wanted::Removed || phone.removed_at.is_some() {
        return NextStep::Settled;
    }
    let entry_is_gone = phone.redirect_entry.is_none()
        || !context.redirect.configured
        || (phone.redirect.state == RedirectState::Refused && phone.redirect.next_attempt.is_none());
    if entry_is_gone && context.target.is_none() {
        NextStep::Act(Action::Archive)
    } else {
        NextStep::WaitFor(WaitReason::Farewell)
    }
}

/// A phone that is removed or released needs no bootstrap.
fn is_over(phone: &Phone) -> bool {
    phone.wanted == Wanted::Removed || release_is_delivered(phone)
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}
