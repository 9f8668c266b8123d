use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use url::Url;

use crate::{
    clock::{Clock, ManualClock},
    phone::{
        admission::bind,
        instance::{Instance, InstanceId, Instances},
        mac::Mac,
        record::{Delivery, Flags, Phone, PhoneId},
        settings::Scope,
    },
    provision::{
        Deps, ProvisionRequest, Provisioning,
        outcome::{self, Delivered},
        ports::{
            FlagsWritten, Pbx, PbxError, PbxUser, ProviderFacts, Providers, RedirectService, Reply, SameMac,
            Sysclients, UserKey,
        },
    },
    redirect::{Operation, Outcome, RedirectAccount, Trouble},
    secret::Secret,
    store::Store,
    sysclients::{FleetEvent, FleetEventKind, HoldSpec},
    tasks::Tasks,
};

pub const MAC: &str = "001565aabbcc";

/// What the outside does and what was done to it.
pub struct Outside {
    pub devices_url: Mutex<Option<Url>>,
    pub grant: Mutex<Result<(), PbxError>>,
    pub flags: Mutex<Vec<(String, Flags)>>,
    pub registered: Mutex<Option<String>>,
    pub holds: Mutex<Vec<HoldSpec>>,
    pub drops: Mutex<Vec<PhoneId>>,
    /// What the fleet holds now.
    pub held: Mutex<HashMap<PhoneId, HoldSpec>>,
    /// What the redirect service knows: phone and URL.
    pub entries: Mutex<HashMap<Mac, String>>,
    pub calls: Mutex<Vec<Operation>>,
    /// What a registration or deregistration answers.
    pub service: Mutex<Outcome>,
    pub providers: Mutex<HashMap<String, ProviderFacts>>,
    /// Accounts of every base.
    pub accounts: Mutex<u16>,
    /// Vendor -> first halves of MACs.
    pub ouis: Mutex<HashMap<String, Vec<String>>>,
    /// What the PBX says of users, by H.323 name; of others `guid-of-<name>` with all devices there.
    pub users: Mutex<HashMap<String, Result<PbxUser, PbxError>>>,
}

impl Default for Outside {
    fn default() -> Self {
        let provider = ProviderFacts { vendor: "yealink".into(), title: "Yealink".into(), same_mac: SameMac::Replace };
        let base = ProviderFacts { same_mac: SameMac::Add, title: "Yealink DECT".into(), ..provider.clone() };
        Self {
            devices_url: Mutex::new(Some("wss://ap.example.com/example.com/devices/sysclients".parse().unwrap())),
            grant: Mutex::new(Ok(())),
            flags: Mutex::default(),
            registered: Mutex::new(Some("192.0.2.7".into())),
            holds: Mutex::default(),
            drops: Mutex::default(),
            held: Mutex::default(),
            entries: Mutex::default(),
            calls: Mutex::default(),
            service: Mutex::new(Outcome::Ok(Default::default())),
            providers: Mutex::new(HashMap::from([("yealink".into(), provider), ("yealink-dect".into(), base)])),
            accounts: Mutex::new(3),
            ouis: Mutex::default(),
            users: Mutex::default(),
        }
    }
}

impl Outside {
    pub fn away() -> Outcome {
        Outcome::Transport(Trouble::Broken(503))
    }

    pub fn registrations(&self) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| matches!(call, Operation::Register { .. })).count()
    }

    pub fn deregistrations(&self) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| matches!(call, Operation::Deregister { .. })).count()
    }

    pub fn servers(&self) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| matches!(call, Operation::EnsureServer(_))).count()
    }
}

/// A user with the usual device.
pub fn user(h323: &str) -> PbxUser {
    let hwids = vec![format!("hw-{h323}")];
    PbxUser { guid: format!("guid-of-{h323}"), h323: h323.into(), cn: String::new(), hwids }
}

struct Fake(Arc<Outside>);

impl Pbx for Fake {
    fn devices_url(&self, _instance: InstanceId) -> Option<Url> {
        self.0.devices_url.lock().unwrap().clone()
    }

    fn user(&self, _instance: InstanceId, key: UserKey) -> Reply<Result<PbxUser, PbxError>> {
        let h323 = key.h323;
        let known = self.0.users.lock().unwrap().get(&h323).cloned();
        let user = known.unwrap_or_else(|| Ok(user(&h323)));
        Box::pin(async move { user })
    }

    fn set_flags(
        &self,
        _instance: InstanceId,
        _key: UserKey,
        hwid: String,
        flags: Flags,
    ) -> Reply<Result<FlagsWritten, PbxError>> {
        let granted = self.0.grant.lock().unwrap().clone();
        if granted.is_ok() {
            self.0.flags.lock().unwrap().push((hwid, flags));
        }
        Box::pin(async move { granted.map(|()| FlagsWritten::Applied) })
    }

    fn registration(
        &self,
        _instance: InstanceId,
        _key: UserKey,
        _hwid: String,
        _by_name: bool,
    ) -> Reply<Result<Option<String>, PbxError>> {
        let registered = self.0.registered.lock().unwrap().clone();
        Box::pin(async move { Ok(registered) })
    }
}

impl Sysclients for Fake {
    fn hold(&self, hold: HoldSpec) {
        self.0.held.lock().unwrap().insert(hold.phone, hold.clone());
        self.0.holds.lock().unwrap().push(hold);
    }

    fn drop_phone(&self, phone: PhoneId) {
        self.0.held.lock().unwrap().remove(&phone);
        self.0.drops.lock().unwrap().push(phone);
    }
}

impl RedirectService for Fake {
    fn run(&self, _account: RedirectAccount, operation: Operation, _phone: Option<(PhoneId, Mac)>) -> Reply<Outcome> {
        let outcome = self.0.service.lock().unwrap().clone();
        let outcome = match (&operation, outcome) {
            // Only phones are refused; the server entry stands.
            (Operation::EnsureServer(_), outcome) if !outcome.is_retryable() => Outcome::Ok(Default::default()),
            (_, outcome) => outcome,
        };
        match &operation {
            Operation::Register { mac, unique_url: Some(url), .. } if matches!(outcome, Outcome::Ok(_)) => {
                self.0.entries.lock().unwrap().insert(*mac, url.expose().to_owned());
            }
            Operation::Verify { mac, url } if matches!(outcome, Outcome::Ok(_)) => {
                self.0.calls.lock().unwrap().push(operation.clone());
                let held = self.0.entries.lock().unwrap().get(mac).cloned();
                let outcome = match held {
                    Some(held) if held == url.expose() => Outcome::AlreadyMine,
                    Some(held) => Outcome::SentElsewhere(held),
                    None => Outcome::NotFound,
                };
                return Box::pin(async move { outcome });
            }
            Operation::Deregister { mac } if matches!(outcome, Outcome::Ok(_)) => {
                self.0.entries.lock().unwrap().remove(mac);
            }
            _ => {}
        }
        self.0.calls.lock().unwrap().push(operation);
        Box::pin(async move { outcome })
    }
}

impl Providers for Fake {
    fn provider(&self, name: &str) -> Option<ProviderFacts> {
        self.0.providers.lock().unwrap().get(name).cloned()
    }

    fn vendors(&self) -> Vec<(String, String)> {
        vec![("yealink".into(), "yealink-xmlrpc".into())]
    }

    fn names(&self) -> Vec<String> {
        self.0.providers.lock().unwrap().keys().cloned().collect()
    }

    fn accounts(&self, _provider: &str, _model: Option<&str>) -> u16 {
        *self.0.accounts.lock().unwrap()
    }

    fn claims(&self, vendor: &str, mac: Mac) -> bool {
        self.0.ouis.lock().unwrap().get(vendor).is_some_and(|ouis| ouis.contains(&mac.oui()))
    }
}

/// One gateway; it can be dropped and started again on the same store and outside.
pub struct Bench {
    pub clock: ManualClock,
    pub store: Store,
    pub outside: Arc<Outside>,
    pub provisioning: Provisioning,
    pub instance: InstanceId,
    events: mpsc::Sender<FleetEvent>,
    tasks: Tasks,
    store_tasks: Tasks,
    instances: Instances,
    conn: u64,
    dir: tempfile::TempDir,
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(Outside::default()).await
    }

    pub async fn with(outside: Outside) -> Self {
        let clock = ManualClock::new(Timestamp::from_second(1_000_000).unwrap());
        Self::on(tempfile::tempdir().unwrap(), Arc::new(outside), clock).await
    }

    /// A gateway on this data directory, inside this world.
    pub async fn on(dir: tempfile::TempDir, outside: Arc<Outside>, clock: ManualClock) -> Self {
        let store_tasks = Tasks::new();
        let store = Store::open(dir.path(), Arc::new(clock.clone()), &store_tasks).await.unwrap();
        let instance = store.instance("example.com", "gangway").await.unwrap();
        let instances = Instances::new(vec![tenant(instance, "example.com", "https://gw.example.com")]);
        for (name, value) in [("redirect.yealink.user", "rps"), ("redirect.yealink.password", "rps-password")] {
            store.set_setting(instance, &Scope::Instance, name, Some(&Secret::new(value))).await.unwrap();
        }
        let tasks = Tasks::new();
        let (events, provisioning) = start(&store, &instances, &outside, &clock, &tasks);
        Self { clock, store, outside, provisioning, instance, events, tasks, store_tasks, instances, conn: 0, dir }
    }

    /// A second tenant, with this user at the redirect service; with a restart.
    pub async fn neighbour(&mut self, account: &str) -> InstanceId {
        let id = self.store.instance("example.org", "gangway").await.unwrap();
        for (name, value) in [("redirect.yealink.user", account), ("redirect.yealink.password", "rps-password")] {
            self.store.set_setting(id, &Scope::Instance, name, Some(&Secret::new(value))).await.unwrap();
        }
        let all = vec![
            tenant(self.instance, "example.com", "https://gw.example.com"),
            tenant(id, "example.org", "https://gw.example.com"),
        ];
        self.instances = Instances::new(all);
        self.restart().await;
        id
    }

    /// Ends the engine where it stands and starts another on the same store.
    pub async fn restart(&mut self) {
        assert_eq!(self.tasks.finish(Duration::from_secs(10)).await, 0);
        self.tasks = Tasks::new();
        (self.events, self.provisioning) = start(&self.store, &self.instances, &self.outside, &self.clock, &self.tasks);
    }

    /// Another public URL, as after a change of the configuration: with a restart.
    pub async fn move_to(&mut self, url: &str) {
        let moved = tenant(self.instance, "example.com", url);
        self.instances = Instances::new(vec![moved]);
        self.restart().await;
    }

    /// What is left when the gateway dies on the spot: its disk and the world around it. The tasks die with their
    /// runtime, wherever they stand.
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

    pub fn wish(&self, user: &str, code: &str) -> ProvisionRequest {
        ProvisionRequest {
            instance: self.instance,
            provider: "yealink".into(),
            mac: MAC.parse().unwrap(),
            code: code.into(),
            hwid: format!("hw-{user}"),
            username: user.into(),
            cn: user.to_uppercase(),
            password: "pbx-password".into(),
            domain: "example.com".into(),
            dns: "pbx.example.com".into(),
        }
    }

    /// Sends a request from a task of its own.
    pub fn request(&self, request: ProvisionRequest) -> oneshot::Receiver<Result<(), String>> {
        let (answer, result) = oneshot::channel();
        let future = self.provisioning.request(request);
        Tasks::new().spawn("request", async move {
            let _ = answer.send(future.await);
        });
        result
    }

    pub fn phone(&self) -> Option<Arc<Phone>> {
        self.store.roster().by_mac(self.instance, MAC.parse().unwrap())
    }

    pub fn record(&self) -> Arc<Phone> {
        self.phone().expect("the phone is in the store")
    }

    pub async fn send(&mut self, kind: FleetEventKind) {
        self.events.send(FleetEvent { phone: self.record().id, conn: self.conn, kind }).await.unwrap();
    }

    /// The sysclient that is held now, on a connection newer than any before.
    pub fn holding(&mut self) -> Option<HoldSpec> {
        self.conn = u64::try_from(self.outside.holds.lock().unwrap().len()).unwrap();
        let phone = self.phone()?;
        self.outside.held.lock().unwrap().get(&phone.id).cloned()
    }

    /// Waits until nothing happens any more by itself: what was written before is on disk, and the records stay as they
    /// are while everybody gets many turns.
    pub async fn settle(&self) {
        let look = || {
            let calls = self.outside.calls.lock().unwrap().len() + self.outside.holds.lock().unwrap().len();
            let flags = self.outside.flags.lock().unwrap().len() + self.outside.drops.lock().unwrap().len();
            (format!("{:?}", self.store.roster().all()), calls, flags)
        };
        let (mut before, mut quiet) = (look(), 0);
        for round in 0..2_000 {
            // Stands in line behind everything that is being written.
            self.store.set_fact(self.instance, "settle", Some(&round.to_string())).await.unwrap();
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

    /// Waits for the next hold after `before` of them.
    pub async fn held(&mut self, before: usize) -> HoldSpec {
        let outside = Arc::clone(&self.outside);
        until("the sysclient is held", || outside.holds.lock().unwrap().len() > before).await;
        self.conn += 1;
        self.outside.holds.lock().unwrap().last().cloned().unwrap()
    }

    /// anna's phone is asked for, and Devices accepts it: what most stories begin with.
    pub async fn provisioned(&mut self) {
        let answer = self.request(self.wish("anna", "1"));
        self.held(0).await;
        self.devices_accepts().await;
        answer.await.unwrap().unwrap();
    }

    /// Devices accepts the code and sends everything.
    pub async fn devices_accepts(&mut self) {
        self.devices_gives_a_password().await;
        self.devices_sends().await;
    }

    pub async fn devices_gives_a_password(&mut self) {
        let (stored, is_stored) = oneshot::channel();
        self.send(FleetEventKind::Connected).await;
        let sent = self.outside.holds.lock().unwrap().last().and_then(|hold| hold.credential.code().cloned());
        self.send(FleetEventKind::Password { password: "sysclient-password".into(), sent, stored }).await;
        is_stored.await.unwrap();
    }

    pub async fn devices_sends(&mut self) {
        self.send(FleetEventKind::Item(json!({"type": "NTP", "ntp1": "10.0.0.1"}))).await;
        let opened_with = self.outside.holds.lock().unwrap().last().and_then(|hold| hold.credential.code().cloned());
        self.send(FleetEventKind::Last { opened_with }).await;
    }

    /// The phone fetches its file with what travelled through the redirect service.
    pub async fn fetch(&self) {
        let (delivered, now) = (self.delivered(), self.clock.now());
        let record = |phone: &mut Phone, events: &mut Vec<_>| {
            bind(phone, delivered.source, "yealink T46U", now).unwrap();
            outcome::delivered(phone, delivered, events);
        };
        self.store.change_phone(self.record().id, record).await.unwrap();
    }

    /// The phone gets this delivery, having proved its own credentials.
    pub async fn gets(&self, delivered: Delivered) {
        let now = self.clock.now();
        let record = |phone: &mut Phone, events: &mut Vec<_>| {
            phone.own.proven.get_or_insert(now);
            outcome::delivered(phone, delivered, events);
        };
        self.store.change_phone(self.record().id, record).await.unwrap();
    }

    /// A delivery of the record as it stands.
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
        let phone = store.roster().by_mac(self.instance, MAC.parse().unwrap()).unwrap();
        tasks.finish(Duration::from_secs(10)).await;
        phone
    }

    /// Waits until the record is so.
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
    outside: &Arc<Outside>,
    clock: &ManualClock,
    tasks: &Tasks,
) -> (mpsc::Sender<FleetEvent>, Provisioning) {
    let (events, sysclient_events) = mpsc::channel(64);
    let fake = Arc::new(Fake(Arc::clone(outside)));
    let provisioning = Provisioning::start(Deps {
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
        devices_pin: None,
        admin_password_login: false,
        admin_from: Vec::new(),
        frame_ancestors: Vec::new(),
    }
}

/// Lets all tasks run until the condition holds.
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        tokio::task::yield_now().await;
    }
}

/// Lets everything that can happen now happen: for statements that something does not happen.
pub async fn rest() {
    for _ in 0..2_000 {
        tokio::task::yield_now().await;
    }
}
