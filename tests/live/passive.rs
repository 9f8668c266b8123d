//! Tests that a restored gateway does nothing to any phone until it takes over. Every request is rejected with a
//! message that explains what to do, and the gateway sends nothing to any peer.

use std::{collections::BTreeSet, fs};

use base64::{Engine, prelude::BASE64_STANDARD};
use gangway::{
    api::admin_page::methods::{MessageEffect, Method},
    service::action::Action,
    store::TokenScope,
};
use gangway_sim::{pbx::Direction, users::ProvisionRequest, yealink_phone::model};
use serde_json::{Value, json};

use crate::support::{
    bench::{Bench, TITLE, simulation},
    http, mac,
    options::Options,
    page::Page,
    script::{Script, body, problem},
};

/// Messages a gateway sends to a newly connected PBX before it receives any request.
const GREETINGS: [&str; 5] = ["AppChallengeResult", "AppLoginResult", "AppInfoResult", "SubscribeServices", "PbxInfo"];
const CURE: &str = "gangway serve --take-over";
const TABLE: &str = "mac;user;password\n805ec0123409;user5;secret-5\n";

fn output_of(done: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

#[actix_rt::test]
async fn every_way_to_a_phone_is_refused_and_nothing_goes_out() {
    let options = Options { pnp: "listen = \"127.0.0.1:0\"".into(), ..Options::default() };
    let mut bench = Bench::start_in(simulation().users(9).start().await.unwrap(), options).await;
    let (first, second) = (mac(1), mac(2));
    bench.installed(first, model::T46U, "user1").await;
    let here = tempfile::tempdir().unwrap();
    let (file, words) = (here.path().join("site.backup"), here.path().join("words"));
    fs::write(&words, "correct horse battery").unwrap();
    let (file, words) = (file.to_str().unwrap(), words.to_str().unwrap());
    let done = bench.gateway.command(&["backup", file, "--passphrase-file", words]);
    assert!(done.status.success(), "{}", output_of(&done));
    let url = format!("{}{first}.cfg", bench.phone_url(first));
    bench.gateway.stop();
    let done = bench.gateway.command(&["restore", file, "--replace", "--passphrase-file", words]);
    assert!(done.status.success(), "{}", output_of(&done));
    let calls = || bench.simulation.rps.board().read(|state| state.calls.len());
    let sent = || bench.simulation.pbx.board().read(|state| state.recorded.len());
    let (calls_before, sent_before) = (calls(), sent());
    bench.gateway.start_again().await;
    bench.simulation.wait_gateway().await.unwrap();
    let record = bench.records().phone(first).unwrap();

    // The page shows everything but changes nothing.
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    let notices = page.rows("Notices", json!({}), "notices").await;
    assert!(notices.iter().any(|notice| notice["key"] == "passive"), "{notices:?}");
    let refused = |what: &str, answer: &Value| {
        let is_reported = answer["error"].as_str().is_some_and(|text| text.contains(CURE));
        assert!(answer["code"]["key"] == "passive" && is_reported, "{what}: {answer}");
    };
    assert!(page.ask("Phone", json!({ "mac": first })).await["error"].is_null());
    let data = json!({ "data": BASE64_STANDARD.encode(TABLE), "last": true });
    assert!(page.ask("ImportData", data).await["error"].is_null());
    for message in Method::ALL.iter().filter(|message| message.effect() == MessageEffect::Acts) {
        let body = json!({ "mac": first, "action": "allow", "vendor": "yealink", "category": "1", "steps": ["x"] });
        refused(message.name(), &page.ask(message.name(), body).await);
    }
    for action in Action::ALL {
        let body = json!({ "mac": first, "action": action.name(), "category": "1" });
        refused(action.name(), &page.ask("Act", body).await);
    }
    refused("Categories", &page.ask("Categories", json!({})).await);

    // Requests of scripts.
    let script = Script::new(&bench.gateway, "robot", TokenScope::Write).await;
    for (method, path) in [
        ("POST", format!("/phones/{first}/actions/allow")),
        ("POST", "/vendors/yealink/redirect-test".to_owned()),
        ("DELETE", "/import".to_owned()),
    ] {
        let reported = problem(&script.change(method, &path, &json!({})).await, 503);
        assert!(
            reported["code"] == "passive" && reported["detail"].as_str().unwrap().contains(CURE),
            "{path}: {reported}"
        );
    }
    let imported = script.send("POST", "/import?category=1", &[("Content-Type", "text/csv")], TABLE.as_bytes()).await;
    assert_eq!(problem(&imported, 503)["code"], "passive");
    let reported = body(&script.change("POST", "/resync", &json!({ "macs": [first] })).await);
    assert_eq!((&reported["accepted"], &reported["refused"][0]["code"]), (&json!(0), &json!("passive")), "{reported}");

    // Commands of the administrator.
    let (own, table) = (first.to_string(), here.path().join("phones.csv"));
    fs::write(&table, TABLE).unwrap();
    for arguments in [
        &["phones", "allow", &own][..],
        &["phones", "release", &own],
        &["phones", "block", &own],
        &["phones", "remove", &own],
        &["phones", "remove", &own, "--user", "user1"],
        &["phones", "rotate", &own],
        &["phones", "resync", &own, "--wait"],
        &["phones", "check", &own, "--repair"],
        &["phones", "check", "--all"],
        &["phones", "bootstrap", &own, "--http-base", "http://gw.example.com"],
        &["phones", "import", table.to_str().unwrap()],
        &["pbx", "plan"],
        &["pbx", "apply", "--yes"],
    ] {
        let done = bench.gateway.command(arguments);
        assert!(!done.status.success() && output_of(&done).contains(CURE), "{arguments:?}: {}", output_of(&done));
    }
    let printed = bench.gateway.command(&["phones", "show", &own]);
    assert!(printed.status.success(), "what was restored can be looked at: {}", output_of(&printed));

    // Requests of Users, phones and SIP PnP.
    let answer = bench.ask(ProvisionRequest::new(&second.to_string(), "user2", TITLE)).await;
    assert!(!answer.ok && answer.error.as_deref().is_some_and(|text| text.contains(CURE)), "{answer:?}");
    let answer = http::get(&url, &model::T46U.user_agent(first));
    assert!(answer.status == 503 && answer.header("retry-after").is_some(), "{answer:?}");
    assert!(bench.gateway.pnps().is_empty(), "nobody answers SIP PnP");

    // Nothing was sent, and nothing was stored for later.
    assert_eq!(calls(), calls_before, "nothing was said to the redirect service");
    assert_eq!(bench.simulation.devices.board().read(|state| state.connections.len()), 0, "no sysclient is open");
    let reported: BTreeSet<String> = bench.simulation.pbx.board().read(|state| {
        let new = state.recorded.iter().skip(sent_before).filter(|one| one.direction == Direction::Received);
        new.filter_map(|one| one.message["mt"].as_str().map(str::to_owned)).collect()
    });
    let unexpected: Vec<&String> = reported.iter().filter(|mt| !GREETINGS.contains(&mt.as_str())).collect();
    assert!(unexpected.is_empty(), "the PBX was told {unexpected:?}");
    assert_eq!(bench.records().phone(first).unwrap().as_ref(), record.as_ref());
    assert!(bench.records().phone(second).is_none());
    bench.assert_no_violation();

    // The gateway can be configured in the meantime. After the takeover it resumes all work.
    assert_eq!(script.change("PATCH", "/settings", &json!({ "values": { "language": "de" } })).await.status, 204);
    bench.gateway.stop();
    let done = bench.gateway.command(&["restore", "--take-over"]);
    assert!(done.status.success(), "{}", output_of(&done));
    bench.gateway.start_again().await;
    bench.simulation.wait_gateway().await.unwrap();
    let script = Script::new(&bench.gateway, "again", TokenScope::Write).await;
    assert_eq!(script.change("POST", &format!("/phones/{first}/actions/allow"), &json!({})).await.status, 202);
}
