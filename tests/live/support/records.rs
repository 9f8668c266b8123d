//! The gateway's records and functions that wait for changes to them. They are read from the gateway's store, or from a
//! second store next to the process under test.

use std::{sync::Arc, time::Duration};

use gangway::{
    phone::{
        facet::{DevicesState, RedirectState, RegistrationState, RequestState, UserObjectState},
        instance::InstanceId,
        record::Phone,
    },
    store::{EventRow, HistoryEntry, HistoryFilter, Store},
};
use gangway_base::mac::Mac;
use tokio::sync::broadcast::error::RecvError;

/// Longer than any pause of the gateway between two retries.
pub const TIMEOUT: Duration = Duration::from_secs(120);

/// The records of one instance.
#[derive(Clone)]
pub struct Records {
    pub store: Store,
    pub instance: InstanceId,
}

impl Records {
    pub fn phone(&self, mac: Mac) -> Option<Arc<Phone>> {
        self.store.phones().by_mac(self.instance, mac)
    }

    /// Waits until `look` returns a value; `what` names the condition in the panic message.
    pub async fn wait_for<R>(&self, what: &str, mut look: impl FnMut(&Self) -> Option<R>) -> R {
        let mut changes = self.store.phones().changes();
        let search = async {
            loop {
                if let Some(found) = look(self) {
                    return found;
                }
                match changes.recv().await {
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => panic!("the store ended while waiting for {what}"),
                }
            }
        };
        match tokio::time::timeout(TIMEOUT, search).await {
            Ok(found) => found,
            Err(_) => panic!("waited {TIMEOUT:?} for {what}; the records say:\n{}", self.describe().await),
        }
    }

    /// Waits until what the gateway learned meets a condition.
    pub async fn wait_learned(&self, what: &str, is_so: impl Fn(&Store) -> bool) {
        let mut changes = self.store.learned().changes();
        let search = async {
            while !is_so(&self.store) {
                changes.changed().await.expect("the store is there");
            }
        };
        if tokio::time::timeout(TIMEOUT, search).await.is_err() {
            panic!("waited {TIMEOUT:?} for {what}");
        }
    }

    /// Waits until the record of a phone meets a condition; returns the record.
    pub async fn wait_phone(&self, mac: Mac, what: &str, wanted: impl Fn(&Phone) -> bool) -> Arc<Phone> {
        let what = format!("{mac}: {what}");
        self.wait_for(&what, |records| records.phone(mac).filter(|phone| wanted(phone))).await
    }

    pub async fn wait_devices(&self, mac: Mac, state: DevicesState) -> Arc<Phone> {
        self.wait_phone(mac, &format!("Device Config '{}'", state.text()), |phone| phone.devices.state == state).await
    }

    pub async fn wait_redirect(&self, mac: Mac, state: RedirectState) -> Arc<Phone> {
        self.wait_phone(mac, &format!("Redirect '{}'", state.text()), |phone| phone.redirect.state == state).await
    }

    pub async fn wait_request(&self, mac: Mac, state: RequestState) -> Arc<Phone> {
        self.wait_phone(mac, &format!("Phone Requests '{}'", state.text()), |phone| phone.request.state == state).await
    }

    pub async fn wait_flags(&self, mac: Mac, state: UserObjectState) -> Arc<Phone> {
        let is =
            |phone: &Phone| !phone.accounts.is_empty() && phone.accounts.iter().all(|a| a.user_object.state == state);
        self.wait_phone(mac, &format!("PBX flags '{}'", state.text()), is).await
    }

    /// Waits until all steps are done: configuration, redirect, delivery, flags, registration.
    pub async fn wait_done(&self, mac: Mac) -> Arc<Phone> {
        self.wait_phone(mac, "every station passed", |phone| {
            phone.devices.state == DevicesState::Received
                && phone.redirect.state == RedirectState::Redirected
                && phone.request.state == RequestState::Provisioned
                && phone.accounts.iter().all(|account| {
                    account.user_object.state == UserObjectState::Applied
                        && account.registration.state == RegistrationState::Registered
                })
        })
        .await
    }

    /// The redirect history, oldest first.
    pub async fn history(&self, mac: Option<Mac>) -> Vec<HistoryEntry> {
        let filter = HistoryFilter { instance: self.instance, mac, before: None, limit: 500 };
        let mut rows = self.store.redirect_history().entries(filter).await.unwrap();
        rows.reverse();
        rows.into_iter().map(|row| row.entry).collect()
    }

    /// The timeline of a phone, newest entry first.
    pub async fn events(&self, mac: Mac) -> Vec<EventRow> {
        match self.phone(mac) {
            Some(phone) => self.store.phones().events(phone.id, 100).await.unwrap(),
            None => Vec::new(),
        }
    }

    /// A short description of every phone, for the message of a failed test.
    async fn describe(&self) -> String {
        let mut text = String::new();
        for phone in self.store.phones().in_instance(self.instance) {
            text += &format!(
                "{} wanted {:?}, provisioned {} time(s), revision {}\n  devices  {:?}\n  redirect {:?}\n  request  {:?}\n",
                phone.mac,
                phone.wanted,
                phone.provisioning,
                phone.revision,
                phone.devices,
                phone.redirect,
                phone.request
            );
            for account in &phone.accounts {
                text += &format!("  {} {:?} {:?}\n", account.username, account.user_object, account.registration);
            }
            for event in self.events(phone.mac).await.iter().rev() {
                text += &format!("    {} {}: {}\n", event.at, event.kind, event.text);
            }
        }
        for row in self.history(None).await {
            text += &format!("  {} {} {:?} {} | {}\n", row.at, row.command, row.mac, row.outcome, row.answer);
        }
        text
    }
}
