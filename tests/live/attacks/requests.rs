//! Tests requests that are too large, too slow, or two in one.

use std::io::{Read, Write};

use gangway_sim::yealink_phone::model;

use super::raw;
use crate::support::{bench::Bench, http, mac};

const AGENT: &str = "Yealink SIP-T46U 108.86.0.20 80:5e:c0:12:34:01";

/// Checks that the gateway works as before.
async fn still_serves(bench: &Bench) {
    assert_eq!(http::get(&format!("{}/healthz", bench.gateway.base()), "curl").status, 200);
    let common = format!("{}/phone/y000000000108.cfg", bench.gateway.instance_url());
    assert_eq!(http::get(&common, AGENT).status, 200);
}

#[actix_rt::test]
async fn oversized_and_odd_requests_are_refused() {
    let bench = Bench::start().await;
    let address = raw::address(&bench);
    let path = "/example.com/gangway/phone/805ec0123401.cfg";
    let big = "a".repeat(10 << 20);
    let many: String = (0..100_000).map(|n| format!("X-{n}: a\r\n")).collect();
    for (what, bytes) in [
        ("a header of 10 MB", format!("GET {path} HTTP/1.1\r\nHost: gw\r\nX: {big}\r\n\r\n")),
        ("100,000 headers", format!("GET {path} HTTP/1.1\r\nHost: gw\r\n{many}\r\n")),
        ("a path of 10 MB", format!("GET /{big} HTTP/1.1\r\nHost: gw\r\n\r\n")),
        ("a method of 10 MB", format!("{big} / HTTP/1.1\r\nHost: gw\r\n\r\n")),
        ("a line without end", big.clone()),
        ("no version", format!("GET {path}\r\n\r\n")),
        ("another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned()),
        ("a TLS hello", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".to_owned()),
        ("HTTP/2 without asking", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("NUL in a header", format!("GET {path} HTTP/1.1\r\nHost: gw\r\nX: a\0b\r\n\r\n")),
        ("a header without colon", format!("GET {path} HTTP/1.1\r\nHost: gw\r\nevil\r\n\r\n")),
    ] {
        let answer = raw::exchange(address, bytes.as_bytes());
        let statuses = raw::statuses(&answer);
        assert!(statuses.iter().all(|status| (400..500).contains(status)), "{what}: {statuses:?}");
        still_serves(&bench).await;
    }
    for method in ["POST", "DELETE", "TRACE", "CONNECT", "OPTIONS", "PROPFIND", "get"] {
        let bytes = format!("{method} {path} HTTP/1.1\r\nHost: gw\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let answer = raw::exchange(address, bytes.as_bytes());
        assert!(raw::statuses(&answer).iter().all(|status| (400..500).contains(status)), "{method}: {answer}");
        assert!(!answer.contains("gw\r\n"), "nothing is echoed: {answer}");
    }
    // An unexpected body, and an announced body that never arrives.
    let promised = format!(
        "PUT /example.com/gangway/phone/{}/805ec0123401-local.cfg HTTP/1.1\r\nHost: gw\r\nContent-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n",
        "a".repeat(26)
    );
    let answer = raw::exchange(address, promised.as_bytes());
    assert!(raw::statuses(&answer).iter().all(|status| matches!(status, 100 | 404 | 413 | 400)), "{answer}");
    still_serves(&bench).await;
}

/// If a request can be parsed in two ways, only the strict one counts. A request hidden inside another is never
/// answered as a separate request.
#[actix_rt::test]
async fn no_second_request_hides_in_a_first_one() {
    let bench = Bench::start().await;
    let address = raw::address(&bench);
    let hidden = "GET /healthz HTTP/1.1\r\nHost: gw\r\n\r\n";
    let length = hidden.len();
    let path = "/example.com/gangway/phone/805ec0123401.cfg";
    let chunk = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
    for (what, head, body) in [
        ("a body of a GET", format!("Content-Length: {length}\r\n"), hidden.to_owned()),
        ("length and chunks", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n".to_owned(), chunk.clone()),
        ("chunks and length", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n".to_owned(), chunk.clone()),
        ("two lengths", format!("Content-Length: {length}\r\nContent-Length: 0\r\n"), hidden.to_owned()),
        ("a list of lengths", format!("Content-Length: {length}, 0\r\n"), hidden.to_owned()),
        ("a length with sign", format!("Content-Length: +{length}\r\n"), hidden.to_owned()),
        ("a negative length", "Content-Length: -1\r\n".to_owned(), hidden.to_owned()),
        ("an unknown coding", "Transfer-Encoding: xchunked\r\n".to_owned(), chunk.clone()),
        ("a coding twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(), chunk.clone()),
        ("a blank before the colon", "Transfer-Encoding : chunked\r\n".to_owned(), chunk.clone()),
        ("a folded header", "Transfer-Encoding:\r\n chunked\r\n".to_owned(), chunk.clone()),
        (
            "a chunk of too many digits",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            format!("ffffffffffffffff1\r\n{hidden}"),
        ),
        ("two hosts", "Host: other\r\n".to_owned(), hidden.to_owned()),
    ] {
        let bytes = format!("GET {path} HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n{head}\r\n{body}");
        let answer = raw::exchange(address, bytes.as_bytes());
        let statuses = raw::statuses(&answer);
        assert!(statuses.len() <= 1 && statuses.iter().all(|status| (400..500).contains(status)), "{what}: {answer}");
    }
    still_serves(&bench).await;
}

/// Hundreds of connections that never finish their request do not delay a phone.
#[actix_rt::test]
async fn slow_ones_do_not_keep_others_waiting() {
    let bench = Bench::start().await;
    let address = raw::address(&bench);
    let slow: Vec<_> = (0..400)
        .map(|number| {
            let mut stream = raw::open(address);
            write!(stream, "GET /example.com/gangway/phone/805ec0{number:06x}.cfg HTTP/1.1\r\nHost: g").unwrap();
            stream
        })
        .collect();
    let phone = bench.installed(mac(1), model::T46U, "user1").await;
    assert!(phone.poll_once().await.unwrap().unchanged);
    // The gateway closes each of them.
    for mut stream in slow {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(raw::statuses(&String::from_utf8_lossy(&rest)).iter().all(|status| *status == 408));
    }
    still_serves(&bench).await;
}

/// The Host header does not appear in any file.
#[actix_rt::test]
async fn the_host_header_writes_no_url() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.provisioned(mac, "user1").await;
    bench.records().wait_redirect(mac, gangway::phone::facet::RedirectState::Redirected).await;
    let token = bench.records().phone(mac).unwrap().token.expose().to_owned();
    let head = format!(
        "GET /example.com/gangway/phone/{token}/{mac}.cfg HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\n\
         X-Forwarded-Proto: https\r\nForwarded: host=evil.example\r\nUser-Agent: {AGENT}\r\nConnection: close\r\n\r\n"
    );
    let answer = raw::exchange(raw::address(&bench), head.as_bytes());
    assert_eq!(raw::statuses(&answer), [200]);
    assert!(answer.contains("account.1.password") && !answer.contains("evil.example"), "{answer}");
    assert!(!answer.contains(&token), "the first stage's token stands in no later stage");
}
