//! Tests the phone's page: its status names the problem in one sentence and offers the button that helps, and user
//! actions are recorded in the timeline.

use gangway::phone::facet::{DevicesState, RedirectState, RequestState};
use gangway_base::mac::Mac;
use gangway_sim::{users::ProvisionRequest, yealink_phone::model};
use serde_json::json;

use crate::support::{
    bench::{Bench, TITLE, comes_up, simulation},
    mac,
    options::Options,
    page::Page,
};

async fn bench() -> (Bench, Page) {
    let simulation = simulation().users(9).start().await.unwrap();
    let bench = Bench::start_in(simulation, Options::default()).await;
    let page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    (bench, page)
}

/// Checks that the timeline contains the deed and its author.
async fn assert_audit(page: &mut Page, mac: Mac, deed: &str) {
    let entries = page.timeline(mac).await;
    let found = entries.iter().any(|entry| {
        let text = entry["text"].as_str().unwrap();
        entry["kind"] == "person" && text.contains(deed) && text.contains("Anna Admin (anna.admin) at 127.0.0.1")
    });
    assert!(found, "no entry of '{deed}': {entries:#?}");
}

#[actix_rt::test]
async fn phones_on_their_way_say_what_they_wait_for() {
    let (bench, mut page) = bench().await;

    let waits = mac(1);
    bench.provisioned(waits, "user1").await;
    let sentence = page.until_cause(waits, "redirected-not-asked").await;
    assert!(sentence["next"]["text"].as_str().unwrap().contains("factory settings"), "{sentence}");
    assert_eq!(sentence["action"]["name"], "redirect-again");

    let foreign = mac(2);
    bench.simulation.rps.add_foreign_phone(foreign, "https://elsewhere.example/");
    assert!(!bench.provision(foreign, "user2").await.ok);
    let sentence = page.until_cause(foreign, "redirect-foreign-owner").await;
    assert_eq!(sentence["action"]["name"], "redirect-again");
    bench.simulation.rps.board().change(|state| state.phones.remove(&foreign.to_string()));
    page.act(foreign, "redirect-again", json!({})).await;
    bench.records().wait_redirect(foreign, RedirectState::Redirected).await;
    assert_audit(&mut page, foreign, "Redirect again").await;

    let late = mac(3);
    let code = bench.simulation.devices.make_code(1, false);
    bench.simulation.devices.expire_code(&code);
    let request = ProvisionRequest { code: Some(code), ..ProvisionRequest::new(&late.to_string(), "user3", TITLE) };
    assert!(!bench.ask(request).await.ok);
    let sentence = page.until_cause(late, "code-refused").await;
    assert_eq!(sentence["action"]["name"], "new-code");
    page.until_devices().await;
    let categories = page.rows("Categories", json!({}), "categories").await;
    assert!(!categories.is_empty());
    page.act(late, "new-code", json!({ "category": categories[0]["id"] })).await;
    bench.records().wait_devices(late, DevicesState::Received).await;
    assert_audit(&mut page, late, "Fetch a new code").await;

    let lonely = mac(4);
    let request =
        ProvisionRequest { write_device: false, ..ProvisionRequest::new(&lonely.to_string(), "user4", TITLE) };
    assert!(bench.ask(request).await.ok);
    bench.records().wait_redirect(lonely, RedirectState::Redirected).await;
    let _ = bench.simulation.add_phone(lonely, model::T46U).boot().await;
    let sentence = page.until_cause(lonely, "device-not-found").await;
    assert!(sentence["next"]["text"].as_str().unwrap().contains(&lonely.to_string()), "{sentence}");

    page.until_total(json!({ "stuck": true }), 1).await;
    bench.assert_no_violation();
}

#[actix_rt::test]
async fn phones_in_service_say_what_happened_to_them() {
    let (bench, mut page) = bench().await;
    let mac = mac(1);
    let phone = bench.installed(mac, model::T46U, "user1").await;
    page.until_cause(mac, "working").await;

    // The phone is factory reset without notice and admitted again by a click.
    phone.poll_once().await.unwrap();
    bench.records().wait_phone(mac, "its window closed", |phone| phone.window.closed.is_some()).await;
    phone.factory_reset();
    assert!(!phone.boot().await.unwrap().registered);
    let sentence = page.until_cause(mac, "window-closed").await;
    assert_eq!(sentence["action"]["name"], "allow");
    assert!(sentence["why"]["params"]["address"].as_str().unwrap().starts_with("127."), "{sentence}");
    page.act(mac, "allow", json!({})).await;
    page.until_cause(mac, "allowed-not-asked").await;
    phone.factory_reset();
    comes_up(&phone).await;
    page.until_cause(mac, "working").await;
    assert_audit(&mut page, mac, "Allow once").await;

    // The timeline contains all steps in order.
    let entries = page.timeline(mac).await;
    let kinds: Vec<&str> = entries.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    let place =
        |kind: &str| kinds.iter().position(|known| *known == kind).unwrap_or_else(|| panic!("no {kind}: {kinds:?}"));
    let order = ["requested", "joined", "config-received", "redirected", "first-delivery", "flags-written"];
    assert!(order.map(place).is_sorted(), "{kinds:?}");
    place("registered");
    place("redirect-call");
    place("last-request");
    assert!(entries.is_sorted_by_key(|entry| entry["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap()));

    bench.simulation.devices.forget(&mac.to_string());
    let sentence = page.until_cause(mac, "removed-in-devices").await;
    assert_eq!(sentence["action"]["name"], "new-code");
    page.act(mac, "new-code", json!({ "category": "1" })).await;
    page.until_cause(mac, "working").await;

    page.act(mac, "resync", json!({})).await;
    assert_audit(&mut page, mac, "Have the phone come now").await;
    page.act(mac, "block", json!({})).await;
    assert_eq!(page.until_cause(mac, "blocked").await["action"]["name"], "activate");
    page.act(mac, "activate", json!({})).await;
    page.act(mac, "release", json!({})).await;
    page.until_cause(mac, "releasing").await;
    phone.poll_once().await.unwrap();
    page.until_cause(mac, "released").await;
    page.act(mac, "remove", json!({})).await;
    page.until_cause(mac, "removed").await;
    assert_audit(&mut page, mac, "Remove").await;

    let gone = page.ask("Act", json!({ "mac": mac, "action": "allow" })).await;
    assert_eq!(gone["code"]["key"], "phone-is-gone", "{gone}");
    page.until_total(json!({}), 0).await;
    page.until_total(json!({ "removed": true }), 1).await;
    bench.assert_no_violation();
}

#[actix_rt::test]
async fn the_file_is_shown_masked_and_a_generated_password_on_demand_leaves_a_trace() {
    let (bench, mut page) = bench().await;
    let mac = mac(1);
    bench.installed(mac, model::T46U, "user1").await;
    let record = bench.records().wait_request(mac, RequestState::Provisioned).await;

    let lines = page.rows("Config", json!({ "mac": mac }), "lines").await;

    let details = serde_json::to_string(&lines).unwrap();
    for secret in ["secret-1", record.own.password.expose(), record.token.expose()] {
        assert!(!details.contains(secret), "the file shows {secret}");
    }
    let hidden = lines
        .iter()
        .find(|line| line["secret"] == true && line["text"].as_str().unwrap().starts_with("account.1.password"));
    let hidden = hidden.unwrap_or_else(|| panic!("no masked line: {lines:#?}"));
    assert!(hidden["origins"][0].as_str().unwrap().contains("password"), "{hidden}");
    let revealed = page.ask("Reveal", json!({ "mac": mac, "what": "files" })).await;
    assert_eq!(
        (&revealed["user"], &revealed["password"]),
        (&json!(record.own.user), &json!(record.own.password.expose()))
    );
    assert_audit(&mut page, mac, "fetches its files").await;
    // "Reveal" returns the web password from the phone's file. Other lines of the file cannot be requested.
    let revealed = page.ask("Reveal", json!({ "mac": mac, "what": "web" })).await;
    let login = format!("{}:{}", revealed["user"].as_str().unwrap(), revealed["password"].as_str().unwrap());
    let held = bench.records().store.deliveries().last(record.id).await.unwrap().unwrap();
    let held = String::from_utf8(held.body.to_vec()).unwrap();
    assert!(held.contains(&format!("static.security.user_password = {login}\n")), "{login}");
    assert_audit(&mut page, mac, "generated password").await;
    for refused in [json!({ "mac": mac, "line": hidden["n"] }), json!({ "mac": mac, "what": "account.1.password" })] {
        let refused = page.ask("Reveal", refused).await;
        assert_eq!(refused["code"]["key"], "bad-request", "{refused}");
    }

    let details = page.ask("Phone", json!({ "mac": mac })).await;
    assert_eq!(details["phone"]["holdsCurrentFile"], true, "{details}");
    page.ask("SettingsSet", json!({ "scope": format!("phone:{mac}"), "values": { "language": "fr" } })).await;
    let details = page.ask("Phone", json!({ "mac": mac })).await;
    assert_eq!(details["phone"]["holdsCurrentFile"], false, "{details}");
    let pending = page.ask("SettingsPending", json!({})).await;
    assert_eq!((&pending["phones"], &pending["outdated"]), (&json!(1), &json!(1)));
    let pending = page.ask("SettingsPending", json!({ "scope": format!("phone:{mac}") })).await;
    assert_eq!(pending["fields"], json!({ "language": 1 }));
}

#[actix_rt::test]
async fn what_would_change_at_a_phone_is_shown_beside_what_it_fetched() {
    let (bench, mut page) = bench().await;
    let mac = mac(1);
    bench.provisioned(mac, "user1").await;
    let refused = page.ask("Diff", json!({ "mac": mac })).await;
    assert_eq!(refused["code"]["key"], "nothing-delivered", "{refused}");
    let record = bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    let phone = bench.simulation.add_phone(mac, model::T46U);
    comes_up(&phone).await;
    bench.records().wait_request(mac, RequestState::Provisioned).await;

    // The delivered file is stored shortly after the delivery is recorded.
    let held = async {
        loop {
            let same = page.parts("Diff", json!({ "mac": mac })).await;
            if same[0]["held"]["last"] == true {
                return same;
            }
        }
    };
    let same = tokio::time::timeout(crate::support::records::TIMEOUT, held).await.expect("the file is held");
    assert_eq!(
        (&same[0]["added"], &same[0]["removed"], &same[0]["held"]["last"]),
        (&json!(0), &json!(0), &json!(true)),
        "{same:#?}"
    );

    let values = json!({ "language": "fr", "phone_admin_password": "Another-2-secret" });
    page.ask("SettingsSet", json!({ "scope": format!("phone:{mac}"), "values": values })).await;
    let lines = page.rows("Diff", json!({ "mac": mac }), "lines").await;
    let text = serde_json::to_string(&lines).unwrap();
    for secret in ["secret-1", "Another-2-secret", record.own.password.expose(), record.token.expose()] {
        assert!(!text.contains(secret), "the comparison shows {secret}");
    }
    let find = |kind: &str, start: &str| {
        let is = |line: &&serde_json::Value| line["kind"] == kind && line["text"].as_str().unwrap().starts_with(start);
        lines.iter().find(is).unwrap_or_else(|| panic!("no {kind} {start}: {lines:#?}"))
    };
    assert_eq!(find("added", "lang.gui")["text"], "lang.gui = French");
    assert_eq!(find("added", "static.security.user_password")["secret"], "changed");
    assert_eq!(find("removed", "static.security.user_password")["secret"], "changed");
    assert_eq!(find("same", "account.1.password")["secret"], "same");

    // The phone's next fetch ends the difference. This also works once the delivered file is in the store.
    phone.poll_once().await.unwrap();
    let current = async { while page.ask("Diff", json!({ "mac": mac })).await["added"] != 0 {} };
    tokio::time::timeout(crate::support::records::TIMEOUT, current).await.expect("the new file is held");
    let answer = page.ask("Chart", json!({})).await;
    let sum =
        |name: &str| answer["hours"].as_array().unwrap().iter().map(|hour| hour[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum("provisionings"), 1, "{answer}");
}
