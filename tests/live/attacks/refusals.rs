//! Tests that a rejected client learns nothing: the answer is byte for byte the same for known and unknown phones.

use std::collections::BTreeMap;

use gangway::phone::facet::RedirectState;
use gangway_sim::yealink_phone::model;

use super::raw;
use crate::support::{bench::Bench, http, mac};

/// Returns the answer without the parts that differ in every answer: date, nonce, and header order.
pub fn bytes(bench: &Bench, method: &str, path: &str, agent: &str, headers: &str) -> String {
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: gw\r\nUser-Agent: {agent}\r\nConnection: close\r\n{headers}\r\n");
    let answer = raw::exchange(raw::address(bench), request.as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {path}: {answer:?}"));
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().to_owned();
    let mut kept: Vec<String> = lines
        .map(|line| match (line.split_once("nonce=\""), line.to_ascii_lowercase().starts_with("date:")) {
            (_, true) => format!("date of {} bytes", line.len()),
            (Some((before, rest)), _) => {
                let (nonce, after) = rest.split_once('"').unwrap();
                format!("{before}nonce of {} bytes{after}", nonce.len())
            }
            (None, false) => line.to_owned(),
        })
        .collect();
    kept.sort();
    format!("{status}\n{}\n\n{body}", kept.join("\n"))
}

#[actix_rt::test]
async fn all_refusals_of_a_kind_are_the_same_bytes() {
    let bench = Bench::start().await;
    let [installed, blocked, waiting] = [mac(1), mac(2), mac(3)];
    let phone = bench.installed(installed, model::T46U, "user1").await;
    phone.poll_once().await.unwrap();
    bench.records().wait_phone(installed, "the window closed", |phone| phone.window.closed.is_some()).await;
    bench.installed(blocked, model::T46U, "user2").await;
    assert!(bench.gateway.command(&["phones", "block", &blocked.to_string(), "--wait"]).status.success());
    bench.provisioned(waiting, "user3").await;
    bench.records().wait_redirect(waiting, RedirectState::Redirected).await;
    let token = |mac| bench.records().phone(mac).unwrap().token.expose().to_owned();
    let phones = "/example.com/gangway/phone";

    for (vendor, agent, extension) in [
        ("yealink", "Yealink SIP-T46U 108.86.0.20 80:5e:c0:12:34:01", "cfg"),
        (
            "snom",
            "Mozilla/4.0 (compatible; snomD785-SIP 10.1.54.13 2010.12-00004-g6ec6b6ba4 000413000001 SXM:0 UXM:0 UXMC:0)",
            "xml",
        ),
        ("nobody's", "curl/8.0", "cfg"),
    ] {
        let mut challenged: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let digest = |user: &str| {
            format!(
                "Authorization: Digest username=\"{user}\", realm=\"example.com/gangway\", nonce=\"0\", uri=\"/\", response=\"{}\"\r\n",
                "0".repeat(32)
            )
        };
        for (what, mac) in [
            ("known", installed.to_string()),
            ("blocked", blocked.to_string()),
            ("window open", waiting.to_string()),
            ("unknown", "805ec0999999".to_owned()),
            ("unknown of nobody", "0a0b0c0d0e0f".to_owned()),
        ] {
            for method in ["GET", "HEAD"] {
                for (displayed, headers) in [
                    ("nothing", String::new()),
                    ("Basic unasked", "Authorization: Basic eDp5\r\n".to_owned()),
                    ("nonsense", "Authorization: Digest x\r\n".to_owned()),
                    ("a tag", "If-None-Match: *\r\n".to_owned()),
                    ("a part", "Range: bytes=0-1\r\n".to_owned()),
                ] {
                    let answer = bytes(&bench, method, &format!("{phones}/{mac}.{extension}"), agent, &headers);
                    challenged.entry(answer).or_default().push(format!("{method} {what}, {displayed}"));
                }
            }
        }
        assert_eq!(challenged.len(), 1, "{vendor}: {challenged:#?}");
        let one = challenged.keys().next().unwrap();
        assert!(one.starts_with("HTTP/1.1 401"), "{vendor}: {one}");
        let stale: Vec<String> = [installed.to_string(), "805ec0999999".to_owned()]
            .map(|mac| bytes(&bench, "GET", &format!("{phones}/{mac}.{extension}"), agent, &digest(&mac)))
            .into();
        assert_eq!(stale[0], stale[1], "{vendor}: a nonce that is not ours");

        let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for path in [
            format!("{phones}/{}/{installed}.{extension}", "a".repeat(26)),
            format!("{phones}/{}/805ec0999999.{extension}", "a".repeat(26)),
            format!("{phones}/{}/805ec0999999.{extension}", token(waiting)),
            format!("{phones}/{}/{installed}.{extension}", token(waiting)),
            format!("{phones}/{}/{blocked}.{extension}", token(blocked)),
            format!("{phones}/{}/secret.txt", token(waiting)),
            format!("{phones}/{installed}.boot"),
            format!("{phones}/805ec0999999.boot"),
            format!("{phones}/index.html"),
            format!("{phones}/"),
            "/example.com/elsewhere/phone/805ec0123401.cfg".to_owned(),
            "/other.example/gangway/phone/805ec0123401.cfg".to_owned(),
        ] {
            for method in ["GET", "HEAD"] {
                missing.entry(bytes(&bench, method, &path, agent, "")).or_default().push(format!("{method} {path}"));
            }
        }
        assert_eq!(missing.len(), 1, "{vendor}: {missing:#?}");
        assert!(missing.keys().next().unwrap().starts_with("HTTP/1.1 404"));
    }
    // Wrong credentials get the same answer, whichever phone they claim to belong to.
    let agent = [("User-Agent", "Yealink SIP-T46U 108.86.0.20")];
    let wrong = |mac: &str| {
        http::proven("GET", &format!("{}/phone/{mac}.cfg", bench.gateway.instance_url()), &agent, mac, "wrong").shape()
    };
    assert_eq!(wrong(&installed.to_string()), wrong("805ec0999999"));
}
