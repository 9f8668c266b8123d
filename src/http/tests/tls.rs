//! The TLS handshake as a phone sees it. The openssl client shares no code with gangway.

use std::{process::Command, sync::Arc};

use gangway_base::clock::{Clock, SystemClock};

use super::{
    handshakes::{P256, pair, s_client},
    support::TestServer,
};
use crate::http::server::certificates::{CertificateError, CertificatePaths, Certificates};

const RSA: &[&str] = &["rsa:2048"];

fn now() -> jiff::Timestamp {
    SystemClock.now()
}

/// Returns the output of `openssl s_client` for a handshake.
async fn handshake(server: &TestServer, arguments: &[&str]) -> String {
    s_client(server, arguments, "").await
}

async fn server(files: Vec<CertificatePaths>) -> (TestServer, Arc<Certificates>) {
    let certificates = Certificates::load(files).unwrap();
    (TestServer::with(Some(certificates.clone())).await, certificates)
}

#[actix_web::test]
async fn http_1_1_is_all_that_is_offered() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _) = server(vec![pair(dir.path(), "ec", P256)]).await;
    for (offer, agreed) in [("h2,http/1.1", "ALPN protocol: http/1.1"), ("http/1.1", "ALPN protocol: http/1.1")] {
        let told = handshake(&server, &["-alpn", offer]).await;
        assert!(told.contains(agreed), "{offer}: {told}");
    }
    let none = handshake(&server, &[]).await;
    assert!(none.contains("No ALPN negotiated") && none.contains("BEGIN CERTIFICATE"), "{none}");
    let only_h2 = handshake(&server, &["-alpn", "h2"]).await;
    assert!(only_h2.contains("no application protocol"), "{only_h2}");
    let url = format!("https://{}/healthz", server.https.unwrap());
    let (status, body) = server.curl(&["--insecure", "--http2", &url]).await;
    assert_eq!((status, body.as_slice()), (200, b"ok\n".as_slice()));
    server.close().await;
}

#[actix_web::test]
async fn the_pair_is_chosen_by_what_the_client_can_verify() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _) = server(vec![pair(dir.path(), "ec", P256), pair(dir.path(), "rsa", RSA)]).await;
    let (ec, rsa) = ("id-ecPublicKey", "rsaEncryption");
    for (arguments, kind) in [
        (vec!["-sigalgs", "ECDSA+SHA256:RSA-PSS+SHA256"], ec),
        (vec!["-sigalgs", "RSA-PSS+SHA256:RSA+SHA256"], rsa),
        (vec!["-tls1_2", "-sigalgs", "ECDSA+SHA256"], ec),
        (vec!["-tls1_2", "-sigalgs", "RSA+SHA256"], rsa),
        (vec!["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], rsa),
    ] {
        let told = handshake(&server, &arguments).await;
        let from = told.find("-----BEGIN CERTIFICATE-----").unwrap_or_else(|| panic!("{arguments:?}: {told}"));
        let file = dir.path().join("shown.pem");
        std::fs::write(&file, &told[from..]).unwrap();
        let text = Command::new("openssl").args(["x509", "-noout", "-text", "-in"]).arg(&file).output().unwrap();
        let text = String::from_utf8_lossy(&text.stdout).into_owned();
        assert!(text.contains(kind), "{arguments:?} gets {text}");
    }
    server.close().await;
}

#[actix_web::test]
async fn a_renewed_pair_is_shown_without_a_restart_and_half_a_renewal_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (chain, key) = pair(dir.path(), "ec", P256);
    let (server, certificates) = server(vec![(chain.clone(), key.clone())]).await;
    let shown = async |server: &TestServer| {
        let told = handshake(server, &[]).await;
        told.split_once("-----BEGIN CERTIFICATE-----").unwrap().1.split_once("-----END").unwrap().0.to_owned()
    };
    let first = shown(&server).await;
    assert!(!certificates.reload(now()).unwrap(), "nothing is new");
    let (new_chain, new_key) = pair(dir.path(), "new", P256);
    std::fs::copy(new_chain, &chain).unwrap();
    assert!(certificates.reload(now()).is_err(), "the key is still the old one");
    assert_eq!(shown(&server).await, first);
    std::fs::copy(new_key, &key).unwrap();
    assert!(certificates.reload(now()).unwrap());
    assert_ne!(shown(&server).await, first);
    server.close().await;
}

/// Files that would not work after the next start are reported before it.
#[test]
fn files_that_cannot_be_used_are_remarked_until_they_can() {
    let dir = tempfile::tempdir().unwrap();
    let (chain, key) = (dir.path().join("chain.pem"), dir.path().join("key.pem"));
    let write = |until: i32| {
        let mut params = rcgen::CertificateParams::new(vec!["gw.example.com".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let pair = rcgen::KeyPair::generate().unwrap();
        std::fs::write(&chain, params.self_signed(&pair).unwrap().pem()).unwrap();
        std::fs::write(&key, pair.serialize_pem()).unwrap();
    };
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    let (today, later) = (at("2026-06-01T00:00:00Z"), at("2028-06-01T00:00:00Z"));
    write(2028);
    let certificates = Certificates::load(vec![(chain.clone(), key.clone())]).unwrap();
    assert_eq!(certificates.remarks(today), Vec::<String>::new());

    std::fs::write(&chain, "no certificate").unwrap();
    assert!(certificates.reload(today).is_err());
    let said = certificates.remarks(today).join("");
    assert!(said.contains("chain.pem") && said.contains("serve on until"), "{said}");

    write(2027);
    let good = std::fs::read(&key).unwrap();
    std::fs::write(&key, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert!(matches!(certificates.reload(today), Err(CertificateError::Pair { .. })));
    assert_eq!(certificates.remarks(today).len(), 1);
    std::fs::write(&key, good).unwrap();

    let between = at("2027-06-01T00:00:00Z");
    assert!(matches!(certificates.reload(between), Err(CertificateError::Expired { .. })), "a valid one serves on");
    assert!(certificates.remarks(between)[0].contains("expired at 2027-01-01"), "{:?}", certificates.remarks(between));

    write(2029);
    assert!(certificates.reload(between).unwrap());
    assert_eq!(certificates.remarks(between), Vec::<String>::new());
    assert!(certificates.remarks(at("2029-06-01T00:00:00Z"))[0].contains("phones refuse it"));
    // If the current certificate has expired too, it does not prevent another expired one.
    write(2028);
    assert!(certificates.reload(at("2029-06-01T00:00:00Z")).unwrap());
    assert_eq!(certificates.remarks(later).len(), 1);
}

#[actix_web::test]
async fn of_several_names_the_one_the_client_asks_for_is_shown_and_without_one_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let named = |file: &str, name: &str, kind: &[&str]| {
        let alternative = format!("subjectAltName=DNS:{name}");
        pair(dir.path(), file, &[kind, &["-subj", &format!("/CN={file}"), "-addext", &alternative]].concat())
    };
    let pairs = vec![
        named("one-ec", "one.example.com", P256),
        named("one-rsa", "one.example.com", RSA),
        named("two-ec", "*.two.example.com", P256),
        named("two-rsa", "*.two.example.com", RSA),
    ];
    let (server, _) = server(pairs).await;
    for (arguments, subject) in [
        (vec!["-servername", "one.example.com"], "CN = one-ec"),
        (vec!["-servername", "GW.two.example.com"], "CN = two-ec"),
        (vec!["-servername", "gw.two.example.com", "-sigalgs", "RSA-PSS+SHA256:RSA+SHA256"], "CN = two-rsa"),
        (vec!["-servername", "unknown.example.com"], "CN = one-ec"),
        (vec!["-noservername"], "CN = one-ec"),
        (vec!["-noservername", "-sigalgs", "RSA-PSS+SHA256:RSA+SHA256"], "CN = one-rsa"),
    ] {
        let told = handshake(&server, &arguments).await;
        assert!(told.contains(&format!("subject={subject}\n")), "{arguments:?}: {told}");
    }
    server.close().await;
}

#[actix_web::test]
async fn a_renewed_pair_leaves_open_connections_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (chain, key) = pair(dir.path(), "ec", P256);
    let (server, certificates) = server(vec![(chain.clone(), key.clone())]).await;
    let mut connection = super::handshakes::connect(&server).await;
    assert!(super::handshakes::get(&mut connection).await.starts_with("HTTP/1.1 200"));
    let (new_chain, new_key) = pair(dir.path(), "new", P256);
    std::fs::copy(new_chain, &chain).unwrap();
    std::fs::copy(new_key, &key).unwrap();
    assert!(certificates.reload(now()).unwrap());
    assert!(super::handshakes::get(&mut connection).await.starts_with("HTTP/1.1 200"), "the same connection serves on");
    server.close().await;
}

/// Features that attackers have used against other servers are disabled: renegotiation, which changes the identity
/// within a connection, and early data, a request before the handshake is done that can be replayed.
#[actix_web::test]
async fn there_is_no_renegotiation_and_no_early_data() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _) = server(vec![pair(dir.path(), "ec", P256)]).await;
    let told = s_client(&server, &["-tls1_2"], "R\nGET /healthz HTTP/1.1\r\nHost: gw\r\n\r\n").await;
    assert!(told.contains("RENEGOTIATING"), "{told}");
    assert!(!told.contains("HTTP/1.1 200"), "{told}");
    let (session, early) = (dir.path().join("session"), dir.path().join("early"));
    std::fs::write(&early, "GET /healthz HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n").unwrap();
    let get = "GET /healthz HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n";
    let session = session.to_str().unwrap();
    let first = s_client(&server, &["-tls1_3", "-ign_eof", "-sess_out", session], get).await;
    assert!(first.contains("HTTP/1.1 200") && first.contains("Max Early Data: 0"), "{first}");
    let again =
        s_client(&server, &["-tls1_3", "-ign_eof", "-sess_in", session, "-early_data", early.to_str().unwrap()], get)
            .await;
    assert!(again.contains("Early data was not sent"), "{again}");
    assert_eq!(again.matches("HTTP/1.1 200").count(), 1, "{again}");
    server.close().await;
}

#[actix_web::test]
async fn a_session_is_resumed_under_its_own_name_only() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _) = server(vec![pair(dir.path(), "ec", P256)]).await;
    let get = "GET /healthz HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n";
    for version in ["-tls1_2", "-tls1_3"] {
        let session = dir.path().join(version);
        let session = session.to_str().unwrap();
        let ask = async |name: &str, kept: &str| {
            s_client(&server, &[version, "-ign_eof", "-servername", name, kept, session], get).await
        };
        let first = ask("one.example.com", "-sess_out").await;
        assert!(first.contains("New, TLSv1") && first.contains("HTTP/1.1 200"), "{first}");
        let other = ask("two.example.com", "-sess_in").await;
        assert!(other.contains("New, TLSv1") && other.contains("HTTP/1.1 200"), "{version}: {other}");
        let same = ask("one.example.com", "-sess_in").await;
        assert!(same.contains("Reused, TLSv1") && same.contains("HTTP/1.1 200"), "{version}: {same}");
    }
    server.close().await;
}
