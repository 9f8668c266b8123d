//! Tests that the page and `gangway check` report a phone that does not trust the certificate, although such a phone
//! never sends a request.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::{
    bench::{Bench, simulation},
    mac,
    options::Options,
    page::Page,
    process::free_port,
};

fn pair(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (chain, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}-key.pem")));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "90", "-subj", "/CN=localhost"])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&chain)
        .stderr(Stdio::null())
        .status();
    assert!(made.expect("openssl is installed").success());
    (chain, key)
}

/// A TLS client that trusts only `ca`.
async fn refuse(address: SocketAddr, ca: PathBuf) {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-verify_return_error", "-connect", &address.to_string(), "-CAfile"]).arg(ca);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let ended = tokio::task::spawn_blocking(move || command.status()).await.unwrap();
    assert!(!ended.unwrap().success(), "it was to refuse");
}

#[actix_rt::test]
async fn a_phone_that_refuses_our_certificate_is_named_with_address_and_alert() {
    let dir = tempfile::tempdir().unwrap();
    let ((chain, key), (other, _)) = (pair(dir.path(), "own"), pair(dir.path(), "other"));
    let https = free_port();
    let sections =
        format!("[https]\nlisten = \"{https}\"\ncertificate = \"{}\"\nkey = \"{}\"\n", chain.display(), key.display());
    let simulation = simulation().users(2).start().await.unwrap();
    let bench = Bench::start_in(simulation, Options { sections, ..Options::default() }).await;
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    let waits = mac(1);
    bench.provisioned(waits, "user1").await;
    page.until_cause(waits, "redirected-not-asked").await;

    refuse(https, other).await;

    let sentence = page.until_cause(waits, "certificate-perhaps-refused").await;
    let why = sentence["why"]["text"].as_str().unwrap();
    assert!(why.contains("127.0.0.1") && why.contains("unknown_ca"), "{why}");
    assert!(sentence["next"]["text"].as_str().unwrap().contains("gangway check"), "{sentence}");
    let check = bench.gateway.command(&["check"]);
    let output = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(output.contains("TLS: 1 addresses refuse our certificate"), "{output}");
    assert!(output.contains("127.0.0.1 (alert unknown_ca at "), "{output}");
    assert!(output.contains("is self-signed"), "{output}");
}
