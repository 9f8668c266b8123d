//! The result of comparing the entry at the redirect service with what it was given. A difference is shown, not
//! corrected: an administrator made it on purpose, or another gateway uses the same account.

use gangway_base::secret::Secret;
use jiff::Timestamp;

use super::retry::{Pause, next_check};
use crate::{
    phone::{
        facet::{RedirectState, Wanted},
        record::Phone,
    },
    provision::{events::FacetEvent, timeline_texts},
    redirect::{Confirmation, Done, RedirectResult},
    store::NewEvent,
};

/// How an administrator can correct a difference.
const CURE: &str = "Correct it there, or have the phone registered anew with `gangway phones check MAC --repair`.";

/// The answer to a comparison.
pub fn verified(
    phone: &mut Phone,
    url: &Secret,
    outcome: &RedirectResult,
    now: Timestamp,
    pause: Pause,
    events: &mut Vec<NewEvent>,
) {
    // The phone was provisioned again, moved or removed during the call: ignore the answer.
    let is_current = phone.wanted == Wanted::Active
        && !matches!(phone.redirect.state, RedirectState::Pending | RedirectState::NotConfigured)
        && phone.redirect_entry.as_ref().is_none_or(|entry| entry.url == *url);
    if !is_current {
        return;
    }
    let next = Some(next_check(now, pause.random));
    match outcome {
        RedirectResult::Ok(_) | RedirectResult::AlreadyMine => {
            phone.redirect.reach(RedirectState::Redirected, now);
            phone.redirect.error = asked_for(phone, outcome);
            phone.redirect.next_attempt = next;
        }
        RedirectResult::OwnedByOther => {
            phone.redirect_entry = None;
            differs(phone, RedirectState::ForeignOwner, outcome.sentence(), next, now, events);
        }
        RedirectResult::NotFound => {
            differs(
                phone,
                RedirectState::Refused,
                timeline_texts::REDIRECT_GONE.english().to_owned(),
                next,
                now,
                events,
            );
        }
        RedirectResult::SentElsewhere(_) => {
            let sentence = format!("{} {CURE}", outcome.sentence());
            differs(phone, RedirectState::Refused, sentence, next, now, events);
        }
        // The answer says nothing about the phone, so its state is kept.
        _ if outcome.is_retryable() => pause.fail(phone, phone.redirect.state, outcome, now),
        _ => phone.redirect.fail(phone.redirect.state, outcome.sentence(), next, now),
    }
}

/// Records a difference; adds an event only the first time it is found.
fn differs(
    phone: &mut Phone,
    state: RedirectState,
    sentence: String,
    next: Option<Timestamp>,
    now: Timestamp,
    events: &mut Vec<NewEvent>,
) {
    if phone.redirect.state != state || phone.redirect.error.as_deref() != Some(sentence.as_str()) {
        events.push(FacetEvent::RedirectDiffers { sentence: &sentence }.into());
    }
    phone.redirect.fail(state, sentence, next, now);
}

/// What a phone that has not fetched its file yet will ask for on its screen.
fn asked_for(phone: &Phone, outcome: &RedirectResult) -> Option<String> {
    let RedirectResult::Ok(Done { confirmation: Some(confirmation), .. }) = outcome else { return None };
    let pin = match confirmation {
        Confirmation::Pin(pin) => Some(pin.expose()),
        Confirmation::SerialEnd => None,
    };
    phone.delivery.is_none().then(|| FacetEvent::AsksPerson { pin }.message().line())
}

/// Whether the comparison requested at `asked` is complete: every answer sets the next time, or waits for an
/// administrator.
#[must_use]
pub fn is_checked(phone: &Phone, requested: Timestamp) -> bool {
    match phone.redirect.next_attempt {
        Some(next) => next > requested,
        None => phone.redirect.state != RedirectState::Pending,
    }
}
