//! The facet "Redirect": the entry at the vendor's redirect service.

use std::time::Duration;

use gangway_base::secret::Secret;
use jiff::Timestamp;

use super::{
    Action, NextStep, RedirectContext, ServerReadiness, WaitReason, in_back_off, is_leaving, unused, when_due,
};
use crate::phone::{
    facet::{RedirectState, Wanted},
    public_url::UrlError,
    record::Phone,
};

/// Interval at which a phone's entry at the service is compared with the expected one.
pub const CHECKED_EVERY: Duration = Duration::from_secs(86_400);

pub(super) fn decide(phone: &Phone, context: &RedirectContext, now: Timestamp) -> NextStep {
    if is_leaving(phone) || unused(phone, now) {
        return withdraw(phone, context, now);
    }
    if phone.wanted != Wanted::Active {
        return NextStep::Settled;
    }
    if !context.configured {
        return if phone.redirect.state == RedirectState::NotConfigured {
            NextStep::Settled
        } else {
            NextStep::Act(Action::RecordNotConfigured)
        };
    }
    let url = match &context.url {
        Ok(url) => url,
        Err(error) => return without_url(phone, error),
    };
    match phone.redirect.state {
        RedirectState::Redirected if !needs_moving(phone, url) => return check(phone, url, now),
        // An administrator must act, possibly at the service; the next comparison detects that.
        RedirectState::ForeignOwner | RedirectState::Refused => {
            return match phone.redirect.next_attempt {
                Some(_) => check(phone, url, now),
                None => NextStep::WaitFor(WaitReason::Person),
            };
        }
        _ => {}
    }
    if phone.device_config.received.is_none() && !in_back_off(phone) {
        return NextStep::WaitFor(WaitReason::Configuration);
    }
    if let Some(decision) = record_unavailable(phone, context, now) {
        return decision;
    }
    when_due(retry_at(phone), now, || match &context.server {
        ServerReadiness::Pending => NextStep::WaitFor(WaitReason::ServerEntry),
        ServerReadiness::Refused(sentence) => NextStep::Act(Action::RecordServerRejected(sentence.clone())),
        ServerReadiness::Ready(name) => NextStep::Act(Action::Register { url: url.clone(), server_name: name.clone() }),
    })
}

/// When to retry an attempt that failed because of the phone itself. A failure because the service is away causes no
/// delay here, since the phone queues at the endpoint. Neither does the time of the next comparison of a redirected
/// phone.
fn retry_at(phone: &Phone) -> Option<Timestamp> {
    let is_own = phone.redirect.state == RedirectState::Pending && phone.redirect.attempts > 0;
    phone.redirect.next_attempt.filter(|_| is_own)
}

/// Compares the service's entry with the expected one, once a day. This is not urgent: while the service is away, the
/// phone queues without a note in its record.
fn check(phone: &Phone, url: &Secret, now: Timestamp) -> NextStep {
    let next = phone.redirect.next_attempt;
    let due = next.or_else(|| phone.redirect.since.saturating_add(CHECKED_EVERY).ok()).unwrap_or(Timestamp::MAX);
    if due > now {
        return NextStep::WaitUntil(due);
    }
    let entry_url = phone.redirect_entry.as_ref().map_or(url, |entry| &entry.url);
    NextStep::Act(Action::Verify { url: entry_url.clone() })
}

/// Records the missing URL for a phone that waits for it. A phone that is already redirected continues to fetch from
/// its URL.
fn without_url(phone: &Phone, error: &UrlError) -> NextStep {
    let waits = matches!(phone.redirect.state, RedirectState::Pending | RedirectState::NotConfigured);
    if waits && phone.redirect.error.as_deref() != Some(error.to_string().as_str()) {
        NextStep::Act(Action::RecordNoUrl(error.clone()))
    } else {
        NextStep::WaitFor(WaitReason::PhoneUrl)
    }
}

/// Whether the service has another URL than the phone should get.
#[must_use]
pub fn needs_moving(phone: &Phone, url: &Secret) -> bool {
    phone.redirect_entry.as_ref().is_none_or(|entry| entry.url != *url)
}

/// Withdraws the entry. Without an entry (or without an account) there is nothing to withdraw.
fn withdraw(phone: &Phone, context: &RedirectContext, now: Timestamp) -> NextStep {
    if phone.redirect_entry.is_none() || !context.configured {
        return NextStep::Settled;
    }
    // Rejected permanently: the record states it, and an administrator must remove the entry at the service.
    if phone.redirect.state == RedirectState::Refused && phone.redirect.next_attempt.is_none() {
        return NextStep::Settled;
    }
    if let Some(decision) = record_unavailable(phone, context, now) {
        return decision;
    }
    when_due(retry_at(phone), now, || NextStep::Act(Action::Deregister))
}

/// Records once that the service is away. Then the phone queues with all others.
fn record_unavailable(phone: &Phone, context: &RedirectContext, now: Timestamp) -> Option<NextStep> {
    let until = context.away_until.filter(|until| *until > now)?;
    let is_noted = phone.redirect.error.is_some() && phone.redirect.next_attempt.is_some();
    (!is_noted).then_some(NextStep::Act(Action::RecordRedirectUnavailable(until)))
}
