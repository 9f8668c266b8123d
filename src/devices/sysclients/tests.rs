//! Tests the sysclient pool over real sockets against the double. The pool's clock does not advance unless a test moves
//! it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use gangway_base::{clock::ManualClock, tasks::Tasks};
use gangway_sim::sysclient_server::{self, SysclientServer, SysclientServerState};
use jiff::Timestamp;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use super::*;
use crate::{
    net::tls,
    phone::{instance::InstanceId, record::PhoneId},
};

const TIMEOUT: Duration = Duration::from_secs(20);

struct Bench {
    fleet: SysclientPool,
    events: mpsc::Receiver<SysclientEvent>,
    clock: ManualClock,
    tasks: Tasks,
}

impl Bench {
    fn new(connects_per_second: u32, queue: usize) -> Self {
        Self::with_room_for(usize::MAX, connects_per_second, queue)
    }

    fn with_room_for(most: usize, connects_per_second: u32, queue: usize) -> Self {
        let clock = ManualClock::new(Timestamp::from_second(1_800_000_000).unwrap());
        let (tasks, (sink, events)) = (Tasks::new(), mpsc::channel(queue));
        let config = Arc::new(tls::client_config(None, None).unwrap());
        let deps = PoolDependencies {
            clock: Arc::new(clock.clone()),
            tasks: tasks.clone(),
            connects_per_second,
            most,
            tls: Arc::new(move |_| Arc::clone(&config)),
        };
        Self { fleet: SysclientPool::start(deps, sink).unwrap(), events, clock, tasks }
    }

    /// Returns the next event; stores a password at once. Advances the clock by `step` while there is no event.
    async fn next(&mut self, step: Duration) -> (i64, u64, String) {
        let until = Instant::now() + TIMEOUT;
        loop {
            assert!(Instant::now() < until, "no event; {:?}", self.fleet.counts());
            match timeout(Duration::from_millis(10), self.events.recv()).await {
                Err(_) => self.clock.advance(step),
                Ok(event) => {
                    let event = event.expect("the fleet ended");
                    let text = match event.kind {
                        SysclientEventKind::Password { stored, .. } => {
                            stored.send(()).unwrap();
                            "password".to_owned()
                        }
                        SysclientEventKind::Item(item) => format!("item {}", item["type"].as_str().unwrap()),
                        other => other.label().to_owned(),
                    };
                    return (event.phone.0, event.conn, text);
                }
            }
        }
    }

    async fn until(&mut self, wanted: &str, step: Duration) -> (i64, u64) {
        loop {
            let (phone, conn, text) = self.next(step).await;
            if text == wanted {
                return (phone, conn);
            }
        }
    }

    async fn stop(self) {
        assert_eq!(self.tasks.finish(Duration::from_secs(8)).await, 0, "tasks left");
    }
}

async fn devices(known: SysclientServerState) -> SysclientServer {
    SysclientServer::start("127.0.0.1:0".parse().unwrap(), Arc::new(Mutex::new(known)), None).await
}

async fn eventually(mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + TIMEOUT;
    while !condition() {
        assert!(Instant::now() < until, "never came true");
        let _ = timeout(Duration::from_millis(2), std::future::pending::<()>()).await;
    }
}

fn spec(id: i64, double: &SysclientServer, credential: Credential) -> SysclientSpec {
    SysclientSpec {
        phone: PhoneId(id),
        instance: InstanceId(1),
        url: format!("ws://{}/example.com/devices/sysclients", double.address).parse().unwrap(),
        mac: format!("805ec0{id:06x}").parse().unwrap(),
        identity: SysclientIdentity { product: "T46U".into(), version: "108.86".into(), name: None },
        silence_limit: gangway_wire::sysclient::SILENCE,
        credential,
    }
}

fn mac(id: i64) -> String {
    format!("805ec0{id:06x}")
}

fn with_code(code: &str) -> SysclientServerState {
    SysclientServerState { codes: [code.to_owned()].into(), ..SysclientServerState::default() }
}

const STILL: Duration = Duration::ZERO;
const STEP: Duration = Duration::from_millis(500);

#[actix_rt::test]
async fn first_time_with_a_code_then_by_challenge_after_a_restart_of_devices() {
    let double = devices(with_code("4711")).await;
    let mut bench = Bench::new(50, 8);
    bench.fleet.hold(spec(1, &double, Credential::Code("4711".into())));
    for wanted in ["connecting", "connected", "password", "item NTP", "item MEDIA", "last"] {
        assert_eq!(bench.next(STILL).await.2, wanted);
    }
    assert_eq!(bench.fleet.status(PhoneId(1)), Some(Status::Member));
    // The current credential and an outdated one change nothing.
    let password = format!("password of {} by code 4711", mac(1));
    bench.fleet.hold(spec(1, &double, Credential::Password(password.as_str().into())));
    bench.fleet.hold(spec(1, &double, Credential::Code("4711".into())));
    double.kill();
    let (_, first) = bench.until("closed", STILL).await;
    bench.until("endpoint_away", STEP).await;
    // The event is sent before the status is updated.
    while bench.fleet.counts().get(&Status::Away) != Some(&1) {
        tokio::task::yield_now().await;
    }
    let double = SysclientServer::start(double.address, Arc::clone(&double.known), None).await;
    let (_, second) = bench.until("last", STEP).await;
    assert!(second > first);
    {
        let known = double.known.lock().unwrap();
        let codes = known.identified.iter().filter(|identify| identify.get("provisioningCode").is_some()).count();
        assert_eq!(codes, 1, "a spent code is never sent again");
        assert_eq!(known.most_at_once, 1);
        assert!(known.identified.iter().all(|identify| identify["other"] == true));
    }
    bench.stop().await;
}

#[actix_rt::test]
async fn nothing_is_processed_before_the_password_is_stored_and_a_failed_store_is_tried_again() {
    let double = devices(with_code("1")).await;
    let mut bench = Bench::new(50, 8);
    bench.fleet.hold(spec(1, &double, Credential::Code("1".into())));
    for failing in [true, true, false] {
        let stored = loop {
            match timeout(Duration::from_millis(10), bench.events.recv()).await {
                Err(_) => bench.clock.advance(STEP),
                Ok(event) => match event.unwrap().kind {
                    SysclientEventKind::Password { stored, .. } => break stored,
                    SysclientEventKind::Connecting | SysclientEventKind::Connected => {}
                    other => panic!("{other:?} before the password was stored"),
                },
            }
        };
        if failing {
            drop(stored);
        } else {
            stored.send(()).unwrap();
        }
    }
    assert_eq!(bench.next(STILL).await.2, "item NTP");
    bench.stop().await;
}

#[actix_rt::test]
async fn silence_is_reported_the_socket_stays_and_an_admin_may_adopt_the_phone_later() {
    let double = devices(SysclientServerState::default()).await;
    let mut bench = Bench::new(50, 8);
    bench.fleet.hold(spec(1, &double, Credential::Code("expired".into())));
    let (_, conn) = bench.until("connected", STILL).await;
    eventually(|| double.known.lock().unwrap().identified.len() == 1).await;
    bench.clock.advance(Duration::from_secs(20));
    assert_eq!(bench.next(STILL).await, (1, conn, "silence".into()));
    assert_eq!(bench.fleet.status(PhoneId(1)), Some(Status::Outside));
    bench.clock.advance(Duration::from_secs(10));
    eventually(|| double.known.lock().unwrap().pings == 1).await;
    double.send(&mac(1), sysclient_server::admin(1, &serde_json::json!({"password": "later"})));
    assert_eq!(bench.next(STILL).await, (1, conn, "password".into()));
    eventually(|| bench.fleet.status(PhoneId(1)) == Some(Status::Member)).await;
    bench.stop().await;
}

#[actix_rt::test]
async fn a_refused_code_is_not_sent_again_after_a_reconnect() {
    let double = devices(SysclientServerState::default()).await;
    let mut bench = Bench::new(50, 8);
    bench.fleet.hold(spec(1, &double, Credential::Code("expired".into())));
    bench.until("connected", STILL).await;
    bench.until("silence", STEP).await;
    double.kill();
    bench.until("closed", STILL).await;
    let double = SysclientServer::start(double.address, Arc::clone(&double.known), None).await;
    bench.until("connected", STEP).await;
    eventually(|| double.known.lock().unwrap().identified.len() == 2).await;
    assert!(double.known.lock().unwrap().identified[1].get("provisioningCode").is_none());
    bench.stop().await;
}

#[actix_rt::test]
async fn a_new_url_and_a_new_code_replace_the_socket_and_dropping_closes_it() {
    let (old, new) = (devices(with_code("1")).await, devices(with_code("2")).await);
    let mut bench = Bench::new(50, 8);
    bench.fleet.hold(spec(1, &old, Credential::Code("1".into())));
    let (_, first) = bench.until("last", STILL).await;
    bench.fleet.hold(spec(1, &new, Credential::Code("2".into())));
    let (_, second) = bench.until("last", STEP).await;
    assert!(second > first);
    eventually(|| old.known.lock().unwrap().sockets[&mac(1)].is_empty()).await;
    new.known.lock().unwrap().codes.insert("3".into());
    bench.fleet.hold(spec(1, &new, Credential::Code("3".into())));
    bench.until("last", STEP).await;
    assert_eq!(new.known.lock().unwrap().most_at_once, 1);
    bench.fleet.drop_phone(PhoneId(1));
    eventually(|| new.known.lock().unwrap().sockets[&mac(1)].is_empty()).await;
    assert_eq!(bench.fleet.status(PhoneId(1)), None);
    bench.stop().await;
}

#[actix_rt::test]
async fn a_tunnelled_request_is_answered() {
    let double = devices(with_code("1")).await;
    let mut bench = Bench::new(50, 8);
    bench.fleet.hold(spec(1, &double, Credential::Code("1".into())));
    bench.until("last", STILL).await;
    let send = [&[2, 0, 0, 0, 13, 0, 0, 0, 0], &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..]].concat();
    double.send(&mac(1), send);
    double.send(&mac(1), vec![2, 0, 0, 0, 13, 0, 0, 0, 1, 0, 0, 0, 0]);
    eventually(|| double.known.lock().unwrap().tunnelled.len() >= 2).await;
    let answers = double.known.lock().unwrap().tunnelled.clone();
    assert_eq!(answers[0], [2, 0, 0, 0, 13, 0, 0, 0, 3]);
    assert_eq!(answers[1][..9], [2, 0, 0, 0, 13, 0, 0, 0, 2]);
    assert!(answers[1][9..].starts_with(b"HTTP/1.1 200"));
    bench.stop().await;
}

#[actix_rt::test]
async fn connects_keep_to_the_rate_and_a_full_sink_loses_nothing() {
    let count = 60;
    let codes = (0..count).map(|id| format!("c{id}")).collect();
    let double = devices(SysclientServerState { codes, ..SysclientServerState::default() }).await;
    // A queue of one, read slowly: sockets wait for it.
    let mut bench = Bench::new(20, 1);
    for id in 0..count {
        bench.fleet.hold(spec(id, &double, Credential::Code(format!("c{id}").into())));
    }
    let (mut lasts, mut items) = (0, 0);
    let mut connecting = Vec::new();
    while lasts < count {
        let before = fleet_now(&bench);
        match bench.next(Duration::from_millis(50)).await.2.as_str() {
            "connecting" => connecting.push(before),
            "last" => lasts += 1,
            text if text.starts_with("item") => items += 1,
            _ => {}
        }
    }
    assert_eq!(items, 2 * count);
    // 60 connects at 20 per second take at least two seconds by the pool's clock.
    let span = connecting.last().unwrap().duration_since(connecting[0]);
    assert!(span.as_millis() >= 1_900, "{span:?}");
    assert_eq!(bench.fleet.counts().get(&Status::Member), Some(&60));
    bench.stop().await;
}

fn fleet_now(bench: &Bench) -> Timestamp {
    use gangway_base::clock::Clock as _;
    bench.clock.now()
}

#[actix_rt::test]
async fn without_a_free_descriptor_a_phone_waits_says_so_and_comes_in_when_another_leaves() {
    let double = devices(with_code("1")).await;
    {
        let mut known = double.known.lock().unwrap();
        known.passwords.extend((1..=4).map(|id| (mac(id), format!("p{id}"))));
    }
    let mut bench = Bench::with_room_for(2, 50, 64);
    let hold = |bench: &Bench, id: i64| {
        bench.fleet.hold(spec(id, &double, Credential::Password(format!("p{id}").as_str().into())));
    };
    (1..=4).for_each(|id| hold(&bench, id));
    let (mut members, mut reported) = (Vec::new(), Vec::new());
    while members.len() < 2 || reported.len() < 2 {
        match bench.next(STEP).await {
            (phone, _, event) if event == "last" => members.push(phone),
            (phone, _, event) if event == "no_descriptor" => reported.push(phone),
            _ => {}
        }
    }
    assert_eq!(bench.fleet.counts().get(&Status::NoDescriptor), Some(&2));
    assert_eq!(double.known.lock().unwrap().opened.len(), 2);
    // The clock does not advance from here on: no pause delays the waiting phones.
    bench.fleet.drop_phone(PhoneId(members[0]));
    let (next, _) = bench.until("last", STILL).await;
    assert!(reported.contains(&next), "{next} of {reported:?}");
    assert_eq!(bench.fleet.counts().get(&Status::NoDescriptor), Some(&1));
    bench.stop().await;
}
