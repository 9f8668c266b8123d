//! A data directory with many phones, a certificate, a redirect service that is unavailable at first, and a separate
//! `gangway serve` process.

#[path = "../measured_program.rs"]
mod measured_program;

use std::{
    cell::Cell,
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use gangway::{
    phone::{instance::InstanceId, record::Phone as Record},
    phone_config::sample_phone,
    settings::Scope,
    store::Store,
};
use gangway_base::{
    clock::{Clock, SystemClock},
    mac::Mac,
    tasks::Tasks,
};
use gangway_sim::{host::SimHost, snom_rps::SnomRps};
use rustls::{ClientConfig, RootCertStore, client::Resumption, pki_types::CertificateDer};
use tempfile::TempDir;
use tokio_rustls::TlsConnector;

use super::phones::{Phone, Phones};

/// The password of the instance.
pub const PASSWORD: &str = "ip411";
/// The account at the redirect service.
const ACCOUNT: (&str, &str) = ("storm", "redirect password");

pub struct Site {
    pub phones: Phones,
    pub host: SimHost,
    /// Unavailable until it is switched on; no phone is registered there.
    pub redirects: SnomRps,
    pub http: SocketAddr,
    pub https: SocketAddr,
    pub ops: SocketAddr,
    pub tls: TlsConnector,
    /// The slowest response of the operations page so far.
    pub slowest: Cell<Duration>,
    child: Child,
    _dir: TempDir,
}

impl Site {
    pub async fn start(count: u32, registrations: u8) -> Self {
        let host = SimHost::start().expect("a thread");
        let redirects = SnomRps::start(&host.handle(), ACCOUNT.0, ACCOUNT.1).await.expect("a redirect service");
        redirects.switch(|switches| switches.status = Some(503));
        let dir = TempDir::new().expect("a directory");
        let phones = fill(&dir.path().join("data"), count, registrations, &redirects.xmlrpc_url()).await;
        let certificate = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        fs::write(dir.path().join("chain.pem"), certificate.cert.pem()).expect("chain");
        fs::write(dir.path().join("key.pem"), certificate.signing_key.serialize_pem()).expect("key");
        let (http, https, ops) = (free(), free(), free());
        let root = dir.path().display();
        let text = format!(
            "[http]\nlisten = \"{http}\"\n[https]\nlisten = \"{https}\"\ncertificate = \"{root}/chain.pem\"\n\
             key = \"{root}/key.pem\"\n[ops]\nlisten = \"{ops}\"\n[data]\ndir = \"{root}/data\"\n[log]\nlevel = \"error\"\n\
             [net]\nallow = [\"127.0.0.0/8\"]\n\
             [[instances]]\ndomain = \"example.com\"\nname = \"gangway\"\npassword = \"{PASSWORD}\"\n\
             public_url = \"https://{https}\"\n"
        );
        fs::write(dir.path().join("gangway.toml"), text).expect("the configuration");
        let child = serve(dir.path(), ops);
        let tls = connector(certificate.cert.der());
        Self { phones, host, redirects, http, https, ops, tls, slowest: Cell::default(), child, _dir: dir }
    }

    /// A line of the process's status, in MiB.
    pub fn memory(&self, line: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|text| text.starts_with(line));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or_default() / 1024
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(dir: &Path, ops: SocketAddr) -> Child {
    let mut child = Command::new(measured_program::measured_program())
        .args(["serve", "--config"])
        .arg(dir.join("gangway.toml"))
        .stdout(Stdio::null())
        .spawn()
        .expect("gangway");
    let begun = Instant::now();
    while TcpStream::connect(ops).is_err() {
        assert!(child.try_wait().expect("its state").is_none(), "gangway ended");
        assert!(begun.elapsed() < Duration::from_secs(60), "gangway does not answer");
        std::thread::yield_now();
    }
    child
}

/// No sessions are resumed, as with a phone that powers on.
fn connector(root: &CertificateDer<'static>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).expect("a root");
    let mut config = ClientConfig::builder_with_provider(gangway::net::tls::provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    TlsConnector::from(Arc::new(config))
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port")
}

/// Phones that have been in service for a while and authenticate with their own credentials, and new phones of another
/// vendor that wait to be registered at its redirect service.
async fn fill(dir: &Path, count: u32, registrations: u8, redirects: &str) -> Phones {
    let (clock, tasks) = (Arc::new(SystemClock), Tasks::new());
    let store = Store::open(dir, clock.clone(), &tasks).await.expect("a store");
    let instance = store.instance("example.com", "gangway").await.expect("an instance");
    let mut phones = Phones::new();
    for number in 1..=count {
        let [_, a, b, c] = number.to_be_bytes();
        let mac = Mac::new([0x80, 0x5e, 0xc0, a, b, c]).expect("a MAC");
        let fresh = Record::new(instance, mac, "yealink", "yealink", clock.now());
        let mut phone = sample_phone("yealink", "yealink", Some("T46U"), None, mac);
        (phone.instance, phone.token, phone.own, phone.created) = (instance, fresh.token, fresh.own, fresh.created);
        phone.own.proven = Some(clock.now());
        phone.window.closed = Some(clock.now());
        let phone = store.phones().create(phone, Vec::new()).await.expect("a phone");
        phones.push(Rc::new(Phone {
            target: format!("/example.com/gangway/phone/{mac}.cfg"),
            agent: format!("Yealink SIP-T46U 108.86.0.70 80:5e:c0:{a:02x}:{b:02x}:{c:02x}"),
            user: phone.own.user.clone(),
            password: phone.own.password.expose().to_owned(),
        }));
    }
    let settings = [("protocol", "snom-xmlrpc"), ("url", redirects), ("user", ACCOUNT.0), ("password", ACCOUNT.1)];
    for (name, value) in settings {
        let name = format!("redirect.snom.{name}");
        store.settings().set_one(instance, &Scope::Instance, &name, Some(&value.into())).await.expect("a setting");
    }
    for number in 0..registrations {
        let phone = fresh(instance, number, &clock);
        store.phones().create(phone, Vec::new()).await.expect("a phone");
    }
    tasks.finish(Duration::from_secs(10)).await;
    phones
}

/// A phone that was provisioned and configured a moment ago.
fn fresh(instance: InstanceId, number: u8, clock: &SystemClock) -> Record {
    let mac = Mac::new([0x00, 0x04, 0x13, 0x01, 0x00, number]).expect("a MAC");
    let Record { token, own, created, window, .. } = Record::new(instance, mac, "snom", "snom", clock.now());
    let phone = sample_phone("snom", "snom", Some("D785"), None, mac);
    Record { instance, token, own, created, window, ..phone }
}
