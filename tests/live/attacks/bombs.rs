//! Tests small input that expands in memory or takes unbounded time to process.

use std::io::Write as _;

use gangway::store::TokenScope;
use serde_json::{Value, json};

use super::raw;
use crate::support::{
    bench::Bench,
    http,
    page::Page,
    script::{Script, problem},
    socket,
};

/// The size limits of each interface.
const CSV: usize = 8 << 20;
const JSON: usize = 256 << 10;

async fn still_serves(bench: &Bench) {
    assert_eq!(http::get(&format!("{}/healthz", bench.gateway.base()), "curl").status, 200);
}

#[actix_rt::test]
async fn no_table_becomes_larger_than_a_table() {
    let bench = Bench::start().await;
    let script = Script::new(&bench.gateway, "importer", TokenScope::Write).await;
    for (head, unit) in [("", ","), ("mac,user\n", "a\n"), ("mac,user\n", "\"")] {
        let text = format!("{head}{}", unit.repeat((CSV - head.len()) / unit.len()));
        let answer = script.send("POST", "/import?dryRun=true", &[("Content-Type", "text/csv")], text.as_bytes()).await;
        assert!(matches!(answer.status, 200 | 422), "{unit:?}: {} {}", answer.status, answer.text());
        assert!(answer.body.len() < 1 << 20, "{unit:?}: an answer of {} bytes", answer.body.len());
    }
    let answer = script.send("POST", "/import", &[("Content-Type", "text/csv")], &vec![b','; CSV + 1]).await;
    problem(&answer, 413);
    still_serves(&bench).await;
}

#[actix_rt::test]
async fn a_message_nested_too_deep_is_rejected() {
    let bench = Bench::start().await;
    let script = Script::new(&bench.gateway, "deep", TokenScope::Write).await;
    let deep = |unit: &str, length: usize| unit.repeat(length / unit.len());
    for body in [
        deep("[", JSON),
        deep("{\"a\":", JSON),
        format!("{{\"values\":{}", deep("{\"a\":", JSON - 20)),
        format!("{{\"values\":{}{}}}", deep("[", 100_000), deep("]", 100_000)),
        "{\"values\":1e999999}".to_owned(),
        format!("{{\"values\":{}}}", deep("9", JSON - 20)),
        "{\"values\":{\"ntp_server_1\":\"a\",\"ntp_server_1\":\"b\"},\"values\":{}}".to_owned(),
    ] {
        let kind = [("Content-Type", "application/json")];
        let answer = script.send("PATCH", "/settings", &kind, body.as_bytes()).await;
        assert!(matches!(answer.status, 400 | 413 | 422), "{}: {}", &body[..20], answer.text());
    }
    // The same on the page's socket, before and after the login.
    let (stranger, _) = socket::challenged(&bench.simulation, &bench.gateway.socket_url()).await;
    assert!(stranger.send_text(deep("{\"mt\":", 4_000)).await);
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    page.send_text(deep("[", 1 << 19)).await;
    page.send_text(format!("{{\"mt\":\"SettingsSet\",\"api\":\"gangway\",\"values\":{}", deep("{\"a\":", 1 << 19)))
        .await;
    let answer = page.ask("Hello", json!({})).await;
    assert!(answer["version"].is_string(), "{answer}");
    still_serves(&bench).await;
}

/// Compressed request bodies are not decompressed.
#[actix_rt::test]
async fn packed_bodies_are_not_unpacked() {
    let bench = Bench::start().await;
    let script = Script::new(&bench.gateway, "packer", TokenScope::Write).await;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        packer.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    packer.write_all(b"{\"values\":{\"ntp_server_1\":\"evil.example\"}}").unwrap();
    let packed = packer.finish().unwrap();
    assert!(packed.len() < JSON);
    let headers = [("Content-Type", "application/json"), ("Content-Encoding", "gzip")];
    problem(&script.send("PATCH", "/settings", &headers, &packed).await, 400);
    let headers = [("Content-Type", "text/csv"), ("Content-Encoding", "gzip")];
    problem(&script.send("POST", "/import", &headers, &packed).await, 422);
    let settings: Value = script.json("/settings").await;
    assert!(!settings.to_string().contains("evil.example"));
    let answer = raw::exchange(
        raw::address(&bench),
        b"GET /healthz HTTP/1.1\r\nHost: gw\r\nAccept-Encoding: gzip;q=1, *;q=0\r\nTE: gzip\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(raw::statuses(&answer), [200]);
}
