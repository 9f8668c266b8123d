//! Tests path traversal, and names of files next to the served ones.

use std::{fs, path::Path};

use gangway::phone::facet::RedirectState;
use gangway_sim::yealink_phone::model;

use super::raw;
use crate::support::{bench::Bench, http, mac};

const UPWARDS: &[&str] = &[
    "../",
    "..%2f",
    "%2e%2e/",
    "%2e%2e%2f",
    "..%5c",
    "..\\",
    "%252e%252e%252f",
    "..%c0%af",
    "%c0%ae%c0%ae/",
    "....//",
    ".././",
    "..;/",
    "%00../",
    "..%00/",
    "/%2e%2e/",
    "..%ef%bc%8f",
];
const PLACES: &[&str] = &[
    "etc/passwd",
    "gangway.toml",
    "data/seal.key",
    "data/gangway.db",
    "data/gangway.db-wal",
    "proc/self/environ",
    "Cargo.toml",
    "templates/yealink/desk/v81/personal.cfg",
    "vendors/yealink/vendor.toml",
];
/// Contents of those files.
const LOOT: &[&str] = &[
    "root:",
    "[[instances]]",
    "SQLite format",
    "PATH=",
    "[package]",
    "auto_provision",
    "[[generations]]",
    "#!version",
];

#[actix_rt::test]
async fn no_spelling_of_a_path_leaves_its_place() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.installed(mac, model::T46U, "user1").await;
    let token = bench.records().phone(mac).unwrap().token.expose().to_owned();
    let address = raw::address(&bench);
    let mut requests = 0;
    for base in
        ["", "/example.com/gangway", "/example.com/gangway/phone", &format!("/example.com/gangway/phone/{token}")]
    {
        for upwards in UPWARDS {
            for place in PLACES {
                let path = format!("{base}/{}{place}", upwards.repeat(6));
                let head = format!(
                    "GET {path} HTTP/1.1\r\nHost: gw\r\nUser-Agent: Yealink SIP-T46U 108.86.0.20\r\nConnection: close\r\n\r\n"
                );
                let answer = raw::exchange(address, head.as_bytes());
                let statuses = raw::statuses(&answer);
                assert!(matches!(statuses[..], [404 | 400]), "{path}: {answer}");
                assert!(LOOT.iter().all(|loot| !answer.contains(loot)), "{path}: {answer}");
                requests += 1;
            }
        }
    }
    for target in [
        "http://evil.example/etc/passwd",
        "file:///etc/passwd",
        "//etc/passwd",
        "*",
        "/",
        "/phone",
        "?/etc/passwd",
        "/%",
    ] {
        let answer = raw::exchange(
            address,
            format!("GET {target} HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n").as_bytes(),
        );
        assert!(raw::statuses(&answer).iter().all(|status| matches!(status, 404 | 400)), "{target}: {answer}");
        requests += 1;
    }
    assert!(requests > 500);
}

/// Returns all files below the directory whose names contain `word`.
fn found(dir: &Path, word: &str) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            names.extend(found(&entry.path(), word));
        }
        let name = entry.path().display().to_string();
        if name.contains(word) {
            names.push(name);
        }
    }
    names
}

#[actix_rt::test]
async fn an_upload_names_no_file_of_ours() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.provisioned(mac, "user1").await;
    bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    let url = bench.phone_url(mac);
    let agent = [("User-Agent", "Yealink SIP-T46U 108.86.0.20 80:5e:c0:12:34:01")];
    for name in [
        "../evil-local.cfg",
        "..%2f..%2fevil-local.cfg",
        "%2e%2e%2fevil.cfg",
        "evil.php",
        "evil.phtml",
        "evil-local.cfg",
        "805ec0123401-evil.cfg",
        "805ec0123401-local.cfg%2f..%2fevil",
        "805ec0123401-local.cfg;evil",
        "805ec0123402-local.cfg",
    ] {
        for method in ["PUT", "POST"] {
            let answer = http::request(method, &format!("{url}{name}"), &agent, b"<?php evil ?>");
            assert!(matches!(answer.status, 404 | 405 | 400), "{method} {name}: {}", answer.status);
        }
    }
    let dir = bench.gateway.config().parent().unwrap().to_owned();
    assert_eq!(found(&dir, "evil"), [""; 0]);
    // An upload with a permitted name is stored encrypted in the database, and not on disk under its name.
    assert_eq!(http::request("PUT", &format!("{url}{mac}-local.cfg"), &agent, b"evil marker of an upload").status, 204);
    assert_eq!(found(&dir, "local"), [""; 0]);
}
