//! Measures a phone that opens a new TLS connection for each file, against nginx with the same certificate. The two
//! servers take turns, so that other load on the machine affects both. CPU time per request counts; the rate is shown
//! for information.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use gangway::net::tls::{provider, server_probe::AcceptAnyServer};
use rustls::{ClientConfig, client::Resumption, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::LocalSet,
};
use tokio_rustls::TlsConnector;

use super::servers::{self, Server};

/// Number of concurrent clients; a few keep a server on one core busy.
const CLIENTS: usize = 8;
/// Duration of one turn, and number of turns of each server.
const TURN: Duration = Duration::from_secs(3);
const TURNS: usize = 4;

/// A request for one phone's file.
pub struct Ask(pub String);

impl Ask {
    pub fn new(target: &str, agent: &str) -> Self {
        Self(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n"))
    }
}

/// Creates a pair of chain and key; `kind` is an argument of `openssl req -newkey`.
pub fn pair(dir: &Path, name: &str, kind: &[&str]) -> (PathBuf, PathBuf) {
    let (chain, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}-key.pem")));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-newkey"])
        .args(kind)
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&chain)
        .stderr(Stdio::null())
        .status();
    assert!(made.is_ok_and(|status| status.success()), "openssl is installed");
    (chain, key)
}

fn client(version: &'static rustls::SupportedProtocolVersion, resumes: bool) -> TlsConnector {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .expect("a version")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAnyServer::new()))
        .with_no_client_auth();
    if !resumes {
        config.resumption = Resumption::disabled();
    }
    TlsConnector::from(Arc::new(config))
}

/// Fetches one file over one connection. Returns its length.
async fn fetch(connector: &TlsConnector, server: &Server, ask: &Ask) -> usize {
    let stream = TcpStream::connect(server.address).await.expect("connect");
    stream.set_nodelay(true).expect("nodelay");
    let name = ServerName::try_from("localhost").expect("a name");
    let mut stream = connector.connect(name, stream).await.expect("handshake");
    stream.write_all(ask.0.as_bytes()).await.expect("write");
    let mut answer = Vec::with_capacity(32 * 1024);
    // nginx sometimes closes without close_notify; only the completeness of the file matters.
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..answer.len().min(200)]));
    answer.len()
}

#[derive(Default)]
struct Sum {
    requests: u64,
    cpu: Duration,
    took: Duration,
}

async fn turn(connector: &TlsConnector, server: &Rc<Server>, asks: &Rc<Vec<Ask>>, sum: &mut Sum) {
    let (cpu, started) = (server.cpu(), Instant::now());
    let local = LocalSet::new();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (connector, server, asks) = (connector.clone(), Rc::clone(server), Rc::clone(asks));
            local.spawn_local(async move {
                let mut done = 0_u64;
                for ask in asks.iter().cycle().skip(client * asks.len() / CLIENTS) {
                    if started.elapsed() >= TURN {
                        break;
                    }
                    fetch(&connector, &server, ask).await;
                    done += 1;
                }
                done
            })
        })
        .collect();
    local
        .run_until(async {
            for client in clients {
                sum.requests += client.await.expect("a client");
            }
        })
        .await;
    sum.took += started.elapsed();
    sum.cpu += server.cpu() - cpu;
}

/// Measures one row of the table: both servers in turns.
async fn row(title: &str, connector: &TlsConnector, (ours, nginx): (&Rc<Server>, &Rc<Server>), asks: &Rc<Vec<Ask>>) {
    let (mut own, mut other) = (Sum::default(), Sum::default());
    for _ in 0..TURNS {
        turn(connector, nginx, asks, &mut other).await;
        turn(connector, ours, asks, &mut own).await;
    }
    let each = |sum: &Sum| sum.cpu.as_secs_f64() * 1e6 / sum.requests as f64;
    let rate = |sum: &Sum| sum.requests as f64 / sum.took.as_secs_f64();
    println!(
        "| {title} | {:.0} | {:.0} us | {:.0} | {:.0} us | {:.2} (by rate {:.2}) |",
        rate(&own),
        each(&own),
        rate(&other),
        each(&other),
        each(&other) / each(&own),
        rate(&own) / rate(&other),
    );
}

/// Measures the whole table. Both servers answer `asks` with the same files below `root`.
pub async fn table(dir: &Path, root: &Path, asks: Vec<Ask>) {
    let asks = Rc::new(asks);
    println!(
        "\n| a new TLS connection per file | gangway, files/s | CPU per file | nginx, files/s | CPU per file | of nginx by CPU |"
    );
    println!("|---|---|---|---|---|---|");
    for (name, kind) in [
        ("P-256", ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"].as_slice()),
        ("RSA-2048", ["rsa:2048"].as_slice()),
    ] {
        let files = pair(dir, name, kind);
        let ours = Rc::new(servers::gangway_over_tls(dir, &files));
        let nginx = Rc::new(servers::nginx_over_tls(dir, root, &files));
        for (version, title) in [(&rustls::version::TLS13, "TLS 1.3"), (&rustls::version::TLS12, "TLS 1.2")] {
            row(&format!("{name}, {title}"), &client(version, false), (&ours, &nginx), &asks).await;
        }
        let resumed = format!("{name}, TLS 1.3, resumed");
        row(&resumed, &client(&rustls::version::TLS13, true), (&ours, &nginx), &asks).await;
    }
}
