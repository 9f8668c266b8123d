//! What a phone meets in the handshake; openssl is a witness that shares no code with us.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use super::support::House;
use crate::http::certificates::{Certificates, Files};

/// A new pair; `kind` is what `openssl req -newkey` takes.
fn pair(dir: &Path, name: &str, kind: &[&str]) -> Files {
    let (chain, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}-key.pem")));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-newkey"])
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

const P256: &[&str] = &["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
const RSA: &[&str] = &["rsa:2048"];

/// What `openssl s_client` tells of a handshake.
async fn handshake(house: &House, arguments: &[&str]) -> String {
    let mut command = Command::new("openssl");
    command
        .args(["s_client", "-connect", &house.https.unwrap().to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

async fn house(files: Vec<Files>) -> (House, Arc<Certificates>) {
    let certificates = Certificates::load(files).unwrap();
    (House::with(Some(certificates.clone())).await, certificates)
}

#[actix_web::test]
async fn http_1_1_is_all_that_is_offered() {
    let dir = tempfile::tempdir().unwrap();
    let (house, _) = house(vec![pair(dir.path(), "ec", P256)]).await;
    for (offer, agreed) in [("h2,http/1.1", "ALPN protocol: http/1.1"), ("http/1.1", "ALPN protocol: http/1.1")] {
        let told = handshake(&house, &["-alpn", offer]).await;
        assert!(told.contains(agreed), "{offer}: {told}");
    }
    let none = handshake(&house, &[]).await;
    assert!(none.contains("No ALPN negotiated") && none.contains("BEGIN CERTIFICATE"), "{none}");
    let only_h2 = handshake(&house, &["-alpn", "h2"]).await;
    assert!(only_h2.contains("no application protocol"), "{only_h2}");
    let url = format!("https://{}/healthz", house.https.unwrap());
    let (status, body) = house.curl(&["--insecure", "--http2", &url]).await;
    assert_eq!((status, body.as_slice()), (200, b"ok\n".as_slice()));
    house.close().await;
}

#[actix_web::test]
async fn the_pair_is_chosen_by_what_the_client_can_verify() {
    let dir = tempfile::tempdir().unwrap();
    let (house, _) = house(vec![pair(dir.path(), "ec", P256), pair(dir.path(), "rsa", RSA)]).await;
    let (ec, rsa) = ("id-ecPublicKey", "rsaEncryption");
    for (arguments, kind) in [
        (vec!["-sigalgs", "ECDSA+SHA256:RSA-PSS+SHA256"], ec),
        (vec!["-sigalgs", "RSA-PSS+SHA256:RSA+SHA256"], rsa),
        (vec!["-tls1_2", "-sigalgs", "ECDSA+SHA256"], ec),
        (vec!["-tls1_2", "-sigalgs", "RSA+SHA256"], rsa),
        (vec!["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], rsa),
    ] {
        let told = handshake(&house, &arguments).await;
        let from = told.find("-----BEGIN CERTIFICATE-----").unwrap_or_else(|| panic!("{arguments:?}: {told}"));
        let file = dir.path().join("shown.pem");
        std::fs::write(&file, &told[from..]).unwrap();
        let text = Command::new("openssl").args(["x509", "-noout", "-text", "-in"]).arg(&file).output().unwrap();
        let text = String::from_utf8_lossy(&text.stdout).into_owned();
        assert!(text.contains(kind), "{arguments:?} gets {text}");
    }
    house.close().await;
}

#[actix_web::test]
async fn a_renewed_pair_is_shown_without_a_restart_and_half_a_renewal_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (chain, key) = pair(dir.path(), "ec", P256);
    let (house, certificates) = house(vec![(chain.clone(), key.clone())]).await;
    let shown = async |house: &House| {
        let told = handshake(house, &[]).await;
        told.split_once("-----BEGIN CERTIFICATE-----").unwrap().1.split_once("-----END").unwrap().0.to_owned()
    };
    let first = shown(&house).await;
    assert!(!certificates.reload().unwrap(), "nothing is new");
    let (new_chain, new_key) = pair(dir.path(), "new", P256);
    std::fs::copy(new_chain, &chain).unwrap();
    assert!(certificates.reload().is_err(), "the key is still the old one");
    assert_eq!(shown(&house).await, first);
    std::fs::copy(new_key, &key).unwrap();
    assert!(certificates.reload().unwrap());
    assert_ne!(shown(&house).await, first);
    house.close().await;
}
