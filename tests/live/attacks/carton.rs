//! Tests scan detection. New phones that connect before they are provisioned are not an attack. Trying one address
//! after the other is an attack, and an administrator can lift its freeze for a phone or network.

use gangway::{phone::facet::Wanted, store::TokenScope};
use gangway_base::mac::Mac;
use gangway_sim::yealink_phone::model;
use serde_json::{Value, json};

use crate::support::{
    bench::{Bench, simulation},
    http, mac,
    options::Options,
    page::Page,
    script::Script,
};

const SCANNER: &str = "Mozilla/5.0";

async fn bench() -> Bench {
    Bench::start_in(simulation().users(9).start().await.unwrap(), Options::default()).await
}

fn agent(model: &str, mac: Mac) -> String {
    format!("Yealink {model} {}", mac.spelled(":"))
}

fn phones(bench: &Bench) -> String {
    format!("{}/phone", bench.gateway.instance_url())
}

/// The status of a desk phone's request without a token.
fn fetched(bench: &Bench, mac: Mac) -> u16 {
    http::get(&format!("{}/{mac}.cfg", phones(bench)), &agent("SIP-T46U 108.86.0.20", mac)).status
}

fn command(bench: &Bench, arguments: &[&str]) {
    let done = bench.gateway.command(arguments);
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Requests one address after the other, as no phone does.
fn scan(bench: &Bench, block: &str, count: u32) {
    for number in 0..count {
        assert_eq!(http::get(&format!("{}/{block}{number:02x}.cfg", phones(bench)), SCANNER).status, 401);
    }
}

fn names(message: &Value, key: &str) -> bool {
    message["notices"].as_array().is_some_and(|all| all.iter().any(|one| one["key"] == key))
}

/// Waits until a notice of this kind is present or absent.
async fn until_noticed(page: &mut Page, key: &str, there: bool) -> Value {
    let now = page.ask("Notices", json!({})).await;
    if names(&now, key) == there {
        return now;
    }
    page.until_message("NoticesChanged", |message| names(message, key) == there).await
}

#[actix_rt::test]
async fn a_batch_of_phones_plugged_in_early_does_not_freeze_its_site() {
    let bench = bench().await;
    bench.provisioned(mac(1), "user1").await;
    command(&bench, &["phones", "allow", &mac(1).to_string(), "--without-token", "--wait"]);
    // Ten desk phones with consecutive addresses and eight bases in steps of four. Each requests several names
    // repeatedly, as at its first boot.
    let desk = (0..10_u8).map(|n| ("SIP-T46U 108.86.0.20", [0x80, 0x5e, 0xc0, 0x55, 0x00, n]));
    let bases = (0..8_u8).map(|n| ("W70B 146.85.0.20", [0x80, 0x5e, 0xc0, 0x66, 0x00, 4 * n]));
    for _ in 0..3 {
        for (model, address) in desk.clone().chain(bases.clone()) {
            let mac = Mac::new(address).unwrap();
            for (name, status) in
                [("y000000000000.boot".to_owned(), 404), (format!("{mac}.boot"), 404), (format!("{mac}.cfg"), 401)]
            {
                let answer = http::get(&format!("{}/{name}", phones(&bench)), &agent(model, mac));
                assert_eq!(answer.status, status, "{name}");
            }
        }
    }
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    assert!(!names(&page.ask("Notices", json!({})).await, "scanning"));
    assert_eq!(fetched(&bench, mac(1)), 200, "a phone that was allowed before");
    bench.provisioned(mac(2), "user2").await;
    command(&bench, &["phones", "allow", &mac(2).to_string(), "--without-token", "--wait"]);
    assert_eq!(fetched(&bench, mac(2)), 200, "and one that is entered afterwards");
}

#[actix_rt::test]
async fn a_click_ends_a_freeze_for_its_phone_and_for_its_network() {
    let bench = bench().await;
    for (number, user) in [(1, "user1"), (2, "user2"), (3, "user3")] {
        bench.provisioned(mac(number), user).await;
        command(&bench, &["phones", "allow", &mac(number).to_string(), "--without-token", "--wait"]);
    }
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    scan(&bench, "805ec0fff1", 20);
    until_noticed(&mut page, "scanning", true).await;
    assert_eq!([fetched(&bench, mac(1)), fetched(&bench, mac(2)), fetched(&bench, mac(3))], [401; 3]);

    page.act(mac(1), "allow", json!({ "firstContact": true })).await;
    assert_eq!(
        [fetched(&bench, mac(1)), fetched(&bench, mac(2))],
        [200, 401],
        "the phone that was meant, and no other"
    );
    // A source that continues to scan is frozen for this phone as well.
    page.act(mac(2), "allow", json!({ "firstContact": true })).await;
    scan(&bench, "805ec0fff2", 20);
    assert_eq!(fetched(&bench, mac(2)), 401);

    command(&bench, &["phones", "allow", &mac(2).to_string(), "--without-token", "--from", "127.0.0.0/8", "--wait"]);
    assert_eq!(fetched(&bench, mac(2)), 200);
    until_noticed(&mut page, "scanning", false).await;
    assert_eq!(fetched(&bench, mac(3)), 200, "the network is thawed, also for others");
}

#[actix_rt::test]
async fn a_frozen_address_is_thawed_by_page_and_by_rest() {
    let bench = bench().await;
    bench.provisioned(mac(1), "user1").await;
    command(&bench, &["phones", "allow", &mac(1).to_string(), "--without-token", "--wait"]);
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    scan(&bench, "805ec0fff1", 8);
    let notices = until_noticed(&mut page, "scanning", true).await;
    let notice = notices["notices"].as_array().unwrap().iter().find(|one| one["key"] == "scanning").unwrap();
    let address = notice["text"]["params"]["address"].as_str().unwrap().to_owned();
    assert_eq!(fetched(&bench, mac(1)), 401);

    let thawed = page.ask("Thaw", json!({ "address": address })).await;
    assert_eq!(thawed["thawed"], true, "{thawed}");
    assert_eq!(fetched(&bench, mac(1)), 200);
    assert_eq!(page.ask("Thaw", json!({ "address": address })).await["thawed"], false);
    assert_eq!(page.ask("Thaw", json!({ "address": "router" })).await["code"]["key"], "bad-address");

    scan(&bench, "805ec0fff3", 8);
    let script = Script::new(&bench.gateway, "robot", TokenScope::Write).await;
    let answer = script.change("POST", "/notices/thaw", &json!({ "address": address })).await;
    assert_eq!((answer.status, crate::support::script::body(&answer)), (200, json!({ "thawed": true })));
    let audit = page.rows("Audit", json!({}), "rows").await;
    let deeds = audit.iter().filter(|row| row["deed"] == format!("end the freeze of {address}")).count();
    assert_eq!(deeds, 3, "{audit:?}");
}

/// A rejection is written to the record up to 1.2 s later. A command whose change happens before that is carried out all
/// the same.
#[actix_rt::test]
async fn a_command_beside_refusals_is_carried_out() {
    let bench = bench().await;
    for number in 1..=6 {
        bench.provisioned(mac(number), &format!("user{number}")).await;
        command(&bench, &["phones", "allow", &mac(number).to_string(), "--without-token"]);
    }
    bench.records().wait_phone(mac(6), "allowed", |phone| phone.window.first_contact != Default::default()).await;
    scan(&bench, "805ec0fff1", 8);
    for number in 1..=6 {
        let _ = fetched(&bench, mac(number));
        command(&bench, &["phones", "allow", &mac(number).to_string(), "--without-token", "--wait"]);
        assert_eq!(fetched(&bench, mac(number)), 200, "{number}");
    }
}

#[actix_rt::test]
async fn only_activating_ends_a_block() {
    let bench = bench().await;
    bench.provisioned(mac(1), "user1").await;
    command(&bench, &["phones", "block", &mac(1).to_string(), "--wait"]);
    let refused = bench.gateway.command(&["phones", "allow", &mac(1).to_string(), "--without-token", "--wait"]);
    let output = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && output.contains("phones activate"), "{output}");
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    let refused = page.ask("Act", json!({ "mac": mac(1), "action": "allow", "firstContact": true })).await;
    assert_eq!(refused["code"]["key"], "allow-blocked", "{refused}");
    let script = Script::new(&bench.gateway, "robot", TokenScope::Write).await;
    let refused = script.change("POST", &format!("/phones/{}/actions/allow", mac(1)), &json!({})).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    let record = bench.records().phone(mac(1)).unwrap();
    assert_eq!((record.wanted, fetched(&bench, mac(1))), (Wanted::Blocked, 401));

    command(&bench, &["phones", "activate", &mac(1).to_string(), "--wait"]);
    command(&bench, &["phones", "allow", &mac(1).to_string(), "--without-token", "--wait"]);
    assert_eq!(fetched(&bench, mac(1)), 200);
}

/// Answers without a file do not bind the bootstrap window. An upload of a file that the gateway itself delivers is not
/// stored.
#[actix_rt::test]
async fn incomplete_deliveries_bind_nothing_and_invalid_uploads_are_not_stored() {
    let bench = bench().await;
    bench.provisioned(mac(1), "user1").await;
    bench.records().wait_redirect(mac(1), gangway::phone::facet::RedirectState::Redirected).await;
    let url = format!("{}{}.cfg", bench.phone_url(mac(1)), mac(1));
    let user_agent = agent("SIP-T54W 96.86.0.70", mac(1));
    let request_headers = [("User-Agent", user_agent.as_str()), ("If-None-Match", "*")];
    assert_eq!(http::request("GET", &url, &request_headers, b"").status, 304);
    assert_eq!(http::request("HEAD", &url, &request_headers[..1], b"").status, 200);
    assert_eq!(bench.records().phone(mac(1)).unwrap().window.bound, None);

    let phone = bench.simulation.add_phone(mac(1), model::T46U);
    crate::support::bench::comes_up(&phone).await;
    bench.records().wait_done(mac(1)).await;
    let record = bench.records().phone(mac(1)).unwrap();
    let (user, password) = (record.own.user.clone(), record.own.password.clone());
    let own = |method: &str, name: &str| {
        let agent = agent("SIP-T46U 108.86.0.20", mac(1));
        let url = format!("{}/{name}", phones(&bench));
        http::proven(method, &url, &[("User-Agent", &agent)], &user, password.expose()).status
    };
    let capitals = format!("{}.CFG", mac(1).to_string().to_uppercase());
    assert_eq!([own("GET", &capitals), own("HEAD", &format!("{}.Cfg", mac(1)))], [200, 200]);
    assert_eq!([own("PUT", &format!("{}.cfg", mac(1))), own("PUT", &capitals)], [404, 404]);
    assert_eq!(own("PUT", &format!("{}-local.CFG", mac(1))), 204);
    let uploads = bench.records().store.uploaded_files().of(record.id).await.unwrap();
    assert_eq!(uploads.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), [format!("{}-local.CFG", mac(1))]);
}

fn through(client: &str) -> [(&'static str, String); 2] {
    [("X-Forwarded-For", client.to_owned()), ("User-Agent", SCANNER.to_owned())]
}

fn scan_as(bench: &Bench, clients: impl Fn(u32) -> String) {
    for number in 0..8 {
        let headers = through(&clients(number));
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = http::request("GET", &format!("{}/805ec0fff1{number:02x}.cfg", phones(bench)), &headers, b"");
        assert_eq!(answer.status, 401);
    }
}

/// Every client can send the forwarding header. It is ignored until phones of this site have authenticated through its
/// sender.
#[actix_rt::test]
async fn an_unknown_client_with_forged_forwarding_headers_is_frozen_as_one_device() {
    let bench = bench().await;
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    scan_as(&bench, |number| format!("198.51.100.{number}"));
    let notice = until_noticed(&mut page, "scanning", true).await;
    assert!(!names(&notice, "unlisted-proxy"), "nor is he named as a proxy: {notice}");
}

/// A redirect service discloses URLs, so an unknown client may have several while their bootstrap windows are open.
#[actix_rt::test]
async fn redirect_urls_and_forwarding_headers_make_no_proxy() {
    let bench = bench().await;
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    for (number, user) in [(1, "user1"), (2, "user2"), (3, "user3")] {
        bench.provisioned(mac(number), user).await;
        bench.records().wait_redirect(mac(number), gangway::phone::facet::RedirectState::Redirected).await;
        let url = format!("{}{}.cfg", bench.phone_url(mac(number)), mac(number));
        let agent = agent("SIP-T46U 108.86.0.20", mac(number));
        let headers = [("User-Agent", agent.as_str()), ("X-Forwarded-For", "198.51.100.7"), ("If-None-Match", "*")];
        for (method, headers, status) in
            [("HEAD", &headers[..2], 200), ("GET", &headers[..], 304), ("GET", &headers[..2], 200)]
        {
            assert_eq!(http::request(method, &url, headers, b"").status, status, "{method} of phone {number}");
            let now = page.ask("Notices", json!({})).await;
            assert!(!names(&now, "unlisted-proxy"), "{method} of phone {number}: {now}");
        }
    }
    // The invented clients are treated as one device.
    scan_as(&bench, |number| format!("198.51.100.{number}"));
    let notice = until_noticed(&mut page, "scanning", true).await;
    assert!(notice["notices"].to_string().contains("127.0.0.1") && !names(&notice, "unlisted-proxy"), "{notice}");
    let ready = http::get(&bench.gateway.ops_url("readyz"), "curl").text();
    assert!(!ready.contains("trusted_proxies"), "{ready}");
}

#[actix_rt::test]
async fn a_proxy_that_is_not_listed_is_named_and_not_frozen_as_one_device() {
    let mut bench = bench().await;
    for (number, user) in [(1, "user1"), (2, "user2")] {
        bench.installed(mac(number), model::T46U, user).await;
        let record = bench.records().phone(mac(number)).unwrap();
        let agent = agent("SIP-T46U 108.86.0.20", mac(number));
        let headers = [("User-Agent", agent.as_str()), ("X-Forwarded-For", "198.51.100.7")];
        let url = format!("{}/{}.cfg", phones(&bench), mac(number));
        let answer = http::proven("GET", &url, &headers, &record.own.user, record.own.password.expose());
        assert_eq!(answer.status, 200);
    }
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    let notice = until_noticed(&mut page, "unlisted-proxy", true).await;
    let text = notice["notices"].to_string();
    assert!(
        text.contains("127.0.0.1") && text.contains("x-forwarded-for") && text.contains("trusted_proxies"),
        "{text}"
    );
    let ready = http::get(&bench.gateway.ops_url("readyz"), "curl").text();
    assert!(ready.contains("proxy 127.0.0.1") && ready.contains("only if it is your own reverse proxy"), "{ready}");
    bench
        .records()
        .wait_for("written down", |records| (!records.store.learned().unlisted_proxies().is_empty()).then_some(()))
        .await;
    let check = String::from_utf8_lossy(&bench.gateway.command(&["check"]).stdout).into_owned();
    assert!(check.contains("proxy 127.0.0.1") && check.contains("only if it is your own"), "{check}");

    // If one client behind the proxy scans, only that client is frozen.
    bench.provisioned(mac(3), "user3").await;
    command(&bench, &["phones", "allow", &mac(3).to_string(), "--without-token", "--wait"]);
    scan_as(&bench, |_| "198.51.100.66".to_owned());
    let notice = until_noticed(&mut page, "scanning", true).await;
    assert!(notice["notices"].to_string().contains("198.51.100.66"), "{notice}");
    let agent = agent("SIP-T46U 108.86.0.20", mac(3));
    let fetched = |client: &str| {
        let headers = [("User-Agent", agent.as_str()), ("X-Forwarded-For", client)];
        http::request("GET", &format!("{}/{}.cfg", phones(&bench), mac(3)), &headers, b"").status
    };
    assert_eq!([fetched("198.51.100.66"), fetched("198.51.100.8")], [401, 200]);
    drop(page);

    // The gateway stops reporting a proxy that is listed in `trusted_proxies`, and deletes its record.
    let options = Options { trusted_proxies: "127.0.0.1/32".into(), ..bench.gateway.options().clone() };
    bench.gateway.restart_with(options).await;
    let is_forgotten = |store: &gangway::store::Store| store.learned().unlisted_proxies().is_empty();
    bench.records().wait_learned("the proxy to be forgotten", is_forgotten).await;
}
