//! Handshakes that fail, take too long, or exceed a limit. The openssl client shares no code with gangway.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    super::server::{
        certificates::{CertificatePaths, Certificates},
        connection_limiter::Bounds,
        connections::Timeouts,
        listeners::TlsSettings,
    },
    support::{TestServer, over_tls},
};
use crate::net::{
    handshake_failures::{FailedHandshake, FailedHandshakes, Failure},
    tls::provider,
};

/// Creates a new pair. `kind` contains the arguments of `openssl req -newkey`, and further options.
pub fn pair(dir: &Path, name: &str, kind: &[&str]) -> CertificatePaths {
    let (chain, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}-key.pem")));
    let subject: &[&str] = if kind.contains(&"-subj") { &[] } else { &["-subj", "/CN=localhost"] };
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "2"])
        .args(subject)
        .arg("-newkey")
        .args(kind)
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&chain)
        .stderr(Stdio::null())
        .status()
        .expect("openssl is installed");
    assert!(made.success());
    (chain, key)
}

pub const P256: &[&str] = &["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];

/// Returns the output of `openssl s_client` for a connection on which it sends `text`.
pub async fn s_client(server: &TestServer, arguments: &[&str], text: &str) -> String {
    let mut command = Command::new("openssl");
    command
        .args(["s_client", "-connect", &server.https.unwrap().to_string()])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let text = text.to_owned();
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().expect("openssl is installed");
        // The client may have exited already.
        let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
        child.wait_with_output().unwrap()
    });
    let output = output.await.unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A client that presents a certificate without having its key.
pub async fn thief(server: &TestServer, pem: &[u8]) {
    let chain = vec![CertificateDer::from_pem_slice(pem).unwrap()];
    let key = rcgen::KeyPair::generate().unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let signing = provider().key_provider.load_private_key(key).unwrap();
    let shown = Arc::new(rustls::sign::CertifiedKey::new(chain, signing));
    let config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(crate::net::tls::server_probe::AcceptAnyServer::new()))
        .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(shown)));
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(server.https.unwrap()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    // In TLS 1.3 the client learns of the rejection with its first read.
    if let Ok(mut stream) = connector.connect(name, stream).await {
        let mut rest = Vec::new();
        assert!(stream.read_to_end(&mut rest).await.is_err());
    }
}

/// Connects as a client that accepts any certificate.
pub async fn connect(server: &TestServer) -> tokio_rustls::client::TlsStream<TcpStream> {
    let config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(crate::net::tls::server_probe::AcceptAnyServer::new()))
        .with_no_client_auth();
    let stream = TcpStream::connect(server.https.unwrap()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

/// Sends a GET on a connection that stays open. Returns the head of the response.
pub async fn get(stream: &mut tokio_rustls::client::TlsStream<TcpStream>) -> String {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: gw\r\n\r\n").await.unwrap();
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"ok\n") {
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "the connection ended");
    }
    String::from_utf8(bytes).unwrap()
}

async fn server(
    tls: impl FnOnce(&mut TlsSettings),
    timeouts: Timeouts,
) -> (TestServer, Arc<FailedHandshakes>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut all = over_tls(Certificates::load(vec![pair(dir.path(), "ec", P256)]).unwrap());
    tls(&mut all);
    let failures = Arc::clone(&all.failures);
    (TestServer::with_tls(Some(all), timeouts).await, failures, dir)
}

/// Returns the newest failure, once there are `count`.
pub async fn newest(failures: &FailedHandshakes, count: usize) -> FailedHandshake {
    loop {
        let all = failures.all();
        if all.len() >= count {
            return all.last().unwrap().clone();
        }
        tokio::task::yield_now().await;
    }
}

#[actix_web::test]
async fn a_client_that_refuses_our_certificate_is_remembered_with_name_alert_and_versions() {
    let (server, failures, dir) = server(|_| {}, Timeouts::default()).await;
    let (other, _) = pair(dir.path(), "other", P256);
    let verify = ["-CAfile", other.to_str().unwrap(), "-verify_return_error", "-servername", "gw.example.com"];
    for (count, version) in [(1, "-tls1_2"), (2, "-tls1_3")] {
        s_client(&server, &[&verify[..], &[version]].concat(), "").await;
        let failed = newest(&failures, count).await;
        assert!(failed.refuses_certificate(), "{failed:?}");
        assert_eq!(failed.alert, Some("unknown_ca"));
        assert_eq!(failed.server_name.as_deref(), Some("gw.example.com"));
        assert_eq!(failed.versions, if version == "-tls1_2" { "TLS 1.2" } else { "TLS 1.3" });
        assert!(failed.peer.is_loopback());
    }
    server.close().await;
}

#[actix_web::test]
async fn tls_1_0_and_1_1_are_refused_and_old_ciphers_too() {
    let (server, failures, _dir) = server(|_| {}, Timeouts::default()).await;
    for (count, arguments, failure) in [
        (1, ["-tls1", "-cipher", "DEFAULT@SECLEVEL=0"], Failure::Version),
        (2, ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], Failure::Version),
        (3, ["-tls1_2", "-cipher", "AES128-SHA@SECLEVEL=0"], Failure::Incompatible),
    ] {
        let told = s_client(&server, &arguments, "").await;
        assert!(!told.contains("BEGIN CERTIFICATE"), "{told}");
        assert_eq!(newest(&failures, count).await.failure, failure, "{arguments:?}");
    }
    for version in ["-tls1_2", "-tls1_3"] {
        assert!(s_client(&server, &[version], "").await.contains("BEGIN CERTIFICATE"), "{version}");
    }
    server.close().await;
}

#[actix_web::test]
async fn plain_http_at_the_tls_port_is_said_to_be_that() {
    let (server, failures, _dir) = server(|_| {}, Timeouts::default()).await;
    let mut stream = TcpStream::connect(server.https.unwrap()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: gw\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert_eq!(newest(&failures, 1).await.failure, Failure::NotTls);
    server.close().await;
}

#[actix_web::test]
async fn a_slow_handshake_and_a_slow_head_are_cut_off_and_others_are_served_meanwhile() {
    // actix checks its clock twice a second, so a shorter time limit for heads could be over before it starts.
    let timeouts =
        Timeouts { handshake: Duration::from_millis(300), request: Duration::from_secs(1), ..Timeouts::default() };
    let (server, failures, _dir) = server(|_| {}, timeouts).await;
    let mut idle = Vec::new();
    // More than the number of concurrent handshakes that actix-tls allows.
    for _ in 0..300 {
        idle.push(TcpStream::connect(server.https.unwrap()).await.unwrap());
    }
    let url = format!("https://{}/healthz", server.https.unwrap());
    assert_eq!(server.curl(&["--insecure", &url]).await.0, 200);
    for mut stream in idle {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    }
    assert_eq!(newest(&failures, 1).await.failure, Failure::Slow);
    // The handshake completes but the head of the request does not. The client waits until the gateway closes the
    // connection.
    let told = s_client(&server, &["-ign_eof"], "GET /healthz HTTP/1.1\r\nHost: gw\r\n").await;
    assert!(told.contains("HTTP/1.1 408"), "{told}");
    server.close().await;
}

#[actix_web::test]
async fn a_source_with_too_many_connections_is_turned_away_until_some_end() {
    let bounds = Bounds { connections: 2, handshakes_per_second: 0 };
    let (server, failures, _dir) = server(|tls| tls.bounds = bounds, Timeouts::default()).await;
    let address = server.https.unwrap();
    let held = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
    let url = format!("https://{address}/healthz");
    let refused = async |server: &TestServer| server.curl(&["--insecure", &url]).await.0 == 0;
    while !refused(&server).await {}
    let proxied = server.curl(&["--insecure", "--interface", "127.0.0.9", &url]).await;
    assert_eq!(proxied.0, 200, "a trusted proxy speaks for many");
    assert_eq!(server.curl(&["--insecure", "--interface", "127.0.0.2", &url]).await.0, 200, "others are not concerned");
    drop(held);
    while refused(&server).await {}
    assert!(failures.all().iter().all(|failed| failed.failure != Failure::CertificateRefused));
    server.close().await;
}

#[actix_web::test]
async fn a_source_that_opens_too_fast_is_turned_away_for_a_while() {
    let bounds = Bounds { connections: 0, handshakes_per_second: 1 };
    let (server, _, _dir) = server(|tls| tls.bounds = bounds, Timeouts::default()).await;
    let url = format!("https://{}/healthz", server.https.unwrap());
    for _ in 0..10 {
        assert_eq!(server.curl(&["--insecure", &url]).await.0, 200);
    }
    assert_eq!(server.curl(&["--insecure", &url]).await.0, 0, "ten seconds' worth is spent");
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(server.curl(&["--insecure", &url]).await.0, 200);
    server.close().await;
}
