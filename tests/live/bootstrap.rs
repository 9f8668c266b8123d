//! Tests a phone that does not trust the gateway's certificate. A one-time plain HTTP URL delivers only the CA and the
//! https URL. With these the phone uses https and gets its file.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::{
    bench::{Bench, simulation},
    mac,
    options::Options,
    process::free_port,
};

const AGENT: &str = "Yealink SIP-T46U 108.86.0.90";

/// Creates a CA and a server certificate issued by it, with openssl.
fn authority(dir: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let at = |name: &str| dir.join(name);
    let openssl = |arguments: &[&str]| {
        let done = Command::new("openssl").current_dir(dir).args(arguments).stderr(Stdio::null()).status();
        assert!(done.expect("openssl is installed").success(), "{arguments:?}");
    };
    let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    openssl(
        &[&["req", "-x509", "-days", "30", "-subj", "/CN=Own CA", "-keyout", "ca-key.pem", "-out", "ca.pem"], &ec[..]]
            .concat(),
    );
    openssl(&[&["req", "-subj", "/CN=gw", "-keyout", "key.pem", "-out", "gw.csr"], &ec[..]].concat());
    std::fs::write(at("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    openssl(&[
        "x509",
        "-req",
        "-days",
        "30",
        "-in",
        "gw.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca-key.pem",
        "-CAcreateserial",
        "-extfile",
        "names",
        "-out",
        "gw.pem",
    ]);
    (at("ca.pem"), at("gw.pem"), at("key.pem"))
}

/// Runs curl; returns status and body.
async fn curl(arguments: &[&str]) -> (u16, String) {
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--max-time", "20", "--write-out", "\n%{http_code}", "--user-agent", AGENT])
        .args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().expect("curl is installed");
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

/// A gateway that serves phones over https only, with one phone provisioned.
async fn gateway(dir: &Path, https: SocketAddr) -> (Bench, PathBuf) {
    let (ca, chain, key) = authority(dir);
    let (chain, key) = (chain.display(), key.display());
    let sections = format!(
        "[https]\nlisten = \"{https}\"\ncertificate = \"{chain}\"\nkey = \"{key}\"\nphone_ca = \"{}\"\n",
        ca.display()
    );
    let options = Options {
        sections,
        instance: format!("phone_url = \"https://{https}\""),
        settings: vec![("provisioning_scheme".into(), "https".into())],
        ..Options::default()
    };
    let simulation = simulation().users(2).start().await.unwrap();
    let bench = Bench::start_in(simulation, options).await;
    bench.provisioned(mac(1), "user1").await;
    (bench, ca)
}

fn one_time_url(bench: &Bench) -> String {
    let base = bench.gateway.base();
    let made = bench.gateway.command(&["phones", "bootstrap", &mac(1).to_string(), "--http-base", &base]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let url = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    assert!(url.starts_with(&base) && url.ends_with('/'), "{url}");
    url
}

/// Returns the first answer other than 404. The serving process sees the command's change within a second.
async fn first_answer(file: &str) -> (u16, String) {
    loop {
        let answer = curl(&[file]).await;
        if answer.0 != 404 {
            return answer;
        }
    }
}

#[actix_rt::test]
async fn a_ca_that_cannot_be_read_is_named_with_its_key_in_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let (bench, ca) = gateway(dir.path(), free_port()).await;
    bench.gateway.expect_errors();
    let url = one_time_url(&bench);
    std::fs::write(&ca, [0xff, 0xfe]).unwrap();

    let files = [format!("{url}{}.cfg", mac(1)), format!("{url}ca.pem")];
    for (index, file) in files.iter().enumerate() {
        assert_eq!(first_answer(file).await.0, 503, "{file}");
        let errors = bench.gateway.errors();
        assert_eq!(errors.len(), index + 1, "{errors:?}");
        let error = errors.last().unwrap();
        assert!(error.contains("[https] phone_ca") && error.contains(&ca.display().to_string()), "{error}");
    }
}

#[actix_rt::test]
async fn a_one_time_url_brings_the_ca_and_the_https_url_and_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let https = free_port();
    let (bench, ca) = gateway(dir.path(), https).await;
    let phone = mac(1);
    let url = one_time_url(&bench);
    let file = format!("{url}{phone}.cfg");

    let first = first_answer(&file).await;
    assert_eq!(first.0, 200, "{}", first.1);
    let lines: Vec<&str> = first.1.lines().collect();
    let next = format!("https://{https}/example.com/gangway/phone/");
    assert_eq!(lines[0], "#!version:1.0.0.1");
    assert!(lines.contains(&format!("static.trusted_certificates.url = {url}ca.pem").as_str()), "{lines:?}");
    assert!(lines.contains(&format!("static.auto_provision.server.url = {next}").as_str()), "{lines:?}");
    let record = bench.records().phone(phone).unwrap();
    for secret in [record.token.expose(), record.own.password.expose(), record.accounts[0].password.expose()] {
        assert!(!first.1.contains(secret), "a secret travelled by plain http");
    }
    assert_eq!(curl(&[&file]).await.0, 404, "once");
    let (status, pem) = curl(&[&format!("{url}ca.pem")]).await;
    assert_eq!((status, pem), (200, std::fs::read_to_string(&ca).unwrap()));

    let personal = format!("{next}{phone}.cfg");
    let (status, body) = curl(&["--cacert", ca.to_str().unwrap(), &personal]).await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains(record.own.password.expose()), "the personal file");
    assert_eq!(
        curl(&["--cacert", ca.to_str().unwrap(), "--interface", "127.0.0.9", &personal]).await.0,
        401,
        "another source"
    );
}
