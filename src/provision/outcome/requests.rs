//! What the phone asked for and got.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::{
    phone::{
        facet::{RegistrationState, RequestState, Wanted},
        record::{Binding, Delivery, Phone},
    },
    provision::events::Happened,
    store::NewEvent,
};

/// A complete delivery of the personal stage.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// The revision it was rendered from.
    pub revision: u64,
    /// Its ETag.
    pub etag: String,
    /// Where it went.
    pub source: IpAddr,
    /// User-Agent family (vendor and model).
    pub family: String,
    /// Model and firmware as the request told.
    pub model: Option<String>,
    /// See `model`.
    pub firmware: Option<String>,
    /// The phone proved its own credentials: closes the window.
    pub own: bool,
}

/// Records it. The first one of a window binds it and must be committed before the body leaves.
pub fn delivered(phone: &mut Phone, delivered: &Delivered, now: Timestamp, events: &mut Vec<NewEvent>) {
    let previous = phone.delivery.as_ref();
    let is_news =
        previous.is_none_or(|last| last.provisioning != phone.provisioning || last.revision != delivered.revision);
    if is_news || phone.request.state != RequestState::Provisioned {
        events.push(Happened::Delivered { source: &delivered.source.to_string() }.into());
    }
    phone.delivery = Some(Delivery {
        at: now,
        revision: delivered.revision,
        provisioning: phone.provisioning,
        etag: delivered.etag.clone(),
    });
    if delivered.model.is_some() {
        phone.model.clone_from(&delivered.model);
    }
    if delivered.firmware.is_some() {
        phone.firmware.clone_from(&delivered.firmware);
    }
    if delivered.own {
        phone.own.proven.get_or_insert(now);
        if phone.window.is_open(now) {
            phone.window.closed = Some(now);
        }
    } else if phone.window.is_open(now) && phone.window.first_delivery.is_none() {
        phone.window.first_delivery = Some(now);
        phone.window.bound = Some(Binding { source: delivered.source, family: delivered.family.clone() });
    }
    phone.request.reach(RequestState::Provisioned, now);
    if phone.wanted == Wanted::Active && is_news {
        for account in &mut phone.accounts {
            account.registration.attempts = 0;
            account.registration.next_attempt = Some(now);
            if account.registration.state == RegistrationState::NotRegistered {
                account.registration.state = RegistrationState::Unknown;
                account.registration.since = now;
            }
        }
    }
}

/// The phone asked (304, or anything that shows it is alive): an overdue one is not overdue any more.
pub fn asked(phone: &mut Phone, now: Timestamp) {
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
    events.push(Happened::TooEarly.into());
}

/// It was refused. A phone that has its file keeps `Provisioned`: others may ask in its name.
pub fn rejected(phone: &mut Phone, sentence: &str, now: Timestamp, events: &mut Vec<NewEvent>) {
    if matches!(phone.request.state, RequestState::Provisioned | RequestState::Overdue)
        || phone.request.error.as_deref() == Some(sentence)
    {
        return;
    }
    events.push(Happened::Rejected { sentence }.into());
    phone.request.fail(RequestState::Rejected, sentence, None, now);
}
