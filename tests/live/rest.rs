//! Tests the REST API: it offers scripts the functions of the page, tokens can be revoked, rejections are readable, and
//! no answer grants access or contains a password.

use std::time::{Duration, Instant};

use gangway::{
    phone::facet::{RedirectState, Wanted},
    store::TokenScope,
};
use gangway_sim::yealink_phone::model;
use serde_json::{Value, json};

use crate::support::{
    bench::{Bench, simulation},
    gateway::Gateway,
    mac,
    options::Options,
    page::Page,
    script::{Script, body, problem, token},
};

/// Revokes the token next to the gateway; returns how long it was still accepted.
async fn dead_after(gateway: &Gateway, script: &Script, name: &str) -> Duration {
    let done = gateway.command(&["tokens", "revoke", name]);
    assert!(done.status.success(), "{done:?}");
    let since = Instant::now();
    let dead = async { while script.get("/phones").await.status == 200 {} };
    tokio::time::timeout(crate::support::records::TIMEOUT, dead).await.expect("the token is dead");
    since.elapsed()
}

#[actix_rt::test]
async fn a_token_opens_the_api_until_it_is_revoked_and_only_as_far_as_its_scope() {
    let gateway = Gateway::start_with(Options::default()).await;
    let made = gateway.command(&["tokens", "create", "reader", "--json"]);
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let reader = Script::with(&gateway, made["token"].as_str().unwrap());
    let known = async {
        while gateway.records().store.api_tokens().of(gateway.records().instance).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::support::records::TIMEOUT, known).await.expect("the gateway learns of the token");
    assert_eq!(reader.json("/").await["token"], json!({ "name": "reader", "scope": "read", "expires": null }));

    let nobody = Script::with(&gateway, "");
    let refused = nobody.get("/phones").await;
    problem(&refused, 401);
    assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"gangway\""));
    let refused = Script::with(&gateway, "gw_wrong").get("/phones").await;
    problem(&refused, 401);
    assert!(refused.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
    let over = token(&gateway, "over", TokenScope::Write, Some(jiff::Timestamp::UNIX_EPOCH)).await;
    let refused = Script::with(&gateway, &over).get("/phones").await;
    assert!(problem(&refused, 401)["detail"].as_str().unwrap().contains("expired"));
    let refused = reader.change("PATCH", "/settings", &json!({ "values": {} })).await;
    problem(&refused, 403);
    assert!(refused.header("www-authenticate").unwrap().contains("insufficient_scope"));

    // A client that guesses tokens is throttled. A valid token from the same address is still accepted.
    let guess = Script::with(&gateway, "gw_guess");
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(guess.get("/phones").await.status);
    }
    assert_eq!((statuses[0], statuses[11]), (401, 429), "{statuses:?}");
    assert!(guess.get("/phones").await.header("retry-after").is_some());
    assert_eq!(reader.get("/phones").await.status, 200);

    // Retry, because a busy machine may delay one attempt. A gateway that polls too rarely is late every time.
    let mut took = dead_after(&gateway, &reader, "reader").await;
    for name in ["second", "third"] {
        if took >= Duration::from_secs(1) {
            let script = Script::new(&gateway, name, TokenScope::Read).await;
            took = took.min(dead_after(&gateway, &script, name).await);
        }
    }
    assert!(took < Duration::from_secs(1), "{took:?}");
    let audit = gateway.command(&["audit", "--json"]);
    let audit = String::from_utf8_lossy(&audit.stdout).into_owned();
    assert!(audit.contains("make the read token reader") && audit.contains("revoke the token reader"), "{audit}");
    assert!(!audit.contains(made["token"].as_str().unwrap()), "{audit}");
}

#[actix_rt::test]
async fn a_token_is_valid_only_from_the_networks_of_admin_from() {
    let options = Options { instance: "admin_from = [\"192.0.2.0/24\"]".into(), ..Options::default() };
    let gateway = Gateway::start_with(options).await;
    let script = Script::new(&gateway, "elsewhere", TokenScope::Write).await;
    problem(&script.get("/phones").await, 403);
    // Information that is not specific to the instance is readable from any address.
    assert_eq!(script.get("/openapi.json").await.status, 200);
}

#[actix_rt::test]
async fn scripts_see_and_do_what_the_page_does() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.installed(mac, model::T46U, "user1").await;
    let script = Script::new(&bench.gateway, "inventory", TokenScope::Write).await;
    let mut reported = String::new();

    let list = script.get("/phones?search=user1&sort=-name&limit=1").await;
    let phones = body(&list);
    assert_eq!((&phones["total"], &phones["phones"][0]["mac"]), (&json!(1), &json!(mac)), "{phones}");
    assert_eq!(script.json("/phones?vendor=snom,atcom").await["total"], 0);
    assert_eq!(script.json("/phones?requests=provisioned&stage=working").await["total"], 1);
    let etag = list.header("etag").unwrap();
    let again = script.send("GET", "/phones?search=user1&sort=-name&limit=1", &[("If-None-Match", etag)], b"").await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let spelled = mac.spelled(":").to_uppercase();
    let details = script.json(&format!("/phones/{spelled}")).await;
    assert_eq!((&details["sentence"]["cause"], &details["phone"]["model"]), (&json!("working"), &json!("T46U")));
    let (request_time, last) = (&details["phone"]["request"]["at"], &details["phone"]["lastRequest"]);
    assert!(request_time.is_string() && request_time == last, "{details}");
    for path in ["", "/timeline", "/config", "/config?open=true"] {
        reported += &script.json(&format!("/phones/{mac}{path}")).await.to_string();
    }
    assert!(reported.contains("account.1.sip_server.1.address") && reported.contains("***"), "{reported}");
    for path in
        ["/history", "/settings", "/settings?scope=vendor:yealink", "/settings/pending", "/providers", "/vendors"]
    {
        reported += &script.json(path).await.to_string();
    }
    for path in ["/vendors/snom", "/categories", "/notices", "/connections", "/import", "/audit"] {
        reported += &script.json(path).await.to_string();
    }
    assert!(reported.contains("REDIRECT DEVICE") && reported.contains("\"dhcp\""), "{reported}");
    let record = bench.records().phone(mac).unwrap();
    for secret in ["secret-1", "rps-password", "shared password", record.token.expose(), record.own.password.expose()] {
        assert!(!reported.contains(secret), "{secret} is told");
    }

    let act = |action: &str| format!("/phones/{mac}/actions/{action}");
    let answer = script.change("POST", &act("block"), &json!({})).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(bench.records().phone(mac).unwrap().wanted, Wanted::Blocked);
    assert_eq!(script.change("POST", &act("activate"), &json!({})).await.status, 202);
    problem(&script.change("POST", &act("allow"), &json!({ "firstContact": "not a network" })).await, 400);
    assert_eq!(script.change("POST", &act("allow"), &json!({ "firstContact": "10.0.0.0/8" })).await.status, 202);
    assert_eq!(problem(&script.change("POST", &act("dance"), &json!({})).await, 404)["code"], "unknown-action");
    let answer = script.change("POST", "/resync", &json!({ "macs": [mac, "805ec0999999"] })).await;
    assert_eq!((answer.status, &body(&answer)["accepted"]), (202, &json!(1)), "{}", answer.text());
    assert_eq!(body(&answer)["refused"][0]["code"], "no-phone");

    let values = json!({ "values": { "update_interval_minutes": "99", "ldap_password": "canary-ldap" } });
    let set = script.change("PATCH", "/settings?scope=vendor:yealink", &values).await;
    assert_eq!((set.status, set.text().as_str()), (204, ""));
    let settings = script.json("/settings?scope=vendor:yealink").await;
    let one = |name: &str| settings["settings"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
    assert_eq!((&one("update_interval_minutes")["value"], &one("ldap_password")["set"]), (&json!("99"), &json!(true)));
    let wrong = json!({ "values": { "update_interval_minutes": "often", "language": "de" } });
    let refused = problem(&script.change("PATCH", "/settings", &wrong).await, 422);
    assert_eq!(refused["errors"][0]["field"], "update_interval_minutes");

    let audit = script.json("/audit?limit=500").await;
    let deed = |deed: &str| audit["rows"].as_array().unwrap().iter().find(|row| row["deed"] == deed).cloned();
    let blocked = deed("Block").unwrap_or_else(|| panic!("{audit}"));
    assert_eq!(
        (&blocked["who"], &blocked["way"], &blocked["source"], &blocked["target"]),
        (&json!("token inventory"), &json!("rest"), &json!("127.0.0.1"), &json!(mac))
    );
    assert!(audit.to_string().contains("set ldap_password to ***"), "{audit}");
    assert!(!settings.to_string().contains("canary-ldap") && !audit.to_string().contains("canary-ldap"));
    let events = bench.records().events(mac).await;
    assert!(events.iter().any(|event| event.text.contains("Block, by token inventory at 127.0.0.1")), "{events:?}");
}

/// Joins the parts of an answer of the page, without the members of its protocol.
fn joined(parts: Vec<Value>) -> Value {
    let mut whole = serde_json::Map::new();
    for part in parts {
        for (name, value) in part.as_object().unwrap().clone() {
            match (whole.get_mut(&name), value) {
                (Some(Value::Array(rows)), Value::Array(more)) => rows.extend(more),
                (_, value) => drop(whole.insert(name, value)),
            }
        }
    }
    whole.retain(|name, _| !["mt", "api", "src", "part", "last"].contains(&name.as_str()));
    Value::Object(whole)
}

#[actix_rt::test]
async fn page_and_scripts_get_the_same_answers() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.installed(mac, model::T46U, "user1").await;
    let script = Script::new(&bench.gateway, "inventory", TokenScope::Read).await;
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    page.until_devices().await;
    for (message, request, path) in [
        ("Devices", json!({}), "/phones".to_owned()),
        ("Phone", json!({ "mac": mac }), format!("/phones/{mac}")),
        ("Config", json!({ "mac": mac }), format!("/phones/{mac}/config")),
        ("Settings", json!({}), "/settings".to_owned()),
        ("Vendors", json!({}), "/vendors".to_owned()),
        ("Categories", json!({}), "/categories".to_owned()),
        ("Notices", json!({}), "/notices".to_owned()),
        ("Snapshot", json!({}), "/connections".to_owned()),
        ("History", json!({}), "/history".to_owned()),
        ("Audit", json!({}), "/audit".to_owned()),
        ("ImportState", json!({}), "/import".to_owned()),
    ] {
        // The gateway may learn something between the two requests; then both are asked again.
        let same = async {
            loop {
                let answer = joined(page.parts(message, request.clone()).await);
                if answer == script.json(&path).await {
                    return answer;
                }
            }
        };
        let answer = tokio::time::timeout(crate::support::records::TIMEOUT, same).await;
        let answer = answer.unwrap_or_else(|_late| panic!("{message} and {path} differ"));
        assert!(!answer.as_object().unwrap().is_empty(), "{message}: {answer}");
    }
}

/// Malicious names, bodies and paths are answered with a problem document, and the gateway keeps running.
#[actix_rt::test]
async fn hostile_requests_end_in_problems() {
    let gateway = Gateway::start_with(Options::default()).await;
    let script = Script::new(&gateway, "hostile", TokenScope::Write).await;
    let deep = format!("{{\"values\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000));
    let long = format!("{{\"values\":{{\"language\":\"{}\"}}}}", "x".repeat(300 << 10));
    let json = [("Content-Type", "application/json")];
    for (method, path, headers, body, status) in [
        ("GET", "/nothing", &[][..], "", 404),
        ("GET", "/phones/a%2fb", &[], "", 404),
        ("GET", "/phones/%2e%2e%2f", &[], "", 404),
        ("GET", "/phones/x%0d%0aX-Injected:%20yes", &[], "", 404),
        ("GET", "/phones/%ff", &[], "", 404),
        ("GET", "/phones/805ec0999999", &[], "", 404),
        ("GET", "/phones/not-a-mac", &[], "", 400),
        ("PUT", "/phones", &[], "", 405),
        ("DELETE", "/openapi.json", &[], "", 405),
        ("TRACE", "/phones", &[], "", 405),
        ("GET", "/phones?limit=0", &[], "", 400),
        ("GET", "/phones?limit=201", &[], "", 400),
        ("GET", "/phones?limit=1&limit=2", &[], "", 400),
        ("GET", "/phones?unknown=1", &[], "", 400),
        ("GET", "/phones?stuck=perhaps", &[], "", 400),
        ("GET", "/phones?sort=password", &[], "", 400),
        ("GET", "/phones?sort=%00", &[], "", 400),
        ("GET", "/history?from=yesterday", &[], "", 400),
        ("GET", "/settings?scope=moon:full", &[], "", 400),
        ("PATCH", "/settings", &json, deep.as_str(), 400),
        ("PATCH", "/settings", &json, long.as_str(), 413),
        ("PATCH", "/settings", &json, "{\"values\":{},\"more\":1}", 400),
        ("PATCH", "/settings", &json, "{\"values\":{\"language\":7}}", 400),
        ("PATCH", "/settings", &json, "{\"values\":{},\"values\":{}}", 400),
        ("PATCH", "/settings", &json, "{", 400),
        ("PATCH", "/settings", &json, "[{}]", 400),
        ("POST", "/phones/805ec0999999/actions/allow", &json, "[]", 400),
        ("PATCH", "/settings", &json, "\u{feff}{}", 400),
        ("PATCH", "/settings", &[("Content-Type", "text/plain")], "{\"values\":{}}", 415),
        ("PATCH", "/settings", &[], "{\"values\":{}}", 415),
        ("POST", "/import", &json, "mac;user\n", 415),
        ("POST", "/import", &[("Content-Type", "text/csv"), ("Content-Length", "99999999")], "", 413),
        ("POST", "/resync", &json, "{\"macs\":[]}", 400),
        ("GET", "/phones", &[("Authorization", "Basic Z3c6Z3c=")], "", 401),
        ("GET", "/phones", &[("Authorization", "Bearer ")], "", 401),
        ("GET", "/phones", &[("Authorization", "Bearer gw_x"), ("Authorization", "Bearer gw_y")], "", 401),
    ] {
        let answer = script.send(method, path, headers, body.as_bytes()).await;
        assert_eq!(answer.status, status, "{method} {path} {headers:?}: {}", answer.text());
        problem(&answer, status);
        assert_eq!(answer.header("x-injected"), None);
        if status == 405 {
            assert!(answer.header("allow").is_some(), "{path}");
        }
        guarded(&answer);
    }
    let values = json!({ "values": { "wallpaper_url": "https://example.com/\r\nX: 1", "registrar": "a\nb" } });
    problem(&script.change("PATCH", "/settings", &values).await, 422);
    let page = script.get("/docs").await;
    guarded(&page);
    assert!(page.text().contains("/phones/{mac}/actions/{action}"), "{}", page.text());
    let head = script.send("HEAD", "/phones", &[], b"").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(script.get("/phones").await.status, 200, "the gateway goes on");
}

/// Checks the security headers of an answer.
fn guarded(answer: &crate::support::http::Answer) {
    let policy = answer.header("content-security-policy").unwrap_or_default();
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{answer:?}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("strict-transport-security"), None, "only where HTTPS is");
}

#[actix_rt::test]
async fn hsts_is_told_where_a_trusted_proxy_says_https() {
    let gateway = Gateway::start_with(Options { trusted_proxies: "127.0.0.1/32".into(), ..Options::default() }).await;
    let script = Script::new(&gateway, "proxied", TokenScope::Read).await;
    let answer = script.send("GET", "/phones", &[("X-Forwarded-Proto", "https")], b"").await;
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
}

/// A client that can set URLs cannot make the gateway probe its internal network.
#[actix_rt::test]
async fn settings_lead_the_gateway_to_no_inner_address() {
    let options = Options { allow: Vec::new(), ..Options::default() };
    let bench = Bench::start_in(simulation().start().await.unwrap(), options).await;
    let script = Script::new(&bench.gateway, "ssrf", TokenScope::Write).await;
    for url in [
        "http://127.0.0.1:1/",
        "http://[::1]/",
        "http://169.254.169.254/x",
        "http://10.0.0.1/",
        "https://localhost/",
        "https://metadata.google.internal/",
        "http://0x7f.1/",
        "http://[::ffff:192.168.0.1]/",
    ] {
        let values = json!({ "values": { "redirect.yealink.url": url } });
        let refused = problem(&script.change("PATCH", "/settings", &values).await, 422);
        assert_eq!(refused["errors"][0]["code"], "url-not-allowed", "{url}: {refused}");
    }
    // URLs that are used only by phones may have any address.
    let values = json!({ "values": { "firmware_url": "http://10.0.0.1/T46U.rom" } });
    assert_eq!(script.change("PATCH", "/settings", &values).await.status, 204);
    // The services of the bench are on loopback. The gateway sends nothing to them, however the setting was made.
    bench.provision(mac(1), "user1").await;
    let phone = bench.records().wait_redirect(mac(1), RedirectState::Refused).await;
    assert!(phone.redirect.error.as_deref().unwrap().contains("[net] allow"), "{:?}", phone.redirect.error);
    assert_eq!(bench.simulation.rps.target(mac(1)), None);
}

#[test]
fn the_document_is_printed_without_a_gateway() {
    let site = crate::support::process::Site::new(&Options::default());
    let done = site.run(&["openapi"]);
    let document: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert!(document["paths"]["/phones"]["get"].is_object());
}
