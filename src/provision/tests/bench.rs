//! Runs the engine on a real store with simulated peers that tests control.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gangway_base::{
    clock::{Clock, ManualClock},
    mac::Mac,
    secret::Secret,
    tasks::Tasks,
};
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::peer_errors::{Fake, Peers};
use crate::{
    devices::sysclients::{SysclientEvent, SysclientEventKind, SysclientSpec},
    phone::{
        admission::bind,
        instance::{Instance, InstanceId, Instances},
        record::{Delivery, Phone},
    },
    provision::{
        ProvisionRequest, Provisioning, ProvisioningDependencies,
        transitions::{self, Delivered},
    },
    settings::Scope,
    store::Store,
};

pub const MAC: &str = "001565aabbcc";

/// One gateway; it can be dropped and started again with the same store and peers.
pub struct Bench {
    pub clock: ManualClock,
    pub store: Store,
    pub peers: Arc<Peers>,
    pub provisioning: Provisioning,
    pub instance: InstanceId,
    events: mpsc::Sender<SysclientEvent>,
    tasks: Tasks,
    store_tasks: Tasks,
    instances: Instances,
    conn: u64,
    dir: tempfile::TempDir,
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(Peers::default()).await
    }

    pub async fn with(peers: Peers) -> Self {
        let clock = ManualClock::new(Timestamp::from_second(1_000_000).unwrap());
        Self::on(tempfile::tempdir().unwrap(), Arc::new(peers), clock).await
    }

    /// A gateway with this data directory and these peers.
    pub async fn on(dir: tempfile::TempDir, peers: Arc<Peers>, clock: ManualClock) -> Self {
        Self::at("https://gw.example.com", dir, peers, clock).await
    }

    /// Like [`Self::on`] with this public URL; if empty, the URL is learned from the PBX.
    pub async fn at(url: &str, dir: tempfile::TempDir, peers: Arc<Peers>, clock: ManualClock) -> Self {
        let store_tasks = Tasks::new();
        let store = Store::open(dir.path(), Arc::new(clock.clone()), &store_tasks).await.unwrap();
        let instance = store.instance("example.com", "gangway").await.unwrap();
        let instances = Instances::new(vec![tenant(instance, "example.com", url)]);
        for (name, value) in [("redirect.yealink.user", "rps"), ("redirect.yealink.password", "rps-password")] {
            // Keep a value that was changed since.
            if store.settings().layers(instance).get(name).is_some_and(|known| !known.is_empty()) {
                continue;
            }
            store.settings().set_one(instance, &Scope::Instance, name, Some(&Secret::new(value))).await.unwrap();
        }
        let tasks = Tasks::new();
        let (events, provisioning) = start(&store, &instances, &peers, &clock, &tasks);
        Self { clock, store, peers, provisioning, instance, events, tasks, store_tasks, instances, conn: 0, dir }
    }

    /// Adds a second tenant with this user at the redirect service; restarts the engine.
    pub async fn neighbour(&mut self, account: &str) -> InstanceId {
        let id = self.store.instance("example.org", "gangway").await.unwrap();
        for (name, value) in [("redirect.yealink.user", account), ("redirect.yealink.password", "rps-password")] {
            self.store.settings().set_one(id, &Scope::Instance, name, Some(&Secret::new(value))).await.unwrap();
        }
        let all = vec![
            tenant(self.instance, "example.com", "https://gw.example.com"),
            tenant(id, "example.org", "https://gw.example.com"),
        ];
        self.instances = Instances::new(all);
        self.restart().await;
        id
    }

    /// Stops the engine at its current point and starts another on the same store.
    pub async fn restart(&mut self) {
        assert_eq!(self.tasks.finish(Duration::from_secs(10)).await, 0);
        self.tasks = Tasks::new();
        (self.events, self.provisioning) = start(&self.store, &self.instances, &self.peers, &self.clock, &self.tasks);
    }

    /// Changes the public URL, as after a change of the configuration; restarts the engine.
    pub async fn move_to(&mut self, url: &str) {
        let moved = tenant(self.instance, "example.com", url);
        self.instances = Instances::new(vec![moved]);
        self.restart().await;
    }

    /// Returns the data directory, which remains with the peers when the gateway is killed. The tasks end with their
    /// runtime, wherever they are.
    pub fn remains(self) -> tempfile::TempDir {
        self.dir
    }

    pub fn data(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub async fn stop(self) {
        self.tasks.finish(Duration::from_secs(10)).await;
        self.store_tasks.finish(Duration::from_secs(10)).await;
        drop(self.dir);
    }

    pub fn stopping(&self) -> Tasks {
        self.tasks.clone()
    }

    pub fn request_for(&self, user: &str, code: &str) -> ProvisionRequest {
        ProvisionRequest {
            instance: self.instance,
            provider: "yealink".into(),
            mac: MAC.parse().unwrap(),
            code: code.into(),
            code_facts: None,
            hwid: format!("hw-{user}"),
            username: user.into(),
            cn: user.to_uppercase(),
            password: "pbx-password".into(),
            domain: "example.com".into(),
            dns: "pbx.example.com".into(),
        }
    }

    /// Sends a request from a separate task.
    pub fn request(&self, request: ProvisionRequest) -> oneshot::Receiver<Result<(), String>> {
        let (answer, result) = oneshot::channel();
        let future = self.provisioning.request(request);
        Tasks::new().spawn("request", async move {
            let _ = answer.send(future.await);
        });
        result
    }

    pub fn phone(&self) -> Option<Arc<Phone>> {
        self.store.phones().by_mac(self.instance, MAC.parse().unwrap())
    }

    pub fn record(&self) -> Arc<Phone> {
        self.phone().expect("the phone is in the store")
    }

    pub async fn send(&mut self, kind: SysclientEventKind) {
        self.events.send(SysclientEvent { phone: self.record().id, conn: self.conn, kind }).await.unwrap();
    }

    /// The currently held sysclient, on a connection newer than any before.
    pub fn holding(&mut self) -> Option<SysclientSpec> {
        self.conn = u64::try_from(self.peers.holds.lock().unwrap().len()).unwrap();
        let phone = self.phone()?;
        self.peers.held.lock().unwrap().get(&phone.id).cloned()
    }

    /// Waits until nothing happens by itself any more: earlier writes are on disk, and the records stay unchanged while
    /// all tasks get many turns.
    pub async fn settle(&self) {
        let look = || {
            let calls = self.peers.calls.lock().unwrap().len() + self.peers.holds.lock().unwrap().len();
            let flags = self.peers.flags.lock().unwrap().len() + self.peers.drops.lock().unwrap().len();
            (format!("{:?}", self.store.phones().all()), calls, flags)
        };
        let (mut before, mut quiet) = (look(), 0);
        for _ in 0..2_000 {
            // The store carries this out after all pending writes. No entry is that old, so it changes nothing.
            self.store.redirect_history().prune(self.instance, u32::MAX).await.unwrap();
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            let now = look();
            quiet = if now == before { quiet + 1 } else { 0 };
            if quiet == 3 {
                return;
            }
            before = now;
        }
        panic!("does not come to rest: {before:?}");
    }

    /// Waits for the next hold after the first `before` ones.
    pub async fn held(&mut self, before: usize) -> SysclientSpec {
        let peers = Arc::clone(&self.peers);
        until("the sysclient is held", || peers.holds.lock().unwrap().len() > before).await;
        self.conn += 1;
        self.peers.holds.lock().unwrap().last().cloned().unwrap()
    }

    /// Provisions anna's phone, and Devices accepts it: the start of most scenarios.
    pub async fn provisioned(&mut self) {
        let answer = self.request(self.request_for("anna", "1"));
        self.held(0).await;
        self.devices_accepts().await;
        answer.await.unwrap().unwrap();
    }

    /// Provisions `count` phones, and Devices sends the configuration of each; returns their MACs.
    pub async fn provision_many(&mut self, count: usize) -> Vec<Mac> {
        let mut macs = Vec::new();
        for number in 0..count {
            let mac: Mac = format!("0015650001{number:02x}").parse().unwrap();
            macs.push(mac);
            let before = self.peers.holds.lock().unwrap().len();
            let request =
                ProvisionRequest { mac, ..self.request_for(&format!("user{number}"), &format!("code{number}")) };
            drop(self.request(request));
            let hold = self.held(before).await;
            let (conn, code) = (self.conn, hold.credential.code().cloned());
            let (stored, is_stored) = oneshot::channel();
            let password = SysclientEventKind::Password { password: "p".into(), sent: code.clone(), stored };
            let item = SysclientEventKind::Item(json!({"type": "NTP", "ntp1": "10.0.0.1"}));
            for kind in [SysclientEventKind::Connected, password, item, SysclientEventKind::Last { opened_with: code }]
            {
                self.events.send(SysclientEvent { phone: hold.phone, conn, kind }).await.unwrap();
            }
            is_stored.await.unwrap();
        }
        macs
    }

    /// Devices accepts the code and sends the configuration.
    pub async fn devices_accepts(&mut self) {
        self.devices_gives_a_password().await;
        self.devices_sends().await;
    }

    pub async fn devices_gives_a_password(&mut self) {
        let (stored, is_stored) = oneshot::channel();
        self.send(SysclientEventKind::Connected).await;
        let sent = self.peers.holds.lock().unwrap().last().and_then(|hold| hold.credential.code().cloned());
        self.send(SysclientEventKind::Password { password: "sysclient-password".into(), sent, stored }).await;
        is_stored.await.unwrap();
    }

    pub async fn devices_sends(&mut self) {
        self.send(SysclientEventKind::Item(json!({"type": "NTP", "ntp1": "10.0.0.1"}))).await;
        let opened_with = self.peers.holds.lock().unwrap().last().and_then(|hold| hold.credential.code().cloned());
        self.send(SysclientEventKind::Last { opened_with }).await;
    }

    /// The phone fetches its file with what it got through the redirect service.
    pub async fn fetch(&self) {
        let (delivered, now) = (self.delivered(), self.clock.now());
        let record = |phone: &mut Phone, events: &mut Vec<_>| {
            bind(phone, delivered.source, "yealink T46U", now).unwrap();
            transitions::delivered(phone, delivered, events);
        };
        self.store.phones().change(self.record().id, record).await.unwrap();
    }

    /// The phone gets this delivery after authenticating with its own credentials.
    pub async fn gets(&self, delivered: Delivered) {
        let now = self.clock.now();
        let record = |phone: &mut Phone, events: &mut Vec<_>| {
            phone.own.proven.get_or_insert(now);
            transitions::delivered(phone, delivered, events);
        };
        self.store.phones().change(self.record().id, record).await.unwrap();
    }

    /// A delivery of the current record.
    pub fn delivered(&self) -> Delivered {
        let phone = self.record();
        Delivered {
            delivery: Delivery {
                at: self.clock.now(),
                revision: phone.revision,
                provisioning: phone.provisioning,
                etag: "\"e\"".into(),
            },
            source: "192.0.2.7".parse().unwrap(),
            firmware: None,
            held: false,
        }
    }

    /// The record as another process reads it.
    pub async fn beside(&self) -> Arc<Phone> {
        let tasks = Tasks::new();
        let store = Store::open(self.dir.path(), Arc::new(self.clock.clone()), &tasks).await.unwrap();
        let phone = store.phones().by_mac(self.instance, MAC.parse().unwrap()).unwrap();
        tasks.finish(Duration::from_secs(10)).await;
        phone
    }

    /// Waits until the record satisfies the condition.
    pub async fn until(&self, what: &str, is_so: impl Fn(&Phone) -> bool) {
        until(what, || self.phone().is_some_and(|phone| is_so(&phone))).await;
    }

    pub fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

fn start(
    store: &Store,
    instances: &Instances,
    peers: &Arc<Peers>,
    clock: &ManualClock,
    tasks: &Tasks,
) -> (mpsc::Sender<SysclientEvent>, Provisioning) {
    let (events, sysclient_events) = mpsc::channel(64);
    let fake = Arc::new(Fake(Arc::clone(peers)));
    let provisioning = Provisioning::start(ProvisioningDependencies {
        store: store.clone(),
        instances: instances.clone(),
        providers: fake.clone(),
        pbx: fake.clone(),
        sysclients: fake.clone(),
        sysclient_events,
        redirects: fake,
        clock: Arc::new(clock.clone()),
        tasks: tasks.clone(),
        passive: None,
    });
    (events, provisioning)
}

pub fn tenant(id: InstanceId, domain: &str, public_url: &str) -> Instance {
    Instance {
        id,
        domain: domain.into(),
        name: "gangway".into(),
        password: "x".into(),
        public_url: (!public_url.is_empty()).then(|| public_url.parse().unwrap()),
        phone_url: None,
        devices_ca: None,
        devices_url: None,
        devices_pin: None,
        misspelt_service_info: false,
        admin_password: None,
        admin_password_login: false,
        pbx_apply: false,
        admin_from: Vec::new(),
        frame_ancestors: Vec::new(),
    }
}

/// Runs all tasks until the condition is true.
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        tokio::task::yield_now().await;
    }
}

/// Runs everything that can happen now, so that a test can assert that something does not happen.
pub async fn rest() {
    for _ in 0..2_000 {
        tokio::task::yield_now().await;
    }
}
