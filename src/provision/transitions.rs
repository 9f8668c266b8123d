//! Applies results to the record. Pure: called inside a change of the phone, with the time as an argument.

mod account;
mod devices;
mod redirect;
mod requests;
mod retry;
mod verified;

use std::time::Duration;

use jiff::Timestamp;

pub use self::{
    account::{
        absent, flags_failed, flags_written, present, registration_failed, registration_lost, registration_seen,
        registration_unseen, withhold,
    },
    devices::{
        add_item, away, burst, closed, connected, connecting, device_removed, items_changed, member, no_credential,
        no_descriptor, no_devices, password, silence,
    },
    redirect::{deregistered, no_url, registered, registering, server_refused, service_away, unconfigured},
    requests::{Delivered, before_config, delivered, is_new_information, rejected, requested},
    retry::Pause,
    verified::{is_checked, verified},
};
use super::{events::FacetEvent, timeline_texts};
use crate::{
    phone::{facet::Wanted, record::Phone},
    store::NewEvent,
};

/// Closes the bootstrap window, unless it was opened again since the decision. If the phone never fetched its file, the
/// users' passwords are dropped too.
pub fn close_window(phone: &mut Phone, now: Timestamp, events: &mut Vec<NewEvent>) {
    if !super::flow::ends_window(phone, now) {
        return;
    }
    let unused = super::flow::unused(phone, now);
    phone.window.closed = Some(now);
    if unused {
        for account in &mut phone.accounts {
            account.password = gangway_base::secret::Secret::default();
        }
    }
    events.push(FacetEvent::WindowClosed { unused }.into());
}

/// The phone has not sent a request for too long.
pub fn overdue(phone: &mut Phone, now: Timestamp, events: &mut Vec<NewEvent>) {
    phone.request.fail(
        crate::phone::facet::RequestState::Overdue,
        "The phone has not asked for its configuration as often as it should: is it plugged in and does it reach us?",
        None,
        now,
    );
    events.push(FacetEvent::Overdue.into());
}

/// Turns a removed phone into a tombstone: secrets are deleted, the history stays. A phone that was provisioned again
/// since the decision is kept.
pub fn archive(phone: &mut Phone, now: Timestamp, events: &mut Vec<NewEvent>) {
    if phone.wanted != Wanted::Removed {
        return;
    }
    let left = phone
        .redirect_entry
        .as_ref()
        .map(|_| phone.redirect.error.clone().unwrap_or_else(|| timeline_texts::ENTRY_LEFT.english().to_owned()));
    events.push(FacetEvent::Archived { left: left.as_deref() }.into());
    phone.removed_at = Some(now);
    phone.code = None;
    phone.bootstrap = None;
    // Replaced by random texts that are not stored elsewhere, so that neither matches any more.
    phone.token = crate::phone::record::new_token();
    phone.own = crate::phone::record::Credentials::generate(phone.mac);
    phone.former = None;
    let spent = std::mem::take(&mut phone.sysclient.spent);
    phone.sysclient = crate::phone::record::SysclientState { spent, ..Default::default() };
    phone.device_config = crate::phone::record::DeviceConfig::default();
    phone.window.closed.get_or_insert(now);
    for account in &mut phone.accounts {
        account.password = gangway_base::secret::Secret::default();
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_decided_of_the_record_before_is_not_done_to_the_one_after() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut events = Vec::new();
        let mut phone = Phone::sample();
        phone.window.open(at(100), 7);
        phone.window.first_delivery = Some(at(100));
        let over = at(100 + 15 * 60);
        let mut again = phone.clone();
        again.window.open(over, 7);
        close_window(&mut again, over, &mut events);
        archive(&mut again, over, &mut events);
        assert_eq!((again.window.closed, again.removed_at, events.len()), (None, None, 0));

        close_window(&mut phone, over, &mut events);
        phone.wanted = Wanted::Removed;
        archive(&mut phone, over, &mut events);
        assert_eq!((phone.window.closed, phone.removed_at, events.len()), (Some(over), Some(over), 2));
    }
}
