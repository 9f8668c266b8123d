//! Random orders of events against fakes that may fail. Checks invariants after every event, and that everything
//! settles once all peers work.

use std::fmt::Write as _;

use gangway_base::{mac::Mac, secret::Secret};
use tokio::sync::oneshot;

use super::{
    bench::{Bench, MAC, until},
    peer_errors::Peers,
};
use crate::{
    devices::sysclients::SysclientEventKind,
    pbx::user_objects::PbxError,
    phone::{
        admission::{AccessDecision, AccessRequest, Policy, Purpose, RequestedFile, admit, bind, window_admits},
        facet::{DevicesState, RedirectState, RegistrationState, RequestState, UserObjectState, Wanted},
        record::{Delivery, FirstContact, Phone},
        request_evidence::{Authorization, Certificate, Evidence, Proof, Token},
    },
    provision::{
        commands, flow,
        transitions::{self, Delivered},
    },
    redirect::RedirectResult,
    store::NewEvent,
};

/// Number of orders; `GANGWAY_TEST_SEEDS=1000` tries more.
const SEEDS: u64 = 6;
/// Number of events in an order.
const EVENTS: u32 = 24;

/// SplitMix64: the same seed gives the same order on every machine.
struct RandomNumbers(u64);

impl RandomNumbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.next() % all.len() as u64).unwrap()]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Provision,
    ProvisionAnother,
    Repeat,
    DevicesAccepts,
    DevicesIsSilent,
    DevicesHangsUp,
    DevicesIsAway,
    DevicesForgets,
    ServiceIsFine,
    ServiceIsAway,
    ServiceRefuses,
    ServiceKnowsAnOwner,
    ServiceWantsPatience,
    PbxGrants,
    PbxDenies,
    PhoneRegisters,
    PhoneIsSilent,
    Fetch,
    StrangerFetches,
    Release,
    Block,
    Remove,
    Allow,
    Seconds,
    Minutes,
    Days,
    Restart,
}

use Event as E;

/// Frequent events are listed several times.
const ALL: &[Event] = &[
    E::Provision,
    E::Provision,
    E::ProvisionAnother,
    E::Repeat,
    E::DevicesAccepts,
    E::DevicesAccepts,
    E::DevicesAccepts,
    E::DevicesIsSilent,
    E::DevicesHangsUp,
    E::DevicesIsAway,
    E::DevicesForgets,
    E::ServiceIsFine,
    E::ServiceIsFine,
    E::ServiceIsAway,
    E::ServiceRefuses,
    E::ServiceKnowsAnOwner,
    E::ServiceWantsPatience,
    E::PbxGrants,
    E::PbxDenies,
    E::PhoneRegisters,
    E::PhoneIsSilent,
    E::Fetch,
    E::Fetch,
    E::Fetch,
    E::StrangerFetches,
    E::Release,
    E::Block,
    E::Remove,
    E::Allow,
    E::Seconds,
    E::Minutes,
    E::Minutes,
    E::Days,
    E::Restart,
    E::Restart,
];

struct Life {
    bench: Bench,
    random_numbers: RandomNumbers,
    codes: u32,
    user: &'static str,
    /// The phone's own credentials in its flash memory.
    flash: Option<Secret>,
    restarts: bool,
    log: String,
}

impl Life {
    async fn begin(seed: u64, restarts: bool) -> Self {
        let bench = Bench::new().await;
        until("the server entry stands", || bench.peers.servers() == 1).await;
        Self {
            bench,
            random_numbers: RandomNumbers(seed),
            codes: 0,
            user: "anna",
            flash: None,
            restarts,
            log: String::new(),
        }
    }

    async fn happens(&mut self, event: Event) {
        let _ = writeln!(self.log, "  {event:?}");
        match event {
            E::Provision => self.provision(true),
            E::ProvisionAnother => {
                self.user = if self.user == "anna" { "bert" } else { "anna" };
                self.provision(true);
            }
            E::Repeat => self.provision(false),
            E::DevicesAccepts => self.devices_accepts().await,
            E::DevicesIsSilent => {
                if let Some(hold) = self.bench.holding() {
                    self.bench.send(SysclientEventKind::Connected).await;
                    let sent = hold.credential.code().cloned();
                    self.bench.send(SysclientEventKind::Silence { sent }).await;
                }
            }
            E::DevicesHangsUp => {
                if self.bench.holding().is_some() {
                    self.bench.send(SysclientEventKind::Closed { reason: "closed".into() }).await;
                }
            }
            E::DevicesIsAway => {
                if self.bench.holding().is_some() {
                    let away = SysclientEventKind::EndpointAway {
                        endpoint: "ap.example.com".into(),
                        reason: "refused".into(),
                    };
                    self.bench.send(away).await;
                }
            }
            E::DevicesForgets => self.bench.provisioning.device_removed(self.bench.instance, MAC),
            E::ServiceIsFine => self.service(RedirectResult::Ok(Default::default())),
            E::ServiceIsAway => self.service(Peers::away()),
            E::ServiceRefuses => self.service(RedirectResult::NotPermitted("not allowed".into())),
            E::ServiceKnowsAnOwner => self.service(RedirectResult::OwnedByOther),
            E::ServiceWantsPatience => self.service(RedirectResult::RateLimited { retry_after: None }),
            E::PbxGrants => {
                *self.bench.peers.grant.lock().unwrap() = Ok(());
                self.bench.provisioning.pbx_changed(self.bench.instance);
            }
            E::PbxDenies => {
                let denied =
                    self.random_numbers.one_of(&[PbxError::NotPermitted, PbxError::DeviceNotFound, PbxError::Timeout]);
                *self.bench.peers.grant.lock().unwrap() = Err(denied.clone());
            }
            E::PhoneRegisters => *self.bench.peers.registered.lock().unwrap() = Some("192.0.2.7".into()),
            E::PhoneIsSilent => *self.bench.peers.registered.lock().unwrap() = None,
            E::Fetch => self.fetch([192, 0, 2, 7], true).await,
            E::StrangerFetches => self.fetch([198, 51, 100, 9], false).await,
            E::Release => self.want(Wanted::Released).await,
            E::Block => self.want(Wanted::Blocked).await,
            E::Remove => self.want(Wanted::Removed).await,
            E::Allow => {
                if let Some(phone) = self.bench.phone() {
                    let now = self.bench.now();
                    match commands::allow(&self.bench.store, phone.id, FirstContact::Refused, now).await {
                        Ok(()) => assert_ne!(phone.wanted, Wanted::Blocked),
                        Err(commands::AllowError::Blocked(_)) => assert_eq!(phone.wanted, Wanted::Blocked),
                        Err(commands::AllowError::Removed(_)) => assert!(phone.removed_at.is_some()),
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            E::Seconds => self.pass(40),
            E::Minutes => self.pass(700),
            E::Days => self.pass(3 * 86_400),
            E::Restart => {
                if self.restarts {
                    let before = self.summary();
                    self.bench.restart().await;
                    self.bench.settle().await;
                    assert_eq!(self.summary(), before, "a restart changes nothing:\n{}", self.log);
                }
            }
        }
    }

    fn pass(&mut self, most: u64) {
        let seconds = 1 + self.random_numbers.next() % most;
        self.bench.pass(seconds);
    }

    fn service(&self, outcome: RedirectResult) {
        *self.bench.peers.service.lock().unwrap() = outcome;
    }

    fn provision(&mut self, with_new_code: bool) {
        self.codes += u32::from(with_new_code);
        drop(self.bench.request(self.bench.request_for(self.user, &format!("code-{}", self.codes))));
    }

    async fn want(&self, wanted: Wanted) {
        if let Some(phone) = self.bench.phone() {
            commands::want(&self.bench.store, phone.id, wanted).await.unwrap();
        }
    }

    async fn devices_accepts(&mut self) {
        let Some(hold) = self.bench.holding() else { return };
        self.bench.send(SysclientEventKind::Connected).await;
        if let Some(code) = hold.credential.code() {
            let (stored, is_stored) = oneshot::channel();
            let sent = Some(code.clone());
            self.bench.send(SysclientEventKind::Password { password: "sysclient-password".into(), sent, stored }).await;
            // The sender is dropped if the phone is gone by now.
            let _ = is_stored.await;
        }
        self.bench.devices_sends().await;
    }

    /// A GET as the listener handles it. The evidence contains at most what the source can have.
    async fn fetch(&mut self, source: [u8; 4], is_phone: bool) {
        let Some(phone) = self.bench.phone() else { return };
        let holds_own = is_phone && self.flash.as_ref() == Some(&phone.own.password);
        let authorization = match self.random_numbers.next() % 3 {
            0 if holds_own => Authorization::Own,
            1 => Authorization::Wrong,
            _ => Authorization::Missing,
        };
        let token = *self.random_numbers.one_of(&[Token::Known, Token::Known, Token::None]);
        let evidence = Evidence {
            source: source.into(),
            encrypted: true,
            family: "yealink T46U",
            token,
            authorization,
            certificate: Certificate::None,
            frozen: false,
        };
        let policy = Policy { https_only: true, ..Policy::default() };
        let ask = AccessRequest { evidence, file: RequestedFile::Personal(phone.mac), purpose: Purpose::Fetch, policy };
        let now = self.bench.now();
        let decision = admit(&ask, Some(&phone), now);
        let AccessDecision::Personal(proof) = decision.access else { return };
        assert!(proof == Proof::Own || window_admits(&phone.window, now), "{}", self.log);
        assert!(!matches!(phone.wanted, Wanted::Blocked | Wanted::Removed), "{}", self.log);
        assert!(phone.removed_at.is_none(), "{}", self.log);
        let delivery = Delivery {
            at: now,
            revision: phone.revision,
            provisioning: phone.provisioning,
            etag: format!("\"{}\"", phone.revision),
        };
        let delivered = Delivered { delivery, source: source.into(), firmware: None, held: false };
        let change = |record: &mut Phone, events: &mut Vec<NewEvent>| {
            if decision.binds_window && bind(record, source.into(), "yealink T46U", now).is_err() {
                return false;
            }
            if decision.closes_window {
                record.window.closed = Some(now);
            }
            transitions::delivered(record, delivered, events);
            true
        };
        let (record, sent) = self.bench.store.phones().change(phone.id, change).await.unwrap();
        if sent && is_phone {
            self.flash = Some(record.own.password.clone());
        }
    }

    /// The invariants whenever nothing is under way.
    fn check(&self) {
        let log = &self.log;
        assert!(self.bench.store.phones().all().len() <= 1, "one record:\n{log}");
        let Some(phone) = self.bench.phone() else { return };
        let entries = self.bench.peers.entries.lock().unwrap().clone();
        assert!(entries.len() <= 1, "one entry:\n{log}");
        if phone.redirect.state == RedirectState::Redirected && phone.wanted == Wanted::Active {
            let url = phone.redirect_entry.as_ref().map(|entry| entry.url.expose().to_owned());
            assert_eq!(entries.get(&phone.mac), url.as_ref(), "the record says where the phone is sent:\n{log}");
        }
        if phone.removed_at.is_some() {
            assert!(phone.sysclient.password.is_none() && phone.code.is_none(), "a tombstone keeps no secret:\n{log}");
            assert!(phone.accounts.iter().all(|account| account.password.is_empty()), "{log}");
            return;
        }
        if phone.wanted == Wanted::Active {
            self.check_unsettled(&phone);
        }
    }

    /// Every unsettled facet has a next attempt, or waits for an administrator or the phone.
    fn check_unsettled(&self, phone: &Phone) {
        let log = &self.log;
        let is_held = self.bench.peers.held.lock().unwrap().contains_key(&phone.id);
        match phone.devices.state {
            DevicesState::NotInDomain => assert!(phone.devices.error.is_some(), "a sentence:\n{log}"),
            _ => assert!(is_held, "the fleet goes on trying:\n{log}"),
        }
        let redirect = &phone.redirect;
        let is_used = !flow::unused(phone, self.bench.now());
        if redirect.state == RedirectState::Pending && phone.device_config.received.is_some() && is_used {
            // A time may be missing only while the account's server entry is being tried.
            let service_is_fine = matches!(*self.bench.peers.service.lock().unwrap(), RedirectResult::Ok(_));
            assert!(redirect.next_attempt.is_some() || !service_is_fine, "redirect waits for nothing:\n{log}{phone:?}");
        }
        let is_delivered = phone.delivery.as_ref().is_some_and(|delivery| delivery.provisioning == phone.provisioning);
        for account in phone.accounts.iter().filter(|_| is_delivered) {
            let flags = &account.user_object;
            assert!(
                flags.state == UserObjectState::Applied || flags.next_attempt.is_some(),
                "flags wait for nothing:\n{log}{account:?}"
            );
            let registration = &account.registration;
            assert!(
                registration.state != RegistrationState::Unknown || registration.next_attempt.is_some(),
                "registration waits for nothing:\n{log}{account:?}"
            );
        }
    }

    fn summary(&self) -> String {
        let Some(phone) = self.bench.phone() else { return "nothing".to_owned() };
        let accounts: Vec<String> = phone
            .accounts
            .iter()
            .map(|account| {
                format!("{} {:?} {:?}", account.username, account.user_object.state, account.registration.state)
            })
            .collect();
        format!(
            "{:?} buried {} provisioned {} devices {:?} redirect {:?} request {:?} delivered {:?} {accounts:?} entries {}",
            phone.wanted,
            phone.removed_at.is_some(),
            phone.provisioning,
            phone.devices.state,
            phone.redirect.state,
            phone.request.state,
            phone.delivery.as_ref().map(|delivery| (delivery.provisioning, delivery.revision)),
            self.bench.peers.entries.lock().unwrap().len(),
        )
    }

    /// Makes all peers work and provisions the phone once more: all facets settle.
    async fn heal(&mut self) {
        self.log.push_str("  healed\n");
        self.service(RedirectResult::Ok(Default::default()));
        *self.bench.peers.grant.lock().unwrap() = Ok(());
        *self.bench.peers.registered.lock().unwrap() = Some("192.0.2.7".into());
        self.bench.provisioning.pbx_changed(self.bench.instance);
        // Advances the clock for back-offs and for a removal under way.
        for _ in 0..3 {
            self.bench.pass(700);
            self.bench.settle().await;
        }
        if self.bench.phone().is_some_and(|phone| phone.wanted == Wanted::Blocked) {
            self.happens(E::Allow).await;
        }
        self.provision(true);
        self.bench.settle().await;
        self.devices_accepts().await;
        self.bench.settle().await;
        self.bench.pass(700);
        self.bench.settle().await;
        for _ in 0..20 {
            self.fetch([192, 0, 2, 7], true).await;
        }
        self.bench.settle().await;
        self.bench.pass(60);
        self.bench.settle().await;
    }

    fn assert_all_settled(&self) {
        let (phone, log) = (self.bench.record(), &self.log);
        assert_eq!(phone.wanted, Wanted::Active, "{log}");
        assert_eq!(phone.devices.state, DevicesState::Received, "{log}");
        assert_eq!(phone.redirect.state, RedirectState::Redirected, "{log}{:?}", phone.redirect);
        assert_eq!(phone.request.state, RequestState::Provisioned, "{log}{:?}", phone.window);
        for account in &phone.accounts {
            assert_eq!(account.user_object.state, UserObjectState::Applied, "{log}{account:?}");
            assert_eq!(account.registration.state, RegistrationState::Registered, "{log}{account:?}");
        }
        let mac: Mac = MAC.parse().unwrap();
        assert!(self.bench.peers.entries.lock().unwrap()[&mac].contains(phone.token.expose()), "{log}");
    }
}

/// Runs one order; returns its log with the final state.
async fn live(seed: u64, restarts: bool) -> String {
    let mut life = Life::begin(seed, restarts).await;
    let _ = writeln!(life.log, "seed {seed}, restarts {restarts}");
    for _ in 0..EVENTS {
        let event = *life.random_numbers.one_of(ALL);
        life.happens(event).await;
        life.bench.settle().await;
        life.check();
    }
    life.heal().await;
    life.check();
    life.assert_all_settled();
    let summary = life.summary();
    life.bench.stop().await;
    summary
}

#[tokio::test]
async fn any_order_of_events_ends_in_the_right_state() {
    let seeds = std::env::var("GANGWAY_TEST_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    for seed in 0..seeds {
        assert_eq!(live(seed, true).await, live(seed, false).await, "restarts make no difference");
    }
}
