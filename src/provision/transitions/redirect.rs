//! The results of calls to the redirect service.

use gangway_base::secret::Secret;
use jiff::Timestamp;

use super::retry::{Pause, next_check};
use crate::{
    phone::{
        facet::{RedirectState, Wanted},
        public_url::UrlError,
        record::{Phone, RedirectEntry},
    },
    provision::{events::FacetEvent, timeline_texts},
    redirect::{Confirmation, Done, EntryUsed, RedirectResult},
    store::NewEvent,
};

/// Written before the call. From then on the service may have an entry, so removing the phone withdraws it even if the
/// answer never arrives.
pub fn registering(phone: &mut Phone, url: &Secret, now: Timestamp) {
    if phone.redirect.state != RedirectState::Pending {
        let error = phone.redirect.error.take();
        phone.redirect.reach(RedirectState::Pending, now);
        phone.redirect.error = error;
    }
    if phone.redirect_entry.as_ref().is_none_or(|entry| entry.url != *url) {
        phone.redirect_entry = Some(RedirectEntry { url: url.clone(), server_name: None, at: now });
    }
}

/// The answer to a registration.
pub fn registered(
    phone: &mut Phone,
    url: &Secret,
    outcome: &RedirectResult,
    now: Timestamp,
    pause: Pause,
    events: &mut Vec<NewEvent>,
) {
    // The phone was provisioned again or removed during the call: the next decision updates the entry.
    let is_current = phone.wanted == Wanted::Active
        && phone.redirect.state == RedirectState::Pending
        && phone.redirect_entry.as_ref().is_some_and(|entry| entry.url == *url);
    match outcome {
        RedirectResult::Ok(_) | RedirectResult::AlreadyMine => {
            if !is_current {
                return;
            }
            let server_name = match outcome {
                RedirectResult::Ok(done) => match &done.entry {
                    Some(EntryUsed::Server { name }) => Some(name.clone()),
                    Some(EntryUsed::UniqueUrl) | None => None,
                },
                _ => None,
            };
            phone.redirect_entry = Some(RedirectEntry { url: url.clone(), server_name, at: now });
            phone.redirect.reach(RedirectState::Redirected, now);
            phone.redirect.next_attempt = Some(next_check(now, pause.random));
            events.push(FacetEvent::Redirected.into());
            if let RedirectResult::Ok(Done { confirmation: Some(confirmation), .. }) = outcome {
                let pin = match confirmation {
                    Confirmation::Pin(pin) => Some(pin.expose()),
                    Confirmation::SerialEnd => None,
                };
                events.push(FacetEvent::AsksPerson { pin }.into());
            }
        }
        RedirectResult::OwnedByOther => {
            phone.redirect_entry = None;
            refuse(phone, RedirectState::ForeignOwner, outcome, None, now, events);
        }
        RedirectResult::NotConfigured(_) => refuse(phone, RedirectState::NotConfigured, outcome, None, now, events),
        _ if outcome.is_retryable() => pause.fail(phone, RedirectState::Pending, outcome, now),
        _ => refuse(phone, RedirectState::Refused, outcome, None, now, events),
    }
}

/// The answer to withdrawing the entry.
pub fn deregistered(
    phone: &mut Phone,
    outcome: &RedirectResult,
    now: Timestamp,
    pause: Pause,
    events: &mut Vec<NewEvent>,
) {
    match outcome {
        // The entry is absent or not ours: nothing of ours is left.
        RedirectResult::Ok(_)
        | RedirectResult::AlreadyMine
        | RedirectResult::NotFound
        | RedirectResult::InvalidMac
        | RedirectResult::OwnedByOther => {
            phone.redirect_entry = None;
            phone.redirect.reach(RedirectState::Pending, now);
            events.push(FacetEvent::Deregistered.into());
        }
        _ if outcome.is_retryable() => pause.fail(phone, RedirectState::Pending, outcome, now),
        _ => refuse(phone, RedirectState::Refused, outcome, None, now, events),
    }
}

/// The service is away or asks to wait, as known from another phone; `why` is the error of that attempt.
pub fn service_away(phone: &mut Phone, why: Option<String>, until: Timestamp, now: Timestamp) {
    let attempts = phone.redirect.attempts;
    let why = why.unwrap_or_else(|| timeline_texts::SERVICE_AWAY.english().to_owned());
    phone.redirect.fail(RedirectState::Pending, why, Some(until), now);
    phone.redirect.attempts = attempts;
}

/// The account's server entry was rejected, so no phone of the account can be registered.
pub fn server_refused(phone: &mut Phone, sentence: &str, now: Timestamp, events: &mut Vec<NewEvent>) {
    events.push(FacetEvent::RedirectRefused { sentence }.into());
    phone.redirect.fail(RedirectState::Refused, sentence, None, now);
}

/// The URL to send the phone to is not known. Decided again when a URL is learned or a setting changes.
pub fn no_url(phone: &mut Phone, error: &UrlError, now: Timestamp) {
    phone.redirect.fail(RedirectState::Pending, error.to_string(), None, now);
}

/// No redirect account is configured.
pub fn unconfigured(phone: &mut Phone, now: Timestamp) {
    phone.redirect.reach(RedirectState::NotConfigured, now);
}

fn refuse(
    phone: &mut Phone,
    state: RedirectState,
    outcome: &RedirectResult,
    next: Option<Timestamp>,
    now: Timestamp,
    events: &mut Vec<NewEvent>,
) {
    let sentence = outcome.sentence();
    events.push(FacetEvent::RedirectRefused { sentence: &sentence }.into());
    phone.redirect.fail(state, sentence, next, now);
}
