//! Tests the limits of the machine: file descriptors, connections per source, places before login.

use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use gangway::phone::facet::DevicesState;
use gangway_base::mac::Mac;
use gangway_sim::{
    LoginForm,
    session::{AppSession, OpenError},
    simulation::Simulation,
    users::ProvisionRequest,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::support::{
    bench::{TITLE, simulation},
    gateway::Gateway,
    http, mac,
    options::{DOMAIN, Options, PASSWORD},
    process::{Process, Site, get},
    records::{Records, TIMEOUT},
};

/// The timeout after which an incomplete request is dropped.
const HALF_A_REQUEST: Duration = Duration::from_secs(10);
const PHONES: u8 = 150;
/// Soft and hard limits that are too low for this many phones.
const TOO_FEW: &str = "ulimit -Sn 90 && ulimit -Hn 128";
/// A soft limit that the process has to raise.
const ENOUGH: &str = "ulimit -Sn 90 && ulimit -Hn 1024";

/// Returns the soft and hard limits of open files, as reported by the kernel.
fn limits(process: &Process) -> (u64, u64) {
    let text = std::fs::read_to_string(format!("/proc/{}/limits", process.id())).unwrap();
    let row = text.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let mut numbers = row.split_whitespace().map_while(|number| number.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
fn the_soft_limit_is_raised_to_the_hard_one_and_too_few_descriptors_are_told() {
    let site = Site::new(&Options::default());
    let process = site.serve_under(ENOUGH);
    assert_eq!(limits(&process), (1024, 1024));
    let checked = site.run_under(ENOUGH, &["check"]);
    let text = String::from_utf8(checked.stdout).unwrap();
    assert!(text.contains("file descriptors:") && !text.contains("LimitNOFILE="), "{text}");
    process.terminate();

    let process = site.serve_under(TOO_FEW);
    assert_eq!(limits(&process), (128, 128));
    assert!(process.log().contains("LimitNOFILE="), "{}", process.log());
    let ready = get(site.ops, "/readyz").unwrap();
    assert!(ready.contains("file descriptors") && ready.contains("LimitNOFILE="), "{ready}");
    let checked = site.run_under(TOO_FEW, &["check"]);
    let text = String::from_utf8(checked.stdout).unwrap();
    assert!(text.contains("the limit of file descriptors is 128") && text.contains("ulimit -Hn"), "{text}");
}

/// Provisions all phones and waits until they are members of Devices.
async fn provision_all(simulation: &Simulation, records: &Records) {
    let numbers: Vec<u8> = (1..=PHONES).collect();
    // Users may have this many open requests on its connection.
    for at_once in numbers.chunks(10) {
        let asking = at_once.iter().map(|number| {
            let request = ProvisionRequest::new(&mac(*number).to_string(), &format!("user{number}"), TITLE);
            let users = simulation.users.clone();
            async move { users.provision(request).await.unwrap() }
        });
        for answer in futures_util::future::join_all(asking).await {
            assert!(answer.ok, "{:?}", answer.error);
        }
    }
    for number in 1..=PHONES {
        records.wait_devices(mac(number), DevicesState::Received).await;
    }
}

fn all_received(records: &Records) -> bool {
    (1..=PHONES)
        .all(|number| records.phone(mac(number)).is_some_and(|phone| phone.devices.state == DevicesState::Received))
}

/// Returns whether the phone's record shows that its connection to Devices waits for a file descriptor.
fn waits_for_a_descriptor(records: &Records, mac: Mac) -> bool {
    let phone = records.phone(mac).unwrap();
    phone.devices.error.as_deref().is_some_and(|error| error.contains("no free file descriptor"))
}

#[actix_rt::test]
async fn at_the_limit_sysclients_wait_and_phones_and_the_database_go_on() {
    let simulation = simulation().users(usize::from(PHONES) + 1).start().await.unwrap();
    let options = Options::default();
    let site = Site::new(&options);
    let process = site.serve_under(ENOUGH);
    let records = site.records(&options).await;
    simulation.connect_gateway(&site.url());
    simulation.wait_gateway().await.unwrap();
    provision_all(&simulation, &records).await;
    process.terminate();

    let process = site.serve_under(TOO_FEW);
    let waiting =
        |records: &Records| (1..=PHONES).filter(|number| waits_for_a_descriptor(records, mac(*number))).count();
    // A few phones have a socket. How many depends on the number of threads that serve phones.
    let many = usize::from(PHONES) / 2;
    records.wait_for("phones that wait", |records| (waiting(records) > many).then_some(())).await;
    simulation.wait_gateway().await.unwrap();
    let open = simulation.devices.board().read(|state| state.connections.len());
    assert!((1..90).contains(&open), "{open}");
    // A waiting phone gets its file, more than once.
    let number = (1..=PHONES).find(|number| waits_for_a_descriptor(&records, mac(*number))).unwrap();
    let phone = records.phone(mac(number)).unwrap();
    let url = format!("{}/{DOMAIN}/gangway/phone/{}/{}.cfg", site.url(), phone.token.expose(), phone.mac);
    for _ in 0..20 {
        let answer = http::get(&url, &format!("Yealink SIP-T46U 108.86.0.20 {}", colons(phone.mac)));
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(get(site.http, "/healthz").unwrap().starts_with("HTTP/1.1 200"));
    }
    // The database accepts a new phone: Users is answered although the phone's connection waits.
    let another = mac(PHONES + 1);
    let request = ProvisionRequest::new(&another.to_string(), &format!("user{}", PHONES + 1), TITLE);
    let users = simulation.users.clone();
    let provisioning = crate::support::in_background(async move { users.provision(request).await });
    records.wait_phone(another, "its sentence", |phone| phone.devices.error.is_some()).await;
    assert!(waits_for_a_descriptor(&records, another));
    drop(provisioning);
    let log = process.log();
    assert!(!log.contains("Too many open files"), "{log}");
    process.terminate();

    let _process = site.serve_under(ENOUGH);
    records.wait_for("all phones", |records| all_received(records).then_some(())).await;
}

/// A MAC as phones write it in their User-Agent.
fn colons(mac: Mac) -> String {
    let text = mac.to_string();
    text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect::<Vec<_>>().join(":")
}

#[test]
fn half_heads_of_one_source_keep_no_other_source_out() {
    let site = Site::new(&Options::default());
    let process = site.serve_under(ENOUGH);
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut held = Vec::new();
    runtime.block_on(async {
        for _ in 0..1_100 {
            let mut stream = connect(IpAddr::from([127, 0, 0, 3]), site.http).await;
            // A rejected connection may already be closed.
            let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: g").await;
            held.push(stream);
        }
    });
    for _ in 0..10 {
        assert!(get(site.http, "/healthz").unwrap().starts_with("HTTP/1.1 200"));
    }
    assert!(begun.elapsed() < HALF_A_REQUEST, "they are let go by then; that shows nothing");
    let kept = held.iter().filter(|stream| is_open(stream)).count();
    assert!(kept > 50, "{kept} are still there");
    assert!(!process.log().contains("Too many open files"), "{}", process.log());
}

#[test]
fn connections_of_a_trusted_proxy_are_not_those_of_one_source() {
    let site = Site::new(&Options { trusted_proxies: "127.0.0.9/32".into(), ..Options::default() });
    let _process = site.serve();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut held = Vec::new();
        for _ in 0..600 {
            let mut stream = connect(IpAddr::from([127, 0, 0, 9]), site.http).await;
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: g").await.unwrap();
            held.push(stream);
        }
        for mut stream in held {
            stream.write_all(b"w\r\nConnection: close\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    });
}

fn is_open(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0; 1]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

async fn connect(source: IpAddr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(source, 0)).unwrap();
    socket.connect(to).await.unwrap()
}

/// Opens a websocket without logging in; `None` if no place is free.
async fn stranger(gateway: &Gateway, source: IpAddr) -> TcpStream {
    let mut stream = connect(source, gateway.address()).await;
    let upgrade = format!(
        "GET /{DOMAIN}/gangway/gangway-admin HTTP/1.1\r\nHost: gw\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    stream
}

/// Waits for the gateway's answer; returns whether the socket was accepted.
async fn is_inside(stream: &mut TcpStream) -> bool {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return false;
        }
    }
    bytes.starts_with(b"HTTP/1.1 101")
}

/// Opens the session of a PBX's app object.
async fn app_object(simulation: &Simulation, gateway: &Gateway) -> Result<AppSession, OpenError> {
    app_object_with(simulation, gateway, PASSWORD).await
}

async fn app_object_with(simulation: &Simulation, gateway: &Gateway, password: &str) -> Result<AppSession, OpenError> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let url = format!("{}/gangway-yealink", gateway.socket_url());
    let object = format!("app{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let form = LoginForm {
        app: "gangway-yealink".into(),
        domain: DOMAIN.into(),
        sip: object.clone(),
        guid: "0123456789abcdef0123456789abcdef".into(),
        info: Some(json!({ "appobj": object, "appurl": format!("{}/gangway-yealink", gateway.instance_url()) })),
        password: password.into(),
        ..LoginForm::default()
    };
    AppSession::open(&simulation.host(), &url, form).await
}

#[actix_rt::test]
async fn sixty_app_objects_of_one_address_get_in_at_once() {
    let simulation = simulation().start().await.unwrap();
    let gateway = Gateway::start(&simulation, Options::default()).await;
    let opened = futures_util::future::join_all((0..60).map(|_| app_object(&simulation, &gateway))).await;
    let refused: Vec<_> = opened.iter().filter_map(|opened| opened.as_ref().err()).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

/// The address of a PBX is shared by all clients behind its router.
#[actix_rt::test]
async fn wrong_passwords_do_not_keep_the_right_one_of_their_address_out() {
    let simulation = Arc::new(simulation().start().await.unwrap());
    let gateway = Arc::new(Gateway::start(&simulation, Options::default()).await);
    drop(app_object(&simulation, &gateway).await.unwrap());
    let refused = Arc::new(AtomicU32::new(0));
    let guessers: Vec<_> = (0..60)
        .map(|_| {
            let (simulation, gateway, refused) = (Arc::clone(&simulation), Arc::clone(&gateway), Arc::clone(&refused));
            crate::support::in_background(async move {
                loop {
                    let opened = app_object_with(&simulation, &gateway, "wrong").await;
                    assert!(opened.is_err());
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    // From the 65th on, a wrong password may be delayed for half a minute.
    let begun = Instant::now();
    while refused.load(Ordering::Relaxed) < 100 {
        assert!(begun.elapsed() < TIMEOUT, "{}", refused.load(Ordering::Relaxed));
        tokio::task::yield_now().await;
    }
    for _ in 0..2 {
        app_object(&simulation, &gateway).await.expect("a login with the right password");
    }
    drop(guessers);
}

#[actix_rt::test]
async fn strangers_of_many_sources_do_not_turn_a_pbx_away() {
    let simulation = simulation().start().await.unwrap();
    let gateway = Gateway::start(&simulation, Options::default()).await;
    let mut held = Vec::new();
    for source in 0..64 {
        for _ in 0..16 {
            held.push(stranger(&gateway, IpAddr::from([127, 0, 1, source])).await);
        }
    }
    assert!(is_inside(&mut held[0]).await);
    // The gateway does not know this PBX yet.
    app_object(&simulation, &gateway).await.unwrap();
}

#[actix_rt::test]
async fn a_source_of_a_pbx_has_its_places_whatever_strangers_take_also_after_a_restart() {
    let simulation = simulation().start().await.unwrap();
    let mut gateway = Gateway::start(&simulation, Options::default()).await;
    drop(app_object(&simulation, &gateway).await.unwrap());
    let records = gateway.records();
    let sources = |store: &gangway::store::Store| store.learned().pbx_sources(records.instance);
    records.wait_learned("the source to be stored", |store| !sources(store).is_empty()).await;
    assert_eq!(sources(&records.store), [IpAddr::from([127, 0, 0, 1])]);
    for restarted in [false, true] {
        if restarted {
            gateway.restart().await;
        }
        let mut held = Vec::new();
        for source in 0..1_100_u32 {
            held.push(
                stranger(
                    &gateway,
                    IpAddr::from([127, 1, u8::try_from(source / 250).unwrap(), u8::try_from(source % 250).unwrap()]),
                )
                .await,
            );
        }
        let begun = Instant::now();
        assert!(is_inside(&mut held[0]).await);
        app_object(&simulation, &gateway).await.unwrap();
        assert!(begun.elapsed() < TIMEOUT);
    }
}

#[test]
fn an_operator_is_answered_while_clients_take_all_they_can_get() {
    let site = Site::new(&Options::default());
    let process = site.serve_under(TOO_FEW);
    let mut held = Vec::new();
    for _ in 0..200 {
        let mut stream = std::net::TcpStream::connect(site.http).unwrap();
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: g");
        held.push(stream);
    }
    let ready = get(site.ops, "/readyz").unwrap();
    assert!(ready.starts_with("HTTP/1.1"), "{ready}");
    let mut metrics = std::net::TcpStream::connect(site.ops).unwrap();
    metrics.write_all(b"GET /metrics HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    metrics.read_to_string(&mut text).unwrap();
    assert!(text.contains("gangway_connections_turned_away_total{limit=\"share\"}"), "{text}");
    assert!(!process.log().contains("Too many open files"), "{}", process.log());
}
