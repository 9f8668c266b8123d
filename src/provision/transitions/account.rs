//! The results of PBX requests about an account.

use jiff::Timestamp;

use super::later;
use crate::{
    net::backoff::Backoff,
    pbx::user_objects::{FlagsWritten, PbxError},
    phone::{
        facet::{RegistrationState, UserObjectState},
        record::{Account, Flags, Gone, Phone},
    },
    provision::{
        events::FacetEvent,
        flow::{FLAGS_SLOWLY, GRACE_AFTER_DELIVERY, registration_pause},
        timeline_texts::NO_LONGER_REGISTERED,
    },
    store::NewEvent,
};

fn account(phone: &mut Phone, line: u16) -> Option<&mut Account> {
    phone.accounts.iter_mut().find(|account| account.line == line)
}

/// The flags were written for the provisioning number `provisioning`.
pub fn flags_written(
    phone: &mut Phone,
    line: u16,
    provisioning: u32,
    flags: Flags,
    result: &FlagsWritten,
    now: Timestamp,
    events: &mut Vec<NewEvent>,
) {
    let Some(account) = account(phone, line) else { return };
    account.flags_written = Some(flags);
    account.flags_provisioning = provisioning;
    // The PBX has both user and device. It does not know whether Devices knows the phone.
    if account.orphaned.is_some_and(|orphaned| orphaned.gone != Gone::Device) {
        account.found();
    }
    match result {
        FlagsWritten::Applied => {
            account.user_object.reach(UserObjectState::Applied, now);
            events.push(FacetEvent::FlagsWritten { user: &account.username }.into());
        }
        FlagsWritten::DidNotStick(sentence) => {
            account.user_object.fail(UserObjectState::DidNotStick, sentence, None, now);
            events.push(FacetEvent::FlagsFailed { user: &account.username, sentence }.into());
        }
    }
}

/// The flags could not be written.
pub fn flags_failed(
    phone: &mut Phone,
    line: u16,
    error: &PbxError,
    now: Timestamp,
    random: f64,
    events: &mut Vec<NewEvent>,
) {
    let Some(account) = account(phone, line) else { return };
    let growing = later(now, Backoff::PHONE.pause(account.user_object.attempts.saturating_add(1), random));
    let slowly = later(now, FLAGS_SLOWLY);
    let (state, next) = match error {
        PbxError::NotPermitted => (UserObjectState::NotPermitted, slowly),
        PbxError::DeviceNotFound | PbxError::UserNotFound => (UserObjectState::DeviceNotFound, growing),
        PbxError::Unsupported(_) => (UserObjectState::Pending, slowly),
        PbxError::NoSession | PbxError::Timeout | PbxError::Failed(_) => (UserObjectState::Pending, growing),
    };
    let sentence = error.to_string();
    if account.user_object.error.as_deref() != Some(sentence.as_str()) {
        events.push(FacetEvent::FlagsFailed { user: &account.username, sentence: &sentence }.into());
    }
    account.user_object.fail(state, sentence, Some(next), now);
}

/// A PBX sees the account as registered.
pub fn registration_seen(phone: &mut Phone, line: u16, address: &str, now: Timestamp, events: &mut Vec<NewEvent>) {
    let Some(account) = account(phone, line) else { return };
    if account.registration.state != RegistrationState::Registered
        || account.registered_address.as_deref() != Some(address)
    {
        events.push(FacetEvent::Registered { user: &account.username, address }.into());
    }
    account.registration.reach(RegistrationState::Registered, now);
    account.registered_address = Some(address.to_owned());
}

/// No PBX sees the account: asks again with growing pauses for ten minutes after the delivery, then records an event.
pub fn registration_unseen(phone: &mut Phone, line: u16, now: Timestamp, events: &mut Vec<NewEvent>) {
    let again = retry_pause(phone, now);
    let Some(account) = account(phone, line) else { return };
    account.registered_address = None;
    if again {
        let next = later(now, registration_pause(account.registration.attempts));
        let state = match account.registration.state {
            RegistrationState::Registered => account.not_registered(),
            state => state,
        };
        account.registration.fail(state, "not seen at any connected PBX yet", Some(next), now);
        return;
    }
    let state = account.not_registered();
    if account.registration.state != state {
        events.push(FacetEvent::NotRegistered { user: &account.username }.into());
    }
    // `since` becomes the time of the last unsuccessful check, so that a later delivery is recognised.
    account.registration.since = now;
    account.registration.fail(
        state,
        "no connected PBX sees this hardware id: look at the phone's account status, its network and the SIP transport",
        None,
        now,
    );
}

/// A PBX does not see the account any more, which was registered.
pub fn registration_lost(phone: &mut Phone, line: u16, now: Timestamp, events: &mut Vec<NewEvent>) {
    let Some(account) = account(phone, line) else { return };
    account.registered_address = None;
    events.push(FacetEvent::RegistrationLost { user: &account.username }.into());
    account.registration.fail(account.not_registered(), NO_LONGER_REGISTERED.english(), None, now);
}

/// The PBXs could not be asked.
pub fn registration_failed(phone: &mut Phone, line: u16, error: &PbxError, now: Timestamp) {
    let again = retry_pause(phone, now);
    let Some(account) = account(phone, line) else { return };
    let next = later(now, registration_pause(account.registration.attempts));
    let state = match account.registration.state {
        // Treat errors as unknown. The state `Unknown` without a next attempt would cause an immediate retry.
        RegistrationState::Unknown if !again => account.not_registered(),
        state => state,
    };
    if !again {
        account.registration.since = now;
    }
    account.registration.fail(state, error.to_string(), again.then_some(next), now);
}

/// The daily audit found the user object, and the device on it.
pub fn present(phone: &mut Phone, line: u16, guid: &str, events: &mut Vec<NewEvent>) {
    let Some(account) = account(phone, line) else { return };
    account.user_guid.get_or_insert_with(|| guid.to_owned());
    if account.orphaned.is_some_and(|orphaned| orphaned.gone != Gone::Device) {
        account.found();
        events.push(FacetEvent::Found { user: &account.username }.into());
    }
}

/// The daily audit did not find the user object or the device.
pub fn absent(phone: &mut Phone, line: u16, gone: Gone, now: Timestamp, events: &mut Vec<NewEvent>) {
    let Some(account) = account(phone, line) else { return };
    if account.orphaned.is_none_or(|orphaned| orphaned.gone != gone) {
        events.push(FacetEvent::Orphaned { user: &account.username, sentence: gone.text() }.into());
    }
    account.orphan(gone, now);
}

/// The account has been orphaned for too long: the phone's file disables it.
pub fn withhold(phone: &mut Phone, line: u16, now: Timestamp, events: &mut Vec<NewEvent>) {
    let Some(account) = account(phone, line) else { return };
    if crate::phone::admission::is_lost(account, now) && account.withheld.is_none() {
        account.withheld = Some(now);
        events.push(FacetEvent::Withheld { user: &account.username }.into());
    }
}

fn retry_pause(phone: &Phone, now: Timestamp) -> bool {
    phone.delivery.as_ref().is_some_and(|delivery| now < later(delivery.at, GRACE_AFTER_DELIVERY))
}
