//! Factory certificates, presented by curl and openssl, which share no code with gangway.

use std::{fs, path::Path, sync::Arc, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SignatureAlgorithm};

use super::{
    super::server::{
        certificates::Certificates, client_ca_store::ClientCaStore, connection_limiter::Bounds, connections::Timeouts,
        listeners::TlsSettings,
    },
    handshakes::{P256, pair, s_client},
    support::{FILE, TestServer, over_tls, with_token},
};
use crate::{catalog::Registry, phone::admission::tests::at};

const MAC: &str = "805ec0123456";
const VERSIONS: [&[&str]; 2] = [&["--tlsv1.2", "--tls-max", "1.2"], &["--tlsv1.3"]];

/// A CA that issues factory certificates.
struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Ca {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Returns chain and key of a phone as files, valid until the end of `year`.
    fn issue(&self, dir: &Path, name: &str, common_name: &str, year: i32, kind: &'static SignatureAlgorithm) -> Files {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 12, 31);
        let key = KeyPair::generate_for(kind).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = Files { chain: dir.join(format!("{name}.pem")), key: dir.join(format!("{name}-key.pem")) };
        fs::write(&files.chain, certificate.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }
}

struct Files {
    chain: std::path::PathBuf,
    key: std::path::PathBuf,
}

impl Files {
    fn arguments(&self) -> [&str; 4] {
        ["--cert", self.chain.to_str().unwrap(), "--key", self.key.to_str().unwrap()]
    }
}

/// TLS settings that trust `ca` for Yealink phones.
fn believing(dir: &Path, ca: &Ca) -> TlsSettings {
    let place = dir.join("client_ca/yealink");
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("factory.pem"), &ca.pem).unwrap();
    let (issuers, wrong) = ClientCaStore::load(Registry::load_shared(None).unwrap(), &dir.join("client_ca"));
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(issuers.vendors(), [("yealink".into(), 1)]);
    let certificates = Certificates::load(vec![pair(dir, "server", P256)]).unwrap();
    TlsSettings { issuers, ..over_tls(certificates) }
}

/// Fetches the phone's file over TLS, without a token.
async fn fetch(server: &TestServer, arguments: &[&str]) -> (u16, usize) {
    let url = format!("https://{}/example.com/gw/phone/{FILE}", server.https.unwrap());
    let mut all = vec!["--insecure"];
    all.extend(arguments);
    all.push(&url);
    let (status, body) = server.curl(&all).await;
    (status, body.len())
}

async fn happened(server: &TestServer, kind: &str, part: &str) -> bool {
    let is_there = || {
        let events = server.memory.happenings.lock().unwrap();
        events.iter().any(|event| event.kind == kind && event.text.contains(part))
    };
    let search = async {
        while !is_there() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), search).await.is_ok()
}

#[actix_web::test]
async fn a_phone_that_proves_its_factory_certificate_is_let_in_without_a_window() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Ca::new("Equipment Issuing CA");
    let server = TestServer::with_tls(Some(believing(dir.path(), &ca)), Timeouts::default()).await;
    server.memory.edit(|phone| phone.window.closed = Some(at(0)));
    assert_eq!(fetch(&server, &[]).await.0, 401, "without one its window counts, and that is closed");
    for (name, common_name, kind) in [
        ("ec", MAC, &rcgen::PKCS_ECDSA_P256_SHA256),
        ("rsa", "80:5E:C0:12:34:56", &rcgen::PKCS_RSA_SHA256),
        ("dashes", "80-5e-c0-12-34-56", &rcgen::PKCS_ECDSA_P384_SHA384),
    ] {
        let files = ca.issue(dir.path(), name, common_name, 2090, kind);
        for version in VERSIONS {
            let arguments = [files.arguments().as_slice(), version].concat();
            assert_eq!(fetch(&server, &arguments).await, (200, 16 * 1024), "{name} {version:?}");
        }
    }
    assert!(happened(&server, "certificate", "proved its factory certificate (yealink, 805ec0123456)").await);
    server.close().await;
}

#[actix_web::test]
async fn whatever_is_wrong_with_a_certificate_the_phone_is_answered_by_the_weaker_rules() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, stranger) = (Ca::new("Equipment Issuing CA"), Ca::new("Somebody's CA"));
    let server = TestServer::with_tls(Some(believing(dir.path(), &ca)), Timeouts::default()).await;
    let p256 = &rcgen::PKCS_ECDSA_P256_SHA256;
    let made = |name: &str, options: &[&str]| {
        let (chain, key) = pair(dir.path(), name, options);
        Files { chain, key }
    };
    let weak = made("weak", &["rsa:1024", "-subj", "/CN=805ec0123456"]);
    let sha1 = made("sha1", &["rsa:2048", "-sha1", "-subj", "/CN=805ec0123456"]);
    let odd = [
        ("expired", ca.issue(dir.path(), "expired", MAC, 2001, p256)),
        ("unknown issuer", stranger.issue(dir.path(), "stranger", MAC, 2090, p256)),
        ("no MAC", ca.issue(dir.path(), "generic", "SIP Phone", 2090, p256)),
        ("1024 bits", weak),
        ("SHA-1", sha1),
    ];
    let get = format!(
        "GET {} HTTP/1.1\r\nHost: gw\r\nConnection: close\r\nUser-Agent: {}\r\n\r\n",
        with_token(FILE),
        super::support::UA
    );
    for (name, files) in &odd {
        let own = ["-cert", files.chain.to_str().unwrap(), "-key", files.key.to_str().unwrap()];
        for version in ["-tls1_2", "-tls1_3"] {
            // Current OpenSSL versions do not present old keys and signatures by default.
            let arguments = [&own[..], &[version, "-ign_eof", "-cipher", "DEFAULT@SECLEVEL=0"]].concat();
            let told = s_client(&server, &arguments, &get).await;
            assert!(told.contains("HTTP/1.1 200"), "{name} {version}: the token and the window let it in: {told}");
        }
    }
    for said in ["only valid until 2001-12-31", "of the issuer 'CN=Somebody's CA'", "does not name a MAC address"] {
        assert!(happened(&server, "certificate", said).await, "{said}");
    }
    server.close().await;
}

/// The log of this process.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[actix_web::test]
async fn where_a_certificate_is_required_each_of_four_outcomes_has_its_own_reason() {
    crate::base::telemetry::metric::install_recorder();
    let (dir, log) = (tempfile::tempdir().unwrap(), Log::default());
    let writer = log.clone();
    let level = tracing_subscriber::filter::LevelFilter::DEBUG;
    tracing_subscriber::fmt().with_max_level(level).with_ansi(false).with_writer(move || writer.clone()).init();
    let (ca, stranger) = (Ca::new("Equipment Issuing CA"), Ca::new("Somebody's CA"));
    let server = TestServer::with_tls(Some(believing(dir.path(), &ca)), Timeouts::default()).await;
    server.memory.policy.lock().unwrap().require_certificate = true;
    server.memory.revision.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let p256 = &rcgen::PKCS_ECDSA_P256_SHA256;
    let rows = [
        ("certificate-required", None),
        ("certificate-expired", Some(ca.issue(dir.path(), "expired", MAC, 2001, p256))),
        ("certificate-unknown-issuer", Some(stranger.issue(dir.path(), "stranger", MAC, 2090, p256))),
        ("other-certificate", Some(ca.issue(dir.path(), "other", "805ec0123457", 2090, p256))),
        ("admitted", Some(ca.issue(dir.path(), "good", MAC, 2090, p256))),
    ];
    let url = format!("https://{}{}", server.https.unwrap(), with_token(FILE));
    for (word, files) in &rows {
        server.memory.seen.lock().unwrap().clear();
        let own = files.as_ref().map(Files::arguments);
        let arguments = [own.as_ref().map_or(&[][..], |own| own.as_slice()), &["--insecure", url.as_str()]].concat();
        let (status, body) = server.curl(&arguments).await;
        if *word == "admitted" {
            assert_eq!((status, body.len()), (200, 16 * 1024));
            continue;
        }
        assert_eq!((status, body.len()), (401, 0), "{word}");
        let seen = server.memory.seen.lock().unwrap().last().unwrap().outcome;
        assert!(format!("{seen:?}").contains("Refused"), "{word}: {seen:?}");
        let super::super::interfaces::RequestOutcome::Refused(reason) = seen else { panic!("{seen:?}") };
        assert_eq!(reason.as_str(), *word);
        assert!(happened(&server, if reason.is_alarm() { "alarm" } else { "withheld" }, reason.text()).await, "{word}");
    }
    let (metrics, log) = (crate::base::telemetry::metrics_text(), log.0.lock().unwrap().clone());
    let log = String::from_utf8(log).unwrap();
    for word in ["none", "expired", "unknown-issuer", "wrong-mac", "trusted"] {
        let counted = format!("gangway_client_certificates_total{{outcome=\"{word}\"}} 1\n");
        assert!(metrics.contains(&counted), "{word}: {metrics}");
        assert_eq!(log.matches(&format!("certificate=\"{word}\"")).count(), 1, "{word}: {log}");
    }
    server.close().await;
}

#[actix_web::test]
async fn a_resumed_session_carries_its_certificate_and_is_judged_anew() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Ca::new("Equipment Issuing CA");
    let tls = believing(dir.path(), &ca);
    let issuers = Arc::clone(&tls.issuers);
    let server = TestServer::with_tls(Some(tls), Timeouts::default()).await;
    server.memory.edit(|phone| phone.window.closed = Some(at(0)));
    let files = ca.issue(dir.path(), "good", MAC, 2090, &rcgen::PKCS_ECDSA_P256_SHA256);
    let own = ["-cert", files.chain.to_str().unwrap(), "-key", files.key.to_str().unwrap()];
    let get = format!(
        "GET /example.com/gw/phone/{FILE} HTTP/1.1\r\nHost: gw\r\nConnection: close\r\nUser-Agent: {}\r\n\r\n",
        super::support::UA
    );
    for version in ["-tls1_2", "-tls1_3"] {
        let session = dir.path().join(version);
        let session = session.to_str().unwrap();
        let first = s_client(&server, &[&own[..], &[version, "-ign_eof", "-sess_out", session]].concat(), &get).await;
        assert!(first.contains("New, TLSv1") && first.contains("HTTP/1.1 200"), "{first}");
        let again = s_client(&server, &[version, "-ign_eof", "-sess_in", session], &get).await;
        assert!(again.contains("Reused, TLSv1") && again.contains("HTTP/1.1 200"), "{again}");
    }
    // Once the CA is removed, its certificates are no longer trusted, in resumed sessions either.
    fs::write(dir.path().join("client_ca/yealink/factory.pem"), Ca::new("Another CA").pem).unwrap();
    assert!(issuers.reload().is_empty());
    let session = dir.path().join("-tls1_2");
    let again = s_client(&server, &["-tls1_2", "-ign_eof", "-sess_in", session.to_str().unwrap()], &get).await;
    assert!(again.contains("Reused, TLSv1") && again.contains("HTTP/1.1 401"), "{again}");
    server.close().await;
}

#[actix_web::test]
async fn a_copied_certificate_without_its_key_ends_in_a_failed_handshake() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Ca::new("Equipment Issuing CA");
    let tls = believing(dir.path(), &ca);
    let failures = Arc::clone(&tls.failures);
    let server = TestServer::with_tls(Some(tls), Timeouts::default()).await;
    let files = ca.issue(dir.path(), "good", MAC, 2090, &rcgen::PKCS_ECDSA_P256_SHA256);
    super::handshakes::thief(&server, &fs::read(&files.chain).unwrap()).await;
    let failed = super::handshakes::newest(&failures, 1).await;
    assert_eq!(failed.failure.as_str(), "client-certificate", "{failed:?}");
    server.close().await;
}

#[actix_web::test]
async fn a_subject_counts_from_a_trusted_proxy_only() {
    let server = TestServer::open().await;
    server.memory.edit(|phone| phone.window.closed = Some(at(0)));
    let headers = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Subject: CN=805ec0123456,O=Yealink\r\n";
    let path = format!("/example.com/gw/phone/{FILE}");
    let proxied = server.request_from("127.0.0.9", "GET", &path, headers).await;
    assert_eq!((proxied.status, proxied.body.len()), (200, 16 * 1024));
    assert_eq!(server.request_from("127.0.0.1", "GET", &path, headers).await.status, 401, "anybody can write a header");
    server.close().await;
}

#[test]
fn files_that_cannot_be_read_are_said_and_the_others_count() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Ca::new("Equipment Issuing CA");
    let tls = believing(dir.path(), &ca);
    assert_eq!(tls.bounds, Bounds { connections: 0, handshakes_per_second: 0 });
    fs::write(dir.path().join("client_ca/yealink/notes.txt"), "nothing").unwrap();
    let wrong = tls.issuers.reload();
    assert!(wrong.len() == 1 && wrong[0].contains("notes.txt holds no CA certificate"), "{wrong:?}");
    assert_eq!(tls.issuers.vendors(), [("yealink".into(), 1)]);
}
