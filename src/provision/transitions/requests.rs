//! The phone's requests and deliveries.

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

/// A complete delivery of the personal stage, or the proof that an earlier one is still current.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// What was delivered: the revision and provisioning that it was rendered from.
    pub delivery: Delivery,
    /// The address it was sent to.
    pub source: IpAddr,
    /// The firmware that the phone reported.
    pub firmware: Option<Arc<str>>,
    /// The phone sent the tag of these bytes (304), which had been delivered to it completely. So the phone of a user
    /// who is provisioned again has its file, and what waits for a delivery may continue.
    pub held: bool,
}

/// Whether a complete delivery of this file would change the record.
#[must_use]
pub fn is_new_information(phone: &Phone, etag: &str) -> bool {
    phone.request.state != RequestState::Provisioned
        || phone.delivery.as_ref().is_none_or(|last| {
            last.revision != phone.revision || last.provisioning != phone.provisioning || last.etag != etag
        })
}

/// Records a delivery. It has no effect if a newer one was recorded first.
pub fn delivered(phone: &mut Phone, delivered: Delivered, events: &mut Vec<NewEvent>) {
    let Delivered { delivery, source, firmware, held } = delivered;
    let known = phone.delivery.as_ref().map(|last| (last.provisioning, last.revision));
    let this = (delivery.provisioning, delivery.revision);
    // A delivery that was under way when the phone was provisioned again is not the new user's file. On a base it is
    // still the file of the users who were there before.
    let is_unowned = phone.accounts.iter().all(|account| account.provisioning > delivery.provisioning);
    if known.is_some_and(|last| last > this) || is_unowned {
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

/// The phone sent a request (304, or anything that shows it is alive), so it is not overdue any more.
pub fn requested(phone: &mut Phone, now: Timestamp) {
    if phone.request.state == RequestState::Overdue {
        phone.request.reach(RequestState::Provisioned, now);
    }
}

/// The phone sent a request before its configuration was complete.
pub fn before_config(phone: &mut Phone, now: Timestamp, events: &mut Vec<NewEvent>) {
    if phone.request.state == RequestState::Provisioned || phone.request.state == RequestState::BeforeConfig {
        return;
    }
    phone.request.reach(RequestState::BeforeConfig, now);
    events.push(FacetEvent::TooEarly.into());
}

/// A request was rejected at `at`. A phone that has its file keeps `Provisioned`, because others may send requests in
/// its name. A rejection that is recorded late says nothing about a user who got the phone since.
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
