//! Drives the life of one phone from outside, as a user and two services would. It can resume at any point and keeps
//! the state that each of them remembers. Devices sends a password once and accepts a code once.

use std::sync::Arc;

use gangway_base::{clock::ManualClock, secret::Secret};
use serde_json::json;
use tokio::sync::oneshot;

use super::{
    bench::Bench,
    peer_errors::{Peers, user},
};
use crate::{
    devices::sysclients::SysclientEventKind,
    phone::{
        facet::{DevicesState, RedirectState, RegistrationState, UserObjectState, Wanted},
        record::Phone,
    },
    provision::commands,
};

/// Limit of rounds; a lifecycle that makes no progress is given up after that.
const ROUNDS: usize = 60;

/// The state of the peers, which survives the gateway.
pub struct LifecycleDriver {
    pub peers: Arc<Peers>,
    pub clock: ManualClock,
    spent: Vec<Secret>,
    given: Option<Secret>,
    /// Number of codes that were sent a second time.
    pub sent_again: u32,
    /// Number of times a user had to provision again.
    pub clicks: u32,
}

impl LifecycleDriver {
    pub fn new() -> Self {
        let peers = Peers::default();
        peers.users.lock().unwrap().insert("anna".into(), Ok(user("anna")));
        Self {
            peers: Arc::new(peers),
            clock: ManualClock::new(jiff::Timestamp::from_second(1_000_000).unwrap()),
            spent: Vec::new(),
            given: None,
            sent_again: 0,
            clicks: 0,
        }
    }

    /// A copy, so that a lifecycle can be continued twice.
    pub fn again(&self) -> Self {
        let clock = ManualClock::new(gangway_base::clock::Clock::now(&self.clock));
        let peers = Peers::default();
        *peers.entries.lock().unwrap() = self.peers.entries.lock().unwrap().clone();
        *peers.flags.lock().unwrap() = self.peers.flags.lock().unwrap().clone();
        *peers.users.lock().unwrap() = self.peers.users.lock().unwrap().clone();
        let (spent, given) = (self.spent.clone(), self.given.clone());
        Self { peers: Arc::new(peers), clock, spent, given, sent_again: 0, clicks: 0 }
    }

    /// Devices answers the held sysclient.
    pub async fn devices(&mut self, bench: &mut Bench) {
        let Some(hold) = bench.holding() else { return };
        bench.send(SysclientEventKind::Connected).await;
        match hold.credential.code().cloned() {
            Some(code) if self.spent.contains(&code) => {
                self.sent_again += 1;
                bench.send(SysclientEventKind::Silence { sent: Some(code) }).await;
            }
            Some(code) => {
                self.spent.push(code.clone());
                let password = Secret::new(format!("password-{}", self.spent.len()));
                self.given = Some(password.clone());
                let (stored, is_stored) = oneshot::channel();
                bench.send(SysclientEventKind::Password { password, sent: Some(code), stored }).await;
                is_stored.await.unwrap();
                bench.devices_sends().await;
            }
            None if bench.record().sysclient.password == self.given => bench.devices_sends().await,
            None => bench.send(SysclientEventKind::Silence { sent: None }).await,
        }
    }

    /// Users provisions until the phone has its configuration: repeats the request if the gateway was killed, and sends
    /// a new one if the gateway asks for it.
    pub async fn provision(&mut self, bench: &mut Bench) {
        let is_there = |phone: &Phone| phone.devices.state == DevicesState::Received;
        if bench.phone().is_some_and(|phone| is_there(&phone)) {
            return;
        }
        drop(bench.request(bench.request_for("anna", &format!("code-{}", self.clicks))));
        for _ in 0..ROUNDS {
            bench.settle().await;
            match bench.phone().map(|phone| phone.devices.state) {
                Some(DevicesState::Received) => return,
                Some(DevicesState::NotInDomain) => {
                    assert!(bench.record().devices.error.is_some(), "a sentence");
                    self.clicks += 1;
                    drop(bench.request(bench.request_for("anna", &format!("code-{}", self.clicks))));
                }
                _ => self.devices(bench).await,
            }
        }
        panic!("the configuration does not come: {:?}", bench.phone());
    }

    /// Installs the phone until it can ring.
    pub async fn install(&mut self, bench: &mut Bench) {
        self.provision(bench).await;
        reach(bench, "redirected", |phone| phone.redirect.state == RedirectState::Redirected).await;
        if bench.record().delivery.as_ref().is_none_or(|last| last.provisioning != bench.record().provisioning) {
            bench.fetch().await;
        }
        reach(bench, "rings", |phone| {
            phone.accounts.iter().all(|account| {
                account.user_object.state == UserObjectState::Applied
                    && account.registration.state == RegistrationState::Registered
            })
        })
        .await;
        bench.settle().await;
    }

    /// A day in service: an item changes in Devices, the bootstrap window closes, and the entry at the redirect service
    /// is compared.
    pub async fn stay(&mut self, bench: &mut Bench) {
        assert!(bench.holding().is_some(), "a sysclient is held");
        bench.send(SysclientEventKind::AdminPassword("of the day".into())).await;
        bench.devices_sends().await;
        bench.send(SysclientEventKind::Item(json!({"type": "NTP", "ntp1": "10.0.0.9"}))).await;
        reach(bench, "changed", |phone| {
            phone.device_config.admin_password == Some("of the day".into())
                && phone.device_config.items["NTP"]["ntp1"] == "10.0.0.9"
        })
        .await;
        bench.pass(32 * 3600);
        reach(bench, "looked at", |phone| {
            phone.redirect.next_attempt.is_some_and(|next| next > bench.now()) && phone.window.closed.is_some()
        })
        .await;
    }

    /// Removes the phone until only the tombstone is left.
    pub async fn remove(&mut self, bench: &mut Bench) {
        commands::want(&bench.store, bench.record().id, Wanted::Removed).await.unwrap();
        reach(bench, "buried", |phone| phone.removed_at.is_some()).await;
    }

    /// Runs the whole lifecycle, from the current state of the record.
    pub async fn live(&mut self, bench: &mut Bench) {
        if bench.phone().is_some_and(|phone| phone.wanted == Wanted::Removed) {
            return self.remove(bench).await;
        }
        self.install(bench).await;
        self.stay(bench).await;
        self.remove(bench).await;
    }

    /// Checks what must be true of a phone in service after any sequence of events.
    pub fn check_installed(&self, bench: &Bench, what: &str) {
        let phone = bench.record();
        assert_eq!(bench.store.phones().all().len(), 1, "{what}: one record");
        assert_eq!(phone.accounts.len(), 1, "{what}: one account");
        assert_eq!(phone.sysclient.password, self.given, "{what}: the password Devices knows");
        // A code may be sent again only if the password was lost before it was stored: once, and a click repairs it.
        assert!(self.sent_again <= self.clicks, "{what}: a spent code is sent again");
        let entries = self.peers.entries.lock().unwrap();
        assert_eq!(entries.len(), 1, "{what}: one entry");
        assert!(entries[&phone.mac].contains(phone.token.expose()), "{what}: it leads to this record");
        let held = self.peers.held.lock().unwrap();
        assert_eq!(held.len(), 1, "{what}: one sysclient");
    }
}

/// Waits for the condition; advances the clock while tasks wait for it.
pub async fn reach(bench: &Bench, what: &str, is_so: impl Fn(&Phone) -> bool) {
    for _ in 0..ROUNDS {
        if bench.phone().is_some_and(|phone| is_so(&phone)) {
            return;
        }
        bench.settle().await;
        if bench.phone().is_some_and(|phone| is_so(&phone)) {
            return;
        }
        bench.pass(15);
    }
    panic!("not {what}: {:?}", bench.phone());
}
