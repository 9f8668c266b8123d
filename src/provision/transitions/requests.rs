//! What the phone asked for and got.

use std::{net::IpAddr, sync::Arc};

use jiff::Timestamp;

use crate::{
    phone::{
        facet::{RegistrationState, RequestState, Wanted},
        record::{Delivery, Phone},
    },
    provision::events::FacetEvent,
    store::NewEvent,
};

/// A complete delivery of the personal stage, or the proof that an earlier one still holds.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// What was delivered: revision and provisioning are those it was rendered from.
    pub delivery: Delivery,
    /// Where it went.
    pub source: IpAddr,
    /// The firmware it told.
    pub firmware: Option<Arc<str>>,
    /// The phone showed the tag of these bytes (304), which had been delivered to it completely: the phone of a user who
    /// is provisioned again has its file, and what waits for a delivery may go on.
    pub held: bool,
}

/// Whether a complete delivery of this file would tell the record something new.
#[must_use]
pub fn is_new_information(phone: &Phone, etag: &str) -> bool {
    phone.request.state != RequestState::Provisioned
        || phone.delivery.as_ref().is_none_or(|last| {
            last.revision != phone.revision || last.provisioning != phone.provisioning || last.etag != etag
        })
}

/// Records it. A delivery that was overtaken by a newer one changes nothing.
pub fn delivered(phone: &mut Phone, delivered: Delivered, events: &mut Vec<NewEvent>) {
    let Delivered { delivery, source, firmware, held } = delivered;
    let known = phone.delivery.as_ref().map(|last| (last.provisioning, last.revision));
    let this = (delivery.provisioning, delivery.revision);
    // What was on its way when the phone was provisioned anew is not the new user's file. On a base it is still the
    // file of those who were there before.
    let is_nobodys = phone.accounts.iter().all(|account| account.provisioning > delivery.provisioning);
    if known.is_some_and(|last| last > this) || is_nobodys {
        return;
    }
    let (at, is_new) = (delivery.at, known != Some(this));
    if is_new || phone.request.state != RequestState::Provisioned {
        let source = source.to_canonical().to_string();
        events.push(match held {
            true => FacetEvent::Held { source: &source }.into(),
            false => FacetEvent::Delivered { source: &source }.into(),
        });
    }
    if let Some(firmware) = firmware.as_deref() {
        phone.firmware = Some(firmware.to_owned());
    }
    phone.delivery = Some(delivery);
    phone.request.reach(RequestState::Provisioned, at);
    if phone.wanted == Wanted::Active && is_new {
        for account in &mut phone.accounts {
            account.registration.attempts = 0;
            account.registration.next_attempt = Some(at);
            if account.registration.state == RegistrationState::NotRegistered {
                account.registration.state = RegistrationState::Unknown;
                account.registration.since = at;
            }
        }
    }
}

/// The phone asked (304, or anything that shows it is alive): an overdue one is not overdue any more.
pub fn requested(phone: &mut Phone, now: Timestamp) {
    if phone.request.state == RequestState::Overdue {
        phone.request.reach(RequestState::Provisioned, now);
    }
}

/// It asked before its configuration was there.
pub fn before_config(phone: &mut Phone, now: Timestamp, events: &mut Vec<NewEvent>) {
    if phone.request.state == RequestState::Provisioned || phone.request.state == RequestState::BeforeConfig {
        return;
    }
    phone.request.reach(RequestState::BeforeConfig, now);
    events.push(FacetEvent::TooEarly.into());
}

/// It was refused at `at`. A phone that has its file keeps `Provisioned`: others may ask in its name. What is written down
/// late says nothing of a user who has the phone since then.
pub fn rejected(phone: &mut Phone, sentence: &str, at: Timestamp) {
    let is_of_this_state = phone.request.since <= at;
    if is_of_this_state && !matches!(phone.request.state, RequestState::Provisioned | RequestState::Overdue) {
        phone.request.fail(RequestState::Rejected, sentence, None, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::facet::Facet;

    #[test]
    fn a_refusal_written_late_says_nothing_of_the_next_user() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut phone = Phone::sample();
        phone.request = Facet::new(RequestState::NotYet, at(100));
        rejected(&mut phone, "The window is closed.", at(99));
        assert_eq!(phone.request.state, RequestState::NotYet);
        rejected(&mut phone, "The window is closed.", at(100));
        assert_eq!(phone.request.state, RequestState::Rejected);
    }
}
