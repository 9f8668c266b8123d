//! Scenarios beyond a phone's ordinary lifecycle: its peers are away, forget it or assign it to another account; the URL
//! changes; administrators issue commands. Each scenario can be run again from wherever the gateway was killed.

use gangway_base::{mac::Mac, secret::Secret};

use super::{
    bench::{Bench, MAC, until},
    lifecycle::{LifecycleDriver, reach},
    peer_errors::{Peers, user},
};
use crate::{
    devices::sysclients::SysclientEventKind,
    pbx::user_objects::PbxError,
    phone::{
        facet::{DevicesState, RedirectState, RegistrationState, RequestState, UserObjectState, Wanted},
        record::{FirstContact, Phone},
    },
    provision::{bootstrap, commands},
    redirect::{Done, RedirectResult},
    settings::Scope,
};

const DAY: u64 = 86_400;
const USER: &str = "redirect.yealink.user";
const PASSWORD: &str = "redirect.yealink.password";
/// The URLs that app objects name, one after the other.
pub const FIRST_URL: &str = "https://one.example.com/gangway";
pub const SECOND_URL: &str = "https://two.example.com/gangway";
const TICKETS: &str = "http://gw.example.com/phone/";

fn mac() -> Mac {
    MAC.parse().unwrap()
}

fn is_redirected(phone: &Phone) -> bool {
    phone.redirect.state == RedirectState::Redirected
}

async fn set(bench: &Bench, name: &str, value: Option<&str>) {
    let value = value.map(Secret::new);
    bench.store.settings().set_one(bench.instance, &Scope::Instance, name, value.as_ref()).await.unwrap();
}

/// Announces a change of Devices after one second, because phones are decided a few at a time when a shared fact
/// changes.
fn devices_changed(bench: &Bench) {
    bench.pass(1);
    bench.provisioning.devices_changed(bench.instance);
}

impl LifecycleDriver {
    fn service_says(&self, outcome: RedirectResult) {
        *self.peers.service.lock().unwrap() = outcome;
    }

    fn pbx_says(&self, users: Result<(), PbxError>) {
        self.peers.users.lock().unwrap().insert("anna".into(), users.map(|()| user("anna")));
    }

    /// All peers work again and have announced themselves.
    pub fn calm(&self, bench: &Bench) {
        *self.peers.devices.lock().unwrap() = Peers::default().devices.into_inner().unwrap();
        *self.peers.grant.lock().unwrap() = Ok(());
        self.service_says(RedirectResult::Ok(Done::default()));
        self.pbx_says(Ok(()));
        devices_changed(bench);
        bench.provisioning.pbx_changed(bench.instance);
    }

    /// Devices, the redirect service and the PBX are away and come back, one after another.
    pub async fn outlive_outages(&mut self, bench: &mut Bench) {
        self.nobody_is_there(bench).await;
        self.line_breaks(bench).await;
        self.pbx_is_away(bench).await;
    }

    /// The user is gone for a week and the phone sends no requests.
    pub async fn be_absent(&mut self, bench: &mut Bench) {
        self.install(bench).await;
        self.user_is_gone_for_a_week(bench).await;
    }

    /// The redirect service rejects the phone, and Devices removes it.
    pub async fn be_refused(&mut self, bench: &mut Bench) {
        self.install(bench).await;
        self.service_refuses(bench).await;
        self.devices_removes_it(bench).await;
    }

    async fn nobody_is_there(&mut self, bench: &mut Bench) {
        self.peers.devices.lock().unwrap().clear();
        self.service_says(Peers::away());
        devices_changed(bench);
        if bench.phone().is_none() {
            drop(bench.request(bench.request_for("anna", "code-0")));
        }
        let knows = |phone: &Phone| phone.devices.error.is_some() || phone.sysclient.url.is_some();
        reach(bench, "told that there is no Devices", knows).await;
        *self.peers.devices.lock().unwrap() = Peers::default().devices.into_inner().unwrap();
        devices_changed(bench);
        self.provision(bench).await;
        reach(bench, "told that the service is away", |phone| phone.redirect.error.is_some() || is_redirected(phone))
            .await;
        self.service_says(RedirectResult::Ok(Done::default()));
        self.install(bench).await;
    }

    async fn line_breaks(&mut self, bench: &mut Bench) {
        bench.holding();
        bench.send(SysclientEventKind::Closed { reason: "the line broke".into() }).await;
        reach(bench, "lost", |phone| phone.devices.state == DevicesState::Lost).await;
        let (endpoint, reason) = ("ap.example.com:443".into(), "nobody answers".into());
        bench.send(SysclientEventKind::EndpointAway { endpoint, reason }).await;
        bench.settle().await;
        bench.send(SysclientEventKind::Connected).await;
        bench.devices_sends().await;
        reach(bench, "back", |phone| phone.devices.state == DevicesState::Received).await;
    }

    /// Other flags are required but cannot be written.
    async fn pbx_is_away(&mut self, bench: &mut Bench) {
        *self.peers.grant.lock().unwrap() = Err(PbxError::NoSession);
        let relays = bench.record().accounts[0].flags_written.is_some_and(|flags| flags.media_relay);
        set(bench, "media_relay", Some(if relays { "false" } else { "true" })).await;
        let waits = |phone: &Phone| phone.accounts[0].user_object.next_attempt.is_some();
        reach(bench, "waits for a PBX", waits).await;
        *self.peers.grant.lock().unwrap() = Ok(());
        bench.provisioning.pbx_changed(bench.instance);
        reach(bench, "flagged", |phone| phone.accounts[0].user_object.state == UserObjectState::Applied).await;
    }

    async fn user_is_gone_for_a_week(&mut self, bench: &mut Bench) {
        self.pbx_says(Err(PbxError::UserNotFound));
        bench.settle().await;
        bench.pass(DAY);
        reach(bench, "orphaned", |phone| phone.accounts[0].orphaned.is_some()).await;
        bench.pass(8 * DAY);
        reach(bench, "withheld and overdue", |phone| {
            phone.accounts[0].withheld.is_some() && phone.request.state == RequestState::Overdue
        })
        .await;
        self.pbx_says(Ok(()));
        bench.settle().await;
        bench.pass(DAY);
        reach(bench, "found", |phone| phone.accounts[0].orphaned.is_none()).await;
        bench.provisioning.note_request(bench.record().id);
        reach(bench, "alive", |phone| phone.request.state == RequestState::Provisioned).await;
    }

    async fn service_refuses(&mut self, bench: &mut Bench) {
        set(bench, USER, None).await;
        reach(bench, "without an account", |phone| phone.redirect.state == RedirectState::NotConfigured).await;
        set(bench, USER, Some("rps")).await;
        reach(bench, "redirected", is_redirected).await;
        self.service_says(RedirectResult::NotFound);
        commands::check_redirect(&bench.store, bench.record().id, false, bench.now()).await.unwrap();
        reach(bench, "refused", |phone| phone.redirect.state == RedirectState::Refused).await;
        self.service_says(RedirectResult::Ok(Done::default()));
        let password = format!("password-of-{}", bench.now());
        set(bench, PASSWORD, Some(&password)).await;
        reach(bench, "redirected again", is_redirected).await;
    }

    async fn devices_removes_it(&mut self, bench: &mut Bench) {
        bench.settle().await;
        bench.provisioning.device_removed(bench.instance, MAC);
        reach(bench, "removed there", |phone| phone.devices.state == DevicesState::NotInDomain).await;
        self.provision(bench).await;
        self.install(bench).await;
    }

    /// Two app objects name URLs, and one of them is removed.
    pub async fn follow_the_url(&mut self, bench: &mut Bench) {
        self.provision(bench).await;
        let (provisioning, instance) = (bench.provisioning.clone(), bench.instance);
        let named = |url: &str| provisioning.app_url(instance, "yealink", url.parse().unwrap());
        named(FIRST_URL);
        reach(bench, "sent to the first URL", |phone| is_redirected(phone) && leads_to(phone, FIRST_URL)).await;
        self.install(bench).await;
        named(SECOND_URL);
        let conflict = |bench: &Bench| bench.store.learned().urls_of(bench.instance, "yealink").conflict;
        until("the conflict", || conflict(bench).is_some()).await;
        bench.settle().await;
        assert!(leads_to(&bench.record(), FIRST_URL), "nobody is moved");
        bench.provisioning.app_url_removed(bench.instance, "yealink", FIRST_URL.parse().unwrap());
        reach(bench, "moved", |phone| is_redirected(phone) && leads_to(phone, SECOND_URL)).await;
        until("the end of the conflict", || conflict(bench).is_none()).await;
        let entry = self.peers.entries.lock().unwrap().get(&mac()).cloned().unwrap();
        assert!(entry.starts_with(SECOND_URL), "{entry}");
    }

    /// Everything that administrators may request for a phone in service, one after another.
    pub async fn be_wanted(&mut self, bench: &mut Bench) {
        self.install(bench).await;
        let (store, id) = (bench.store.clone(), bench.record().id);
        // The gateway may have been killed while the phone was blocked.
        commands::want(&store, id, Wanted::Active).await.unwrap();
        commands::want(&store, id, Wanted::Blocked).await.unwrap();
        commands::want(&store, id, Wanted::Active).await.unwrap();
        commands::allow(&store, id, FirstContact::default(), bench.now()).await.unwrap();
        commands::rotate(&store, id).await.unwrap();
        assert!(bench.record().former.is_some());
        store.phones().change(id, |phone, _| phone.former = None).await.unwrap();
        commands::check_redirect(&store, id, false, bench.now()).await.unwrap();
        commands::request_registration_check(&store, id, bench.now()).await.unwrap();
        reach(bench, "looked after", |phone| {
            is_redirected(phone)
                && phone.redirect.next_attempt.is_some_and(|next| next > bench.now())
                && phone.accounts[0].registration.state == RegistrationState::Registered
                && phone.accounts[0].registration.next_attempt.is_none()
        })
        .await;
        self.one_time_urls(bench).await;
    }

    async fn one_time_urls(&self, bench: &Bench) {
        let (store, instance, now) = (&bench.store, bench.instance, bench.now());
        let make = async || bootstrap::make(store, instance, mac(), TICKETS, now).await.unwrap();
        let first = make().await;
        let second = make().await;
        assert_eq!(bootstrap::find(store, instance, first.expose(), now), None, "the former one");
        assert!(!bootstrap::find(store, instance, second.expose(), now).unwrap().used);
        bootstrap::spend(store, instance, second.expose()).await.unwrap();
        assert!(bootstrap::find(store, instance, second.expose(), now).unwrap().used);
        let worth_something = store.learned().tickets(instance);
        assert_eq!(worth_something, 1, "whenever it died, no older one opens anything");
    }
}

/// Whether the record says that the service sends the phone to a URL below this one.
fn leads_to(phone: &Phone, url: &str) -> bool {
    phone.redirect_entry.as_ref().is_some_and(|entry| entry.url.expose().starts_with(url))
}
