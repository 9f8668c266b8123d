//! Tests websocket frames that announce more than allowed or never end, sent by unknown clients and by a compromised
//! Devices service. The process must not grow much, and other clients must be served in the meantime.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use actix_http::ws::hash_key;
use gangway::net::tls;
use gangway_sim::{session::AppSession, simulation::Simulation, users::ProvisionRequest};
use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};
use serde_json::json;

use crate::support::{
    bench::{Bench, TITLE, simulation},
    http, mac,
    options::{DOMAIN, INSTANCE, Options},
    page::person,
    process::{Process, Site, free_port},
    socket::until_closed,
};

const AGENT: &str = "Yealink SIP-T46U 108.86.0.20 80:5e:c0:12:34:01";
const SOCKETS: usize = 8;
/// Bytes that each socket tries to send.
const FLOOD: usize = 100 << 20;
/// Maximum growth of the process, in bytes.
const GROWTH: u64 = 32 << 20;
/// Longer than any step of these tests.
const TIMEOUT: Duration = Duration::from_secs(60);
const UPGRADE: &str = "GET /example.com/gangway HTTP/1.1\r\nHost: gw\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n";

trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

/// How unknown clients connect.
#[derive(Clone)]
struct Door {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

impl Door {
    fn connect(&self) -> Box<dyn Wire> {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(TIMEOUT)).unwrap();
        match &self.tls {
            None => Box::new(stream),
            Some(config) => {
                let name = ServerName::from(self.address.ip());
                Box::new(StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), stream))
            }
        }
    }

    /// Opens a websocket without logging in.
    fn websocket(&self) -> Box<dyn Wire> {
        let mut wire = self.connect();
        wire.write_all(UPGRADE.as_bytes()).unwrap();
        let head = head(&mut wire);
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        wire
    }
}

/// Reads everything up to the empty line.
fn head(wire: &mut impl Read) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && wire.read_exact(&mut byte).is_ok() {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// The header of a binary frame with this length, with a mask as clients write it.
fn header(length: u64, is_masked: bool) -> Vec<u8> {
    let mask = if is_masked { 0x80 } else { 0 };
    let mut bytes = match u16::try_from(length) {
        Ok(short) => [&[0x82, mask | 126][..], &short.to_be_bytes()].concat(),
        Err(_) => [&[0x82, mask | 127][..], &length.to_be_bytes()].concat(),
    };
    if is_masked {
        bytes.extend([1, 2, 3, 4]);
    }
    bytes
}

/// Returns the code of the next close frame, skipping other frames.
fn close_code(wire: &mut impl Read) -> Option<u16> {
    loop {
        let mut begin = [0; 2];
        wire.read_exact(&mut begin).ok()?;
        let mut length = usize::from(begin[1] & 0x7f);
        if length == 126 {
            let mut long = [0; 2];
            wire.read_exact(&mut long).ok()?;
            length = usize::from(u16::from_be_bytes(long));
        }
        let mut payload = vec![0; length];
        wire.read_exact(&mut payload).ok()?;
        if begin[0] & 0x0f == 8 {
            return payload.first_chunk().map(|code| u16::from_be_bytes(*code));
        }
    }
}

/// Sends until the write fails; returns the number of bytes sent.
fn flood(wire: &mut impl Write, bytes: &[u8]) -> usize {
    let mut sent = 0;
    while sent < FLOOD && wire.write_all(bytes).is_ok() {
        sent += bytes.len();
    }
    sent
}

/// Returns a line of `/proc/PID/status`, in bytes.
fn memory(process: &Process, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() * 1024
}

/// Measures the growth of a process.
struct Growth<'a>(&'a Process, u64);

impl<'a> Growth<'a> {
    fn of(process: &'a Process) -> Self {
        // Reset the peak.
        fs::write(format!("/proc/{}/clear_refs", process.pid()), "5").unwrap();
        Self(process, memory(process, "VmRSS"))
    }

    fn assert_small(&self) {
        self.assert_below(GROWTH);
    }

    fn assert_below(&self, bound: u64) {
        let grown = memory(self.0, "VmHWM").saturating_sub(self.1);
        assert!(grown < bound, "the process grew by {} KiB", grown / 1024);
    }
}

/// Checks that other clients are served: a phone's file, and a login with the correct password.
async fn others_are_served(site: &Site, simulation: &Simulation) {
    let common = format!("{}/{DOMAIN}/{INSTANCE}/phone/y000000000108.cfg", site.url());
    let answer = tokio::task::spawn_blocking(move || http::get(&common, AGENT)).await.unwrap();
    assert_eq!(answer.status, 200);
    let url = format!("ws://{}/{DOMAIN}/{INSTANCE}", site.http);
    AppSession::open(&simulation.host(), &url, person("gangway-admin")).await.expect("a login").close().await;
}

/// Creates a certificate for this machine below `dir`, and a client configuration that trusts it.
fn certificate(dir: &Path) -> (String, Arc<ClientConfig>) {
    let mut ca = rcgen::CertificateParams::new(vec![]).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let root = ca.self_signed(&ca_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let leaf = params.signed_by(&key, &rcgen::Issuer::new(ca, ca_key)).unwrap();
    let at = |name: &str, text: String| {
        let file = dir.join(name);
        fs::write(&file, text).unwrap();
        file
    };
    let config = tls::client_config(Some(&at("ca.pem", root.pem())), None).unwrap();
    let (chain, key) = (at("chain.pem", leaf.pem()), at("key.pem", key.serialize_pem()));
    (format!("certificate = \"{}\"\nkey = \"{}\"\n", chain.display(), key.display()), Arc::new(config))
}

/// A real gateway with HTTP and HTTPS listeners.
struct Attacked {
    simulation: Simulation,
    site: Site,
    process: Process,
    doors: [Door; 2],
    _dir: tempfile::TempDir,
}

impl Attacked {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (pair, config) = certificate(dir.path());
        let https = free_port();
        let sections = format!("[https]\nlisten = \"{https}\"\n{pair}");
        let site = Site::new(&Options { sections, ..Options::default() });
        let process = site.serve();
        let simulation = simulation().start().await.unwrap();
        let doors = [Door { address: site.http, tls: None }, Door { address: https, tls: Some(config) }];
        others_are_served(&site, &simulation).await;
        for door in &doors {
            drop(door.websocket());
        }
        Self { simulation, site, process, doors, _dir: dir }
    }

    /// Runs the attack on all sockets at once through one listener. Others are served until all have ended.
    async fn flooded(&self, door: &Door, attack: impl Fn(usize, &mut Box<dyn Wire>) + Send + Sync + 'static) {
        let growth = Growth::of(&self.process);
        let attack = Arc::new(attack);
        let attackers: Vec<_> = (0..SOCKETS)
            .map(|number| {
                let (door, attack) = (door.clone(), Arc::clone(&attack));
                thread::spawn(move || attack(number, &mut door.websocket()))
            })
            .collect();
        loop {
            let is_over = attackers.iter().all(thread::JoinHandle::is_finished);
            others_are_served(&self.site, &self.simulation).await;
            growth.assert_small();
            if is_over {
                break;
            }
        }
        for attacker in attackers {
            attacker.join().unwrap();
        }
        growth.assert_small();
    }
}

#[actix_rt::test]
async fn unfinished_frames_of_unknown_clients_fill_no_memory() {
    let attacked = Attacked::start().await;
    for door in &attacked.doors {
        attacked
            .flooded(door, |number, wire| {
                let announced = [1 << 62, 1 << 32, (64 << 10) + 1, 4_097][number % 4];
                let _ = wire.write_all(&header(announced, true));
                flood(wire, &[b'x'; 64 << 10]);
            })
            .await;
    }
}

/// A pending upgrade is not a websocket yet. Frames sent before the answer close the connection.
#[actix_rt::test]
async fn upgrades_that_wait_keep_no_frames() {
    const UPGRADES: usize = 240;
    // None of the 70 MiB sent is kept; 257 connections with TLS take some 130 KiB each.
    const CONNECTIONS: u64 = 48 << 20;
    let attacked = Attacked::start().await;
    let frames = [header(1 << 20, true), vec![b'x'; 300 << 10]].concat();
    for door in &attacked.doors {
        let growth = Growth::of(&attacked.process);
        // As many as one source may have before the login.
        let inside: Vec<_> = (0..16).map(|_| door.websocket()).collect();
        let mut early = door.connect();
        early.write_all(&[UPGRADE.as_bytes(), &header(5, true)].concat()).unwrap();
        let answer = head(&mut early);
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        let waiting: Vec<_> = (0..UPGRADES)
            .map(|_| {
                let mut wire = door.connect();
                // The connection may already be closed.
                let _ = wire.write_all(UPGRADE.as_bytes()).and_then(|()| wire.write_all(&frames));
                wire
            })
            .collect();
        growth.assert_below(CONNECTIONS);
        drop((inside, waiting));
        others_are_served(&attacked.site, &attacked.simulation).await;
        growth.assert_below(CONNECTIONS);
    }
}

#[actix_rt::test]
async fn frames_and_fragments_without_end_fill_no_memory() {
    let attacked = Attacked::start().await;
    for door in &attacked.doors {
        attacked
            .flooded(door, |number, wire| {
                let ping = [0x89, 0x80, 1, 2, 3, 4];
                let fragment = [0x00, 0x80, 1, 2, 3, 4];
                let unit = match number % 4 {
                    0 => ping.to_vec(),
                    1 => [&ping[..], &[0x8a, 0x80, 4, 3, 2, 1]].concat(),
                    2 => {
                        let _ = wire.write_all(&[0x01, 0x80, 1, 2, 3, 4]);
                        fragment.to_vec()
                    }
                    _ => [&header(4_000, true)[..], &[b'x'; 4_000]].concat(),
                };
                let bytes = unit.repeat((64 << 10) / unit.len());
                let begun = Instant::now();
                // After a rejection, input is read and discarded for a second, so that the close frame arrives.
                while wire.write_all(&bytes).is_ok() {
                    assert!(begun.elapsed() < TIMEOUT, "a stranger may send without end");
                }
            })
            .await;
    }
}

#[actix_rt::test]
async fn a_refused_frame_is_answered_with_its_code_before_its_payload() {
    let attacked = Attacked::start().await;
    for door in &attacked.doors {
        for announced in [4_097, (64 << 10) + 1, 1 << 32, 1 << 62, 1 << 63, u64::MAX] {
            let mut wire = door.websocket();
            wire.write_all(&header(announced, true)).unwrap();
            assert_eq!(close_code(&mut wire), Some(1009), "{announced}");
        }
        let mut wire = door.websocket();
        wire.write_all(&[0x89, 0xfe, 0, 126]).unwrap();
        assert_eq!(close_code(&mut wire), Some(1002), "a long ping");
        let mut wire = door.websocket();
        wire.write_all(&[&[0x01, 0xfe, 0x0f, 0xff, 1, 2, 3, 4][..], &[b'x'; 4_095], &[0x80, 0x82]].concat()).unwrap();
        assert_eq!(close_code(&mut wire), Some(1009), "fragments that are too long together");
        let mut wire = door.websocket();
        let _ = wire.write_all(&[0x8a, 0x80, 1, 2, 3, 4].repeat(32 * 4_096 / 6 + 1));
        assert_eq!(close_code(&mut wire), Some(1008), "more than a stranger may send in all");
        // A frame of the maximum length is read, regardless of its content.
        let mut wire = door.websocket();
        wire.write_all(&[&header(4_096, true)[..], &[b'x'; 4_096], &[0x88, 0x80, 1, 2, 3, 4]].concat()).unwrap();
        assert_eq!(close_code(&mut wire), Some(1000));
    }
}

#[actix_rt::test]
async fn after_the_login_frames_may_be_as_long_as_messages_and_not_longer() {
    let bench = Bench::start().await;
    let url = bench.gateway.socket_url();
    let mut page = AppSession::open(&bench.simulation.host(), &url, person("gangway-admin")).await.unwrap();
    let text = |length: usize| {
        let empty = json!({ "mt": "Hello", "api": "gangway", "src": "1", "padding": "" }).to_string();
        empty.replace("\"padding\":\"\"", &format!("\"padding\":\"{}\"", "x".repeat(length - empty.len())))
    };
    assert!(page.send_text(text(1 << 20)).await);
    let answer = page.next_of("HelloResult").await.expect("an answer");
    assert!(answer["version"].is_string(), "{answer}");
    assert!(page.send_text(text((1 << 20) + 1)).await);
    assert!(!until_closed(&mut page).await.iter().any(|message| message["mt"] == "HelloResult"));
}

/// A service that accepts every websocket and then begins a frame that it never finishes.
fn hostile(listener: &TcpListener, refused: &Arc<AtomicUsize>) {
    for (number, stream) in listener.incoming().enumerate() {
        let Ok(mut stream) = stream else { continue };
        let refused = Arc::clone(refused);
        thread::spawn(move || {
            let head = head(&mut stream);
            let Some(key) = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")) else { return };
            let accept = String::from_utf8(hash_key(key.as_bytes()).to_vec()).unwrap();
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            let announced = [1 << 62, 1 << 32, (1 << 20) + 1, 1 << 20][number % 4];
            // The header arrives together with the answer, before the gateway reads frames.
            let _ = stream.write_all(&[answer.as_bytes(), &header(announced, false)].concat());
            if flood(&mut stream, &[0; 64 << 10]) < FLOOD {
                refused.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

/// A hostile Devices service answers on the API connection and on every phone's sysclient.
#[actix_rt::test]
async fn a_hostile_devices_fills_no_memory() {
    let simulation = simulation().users(SOCKETS).start().await.unwrap();
    let (site, process) = Site::serving(&simulation, Options::default()).await;
    for number in 1..=SOCKETS {
        let mac = mac(u8::try_from(number).unwrap());
        let request = ProvisionRequest::new(&mac.to_string(), &format!("user{number}"), TITLE);
        assert!(simulation.users.provision(request).await.unwrap().ok);
        simulation.devices.wait_configured(&mac.to_string()).await.unwrap();
    }
    let place: url::Url = simulation.devices.app_url().parse().unwrap();
    let growth = Growth::of(&process);
    simulation.devices.stop().await;
    let listener = TcpListener::bind(("127.0.0.1", place.port().unwrap())).unwrap();
    let refused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refused);
    thread::spawn(move || hostile(&listener, &count));
    let begun = Instant::now();
    while refused.load(Ordering::Relaxed) < 2 * SOCKETS {
        assert!(begun.elapsed() < TIMEOUT, "{} connections were refused", refused.load(Ordering::Relaxed));
        others_are_served(&site, &simulation).await;
        growth.assert_small();
    }
    growth.assert_small();
}
