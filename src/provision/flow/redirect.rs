//! The facet "Redirect": the entry at the vendor's redirect service.

use jiff::Timestamp;

use super::{Action, Awaited, Decision, RedirectContext, ServerReadiness, in_back_off, is_leaving, unused, when_due};
use crate::{
    phone::{
        facet::{RedirectState, Wanted},
        record::Phone,
        urls::UrlError,
    },
    secret::Secret,
};

pub(super) fn decide(phone: &Phone, context: &RedirectContext, now: Timestamp) -> Decision {
    if is_leaving(phone) || unused(phone, now) {
        return withdraw(phone, context, now);
    }
    if phone.wanted != Wanted::Active {
        return Decision::Settled;
    }
    if !context.configured {
        return if phone.redirect.state == RedirectState::NotConfigured {
            Decision::Settled
        } else {
            Decision::Act(Action::NoteNotConfigured)
        };
    }
    let url = match &context.url {
        Ok(url) => url,
        Err(error) => return without_url(phone, error),
    };
    match phone.redirect.state {
        RedirectState::Redirected if !needs_moving(phone, url) => return Decision::Settled,
        // Needs a person, unless the refusal came with a time to try again.
        RedirectState::ForeignOwner | RedirectState::Refused if phone.redirect.next_attempt.is_none() => {
            return Decision::WaitFor(Awaited::Person);
        }
        _ => {}
    }
    if phone.device_config.received.is_none() && !in_back_off(phone) {
        return Decision::WaitFor(Awaited::Configuration);
    }
    if let Some(decision) = away(phone, context, now) {
        return decision;
    }
    when_due(phone.redirect.next_attempt, now, || match &context.server {
        ServerReadiness::Pending => Decision::WaitFor(Awaited::ServerEntry),
        ServerReadiness::Refused(sentence) => Decision::Act(Action::NoteServerRefused(sentence.clone())),
        ServerReadiness::Ready(name) => Decision::Act(Action::Register { url: url.clone(), server_name: name.clone() }),
    })
}

/// Said in the record of a phone that waits for it. One that is redirected already goes on fetching where it was sent.
fn without_url(phone: &Phone, error: &UrlError) -> Decision {
    let waits = matches!(phone.redirect.state, RedirectState::Pending | RedirectState::NotConfigured);
    if waits && phone.redirect.error.as_deref() != Some(error.to_string().as_str()) {
        Decision::Act(Action::NoteNoUrl(error.clone()))
    } else {
        Decision::WaitFor(Awaited::PhoneUrl)
    }
}

/// Whether the service holds another URL than the phone should get.
#[must_use]
pub fn needs_moving(phone: &Phone, url: &Secret) -> bool {
    phone.redirect_entry.as_ref().is_none_or(|entry| entry.url != *url)
}

/// Takes the entry back; without an entry (or without an account to do it with) there is nothing to take back.
fn withdraw(phone: &Phone, context: &RedirectContext, now: Timestamp) -> Decision {
    if phone.redirect_entry.is_none() || !context.configured {
        return Decision::Settled;
    }
    // Refused for good: said in the record, a person has to do it at the service.
    if phone.redirect.state == RedirectState::Refused && phone.redirect.next_attempt.is_none() {
        return Decision::Settled;
    }
    if let Some(decision) = away(phone, context, now) {
        return decision;
    }
    when_due(phone.redirect.next_attempt, now, || Decision::Act(Action::Deregister))
}

/// While the service is away the record says so once and then waits with all others.
fn away(phone: &Phone, context: &RedirectContext, now: Timestamp) -> Option<Decision> {
    let until = context.away_until.filter(|until| *until > now)?;
    Some(if phone.redirect.error.is_some() && phone.redirect.next_attempt.is_some() {
        Decision::WaitUntil(until)
    } else {
        Decision::Act(Action::NoteRedirectAway(until))
    })
}
