//! Tests settings, history, import and notices on the admin page.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use gangway::{
    phone::{facet::DevicesState, record::Phone},
    store::HistoryEntry,
};
use gangway_sim::simulation::Simulation;
use serde_json::{Value, json};

use crate::support::{
    bench::{Bench, simulation},
    mac,
    options::Options,
    page::Page,
    records::Records,
};

async fn bench() -> (Bench, Page) {
    let simulation = simulation().users(5).start().await.unwrap();
    let bench = Bench::start_in(simulation, Options::default()).await;
    let page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    (bench, page)
}

fn named<'a>(settings: &'a [Value], name: &str) -> &'a Value {
    settings.iter().find(|setting| setting["name"] == name).unwrap_or_else(|| panic!("no setting {name}"))
}

#[actix_rt::test]
async fn settings_are_shown_checked_and_changed() {
    let (bench, mut page) = bench().await;
    let mut other = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    other.parts("Settings", json!({})).await;

    let wrong = json!({ "scope": "instance", "values": {
        "window_days": "99", "timezone": "Mars/Olympus", "no_such": "1", "language": "de",
    }});
    let refused = page.ask("SettingsSet", wrong).await;
    let fields = refused["fields"].as_object().unwrap();
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["no_such", "timezone", "window_days"], "{refused}");
    assert!(fields["window_days"]["text"].as_str().unwrap().contains("1 to 7"), "{refused}");
    let settings = page.rows("Settings", json!({}), "settings").await;
    assert_eq!(named(&settings, "language")["set"], false, "nothing of a refused change is kept");

    let right = json!({ "scope": "vendor:yealink", "values": { "language": "de", "ldap_password": "hunter2 long" } });
    assert_eq!(page.ask("SettingsSet", right).await.get("error"), None);
    other.until_message("SettingsChanged", |_| true).await;
    let settings = page.rows("Settings", json!({ "scope": "vendor:yealink" }), "settings").await;
    let language = named(&settings, "language");
    assert_eq!((&language["value"], &language["origin"]), (&json!("de"), &json!("vendor:yealink")));
    assert!(!serde_json::to_string(&settings).unwrap().contains("hunter2"));
    assert_eq!(named(&settings, "ldap_password")["set"], true);
    assert!(settings.iter().all(|setting| setting["layered"] == true));
    let instance = page.rows("Settings", json!({}), "settings").await;
    assert!(!serde_json::to_string(&instance).unwrap().contains(Simulation::RPS_PASSWORD));
    // An unchanged secret field keeps the secret.
    page.ask("SettingsSet", json!({ "scope": "vendor:yealink", "values": { "ldap_password": "", "language": null } }))
        .await;
    let settings = page.rows("Settings", json!({ "scope": "vendor:yealink" }), "settings").await;
    assert_eq!(
        (&named(&settings, "ldap_password")["set"], &named(&settings, "language")["set"]),
        (&json!(true), &json!(false))
    );

    let test = page.ask("RedirectTest", json!({ "vendor": "yealink" })).await;
    assert_eq!(test["ok"], true, "{test}");
    page.ask("SettingsSet", json!({ "scope": "instance", "values": { "redirect.yealink.password": "wrong" } })).await;
    let test = page.ask("RedirectTest", json!({ "vendor": "yealink" })).await;
    assert_eq!(test["ok"], false, "{test}");
    let test = page.ask("RedirectTest", json!({ "vendor": "toaster" })).await;
    assert_eq!(test["code"]["key"], "unknown-vendor");
}

#[actix_rt::test]
async fn the_history_is_filtered_exported_and_pruned() {
    let (bench, mut page) = bench().await;
    bench.provisioned(mac(1), "user1").await;
    page.ask("HistorySubscribe", json!({})).await;
    let records = bench.records();
    let old = |number: u8, answer: &str| HistoryEntry {
        instance: records.instance,
        phone: None,
        mac: Some(mac(number)),
        vendor: "yealink".into(),
        command: "CHECK DEVICE".into(),
        at: "2020-01-01T00:00:00Z".parse().unwrap(),
        took: std::time::Duration::from_millis(7),
        outcome: "=HYPERLINK(\"http://x\")".into(),
        answer: answer.into(),
    };
    records.store.redirect_history().add(old(7, "<script>alert(1)</script>")).await.unwrap();
    records.store.redirect_history().add(old(8, &"ä\u{1}\"".repeat(60_000))).await.unwrap();
    page.until_message("HistoryChanged", |_| true).await;

    let all = page.rows("History", json!({ "count": 500 }), "rows").await;
    assert!(all.len() >= 5, "{all:#?}");
    let rows = page.rows("History", json!({ "filter": { "mac": mac(7).spelled(":") } }), "rows").await;
    assert_eq!((rows.len(), &rows[0]["answer"]), (1, &json!("<script>alert(1)</script>")));
    assert_eq!(page.rows("History", json!({ "filter": { "search": "ALERT(1)" } }), "rows").await.len(), 1);
    assert_eq!(page.rows("History", json!({ "filter": { "to": "2021-01-01T00:00:00Z" } }), "rows").await.len(), 2);
    let redirects = page.rows("History", json!({ "filter": { "command": "redirect device" } }), "rows").await;
    assert_eq!(redirects.len(), 1, "{redirects:#?}");
    // Paging returns the same list.
    let (mut paged, mut before) = (Vec::new(), Value::Null);
    loop {
        let parts = page.parts("History", json!({ "count": 2, "before": before })).await;
        paged.extend(parts.iter().flat_map(|part| part["rows"].as_array().unwrap().clone()));
        before = parts[0]["more"].clone();
        if before.is_null() {
            break;
        }
    }
    assert_eq!(paged, all);

    let parts = page.parts("HistoryExport", json!({})).await;
    let csv: String = parts.iter().map(|part| part["text"].as_str().unwrap()).collect();
    assert_eq!(csv.lines().next(), Some("time,mac,vendor,command,outcome,took_ms,answer"));
    assert!(csv.contains("\"'=HYPERLINK"), "a formula stays a text");
    assert_eq!(page.ask("HistoryPrune", json!({ "days": 30 })).await["pruned"], 2);
    assert_eq!(page.rows("History", json!({ "filter": { "to": "2021-01-01T00:00:00Z" } }), "rows").await.len(), 0);
}

async fn import(page: &mut Page, file: &[u8]) -> Vec<Value> {
    let pieces: Vec<&[u8]> = file.chunks(100).collect();
    for (place, piece) in pieces.iter().enumerate() {
        let last = place + 1 == pieces.len();
        let parts = page.parts("ImportData", json!({ "data": BASE64_STANDARD.encode(piece), "last": last })).await;
        if last {
            return parts;
        }
    }
    Vec::new()
}

#[actix_rt::test]
async fn a_file_of_phones_is_checked_by_line_imported_and_changes_nothing_twice() {
    let (bench, mut page) = bench().await;
    // Latin-1, semicolons and CR LF, as written by a spreadsheet.
    let mut file = b"MAC;User;Name;Password;Colour\r\n".to_vec();
    file.extend(format!("{};user1;J\u{fc}rgen;secret-1;red\r\n", mac(1).spelled("-")).chars().map(|c| c as u8));
    file.extend(format!("{};user2;\"Doe; Jane\";secret-2;\r\n", mac(2).spelled(":")).bytes());
    file.extend(format!("{};nobody;;x;\r\n", mac(9)).bytes());
    let good = file.clone();
    file.extend(format!("{};user3;;secret-3;\r\n12345;user4;;x;\r\n", mac(1)).bytes());
    file.extend(format!("{};;;x;\r\n{};user5;;;\r\n020000000001;user5;;x;\r\n", mac(3), mac(4)).bytes());

    let parts = import(&mut page, &file).await;

    let errors: Vec<(u64, &str)> = parts
        .iter()
        .flat_map(|part| part["errors"].as_array().unwrap())
        .map(|error| (error["line"].as_u64().unwrap(), error["field"].as_str().unwrap()))
        .collect();
    assert_eq!(errors, [(5, "mac"), (6, "mac"), (7, "user"), (8, "password"), (9, "vendor")], "{parts:#?}");
    assert_eq!(
        (&parts[0]["good"], &parts[0]["known"], &parts[0]["ignored"]),
        (&json!(3), &json!(0), &json!(["Colour"]))
    );
    assert_eq!(bench.records().store.phones().len(), 0, "checking writes nothing");

    page.until_devices().await;
    let started = page.ask("ImportStart", json!({ "category": "1" })).await;
    assert_eq!(started["lines"], 3, "{started}");
    let done = page.until_message("ImportProgress", |message| message["finished"] == true).await;
    assert_eq!((&done["changed"], &done["failed"]), (&json!(2), &json!(1)), "{done}");
    let failure = &done["errors"][0];
    assert_eq!(failure["line"], 4, "{done}");
    assert!(failure["text"]["text"].as_str().unwrap().contains("no connected PBX knows"), "{done}");
    let record = bench.records().wait_devices(mac(1), DevicesState::Received).await;
    assert_eq!((record.accounts[0].cn.as_str(), record.accounts[0].username.as_str()), ("Jürgen", "user1"));
    let times = |number| bench.records().phone(mac(number)).unwrap().provisioning;
    assert_eq!((times(1), times(2)), (1, 1));

    // The same file again.
    let parts = import(&mut page, &good).await;
    assert_eq!((&parts[0]["good"], &parts[0]["known"]), (&json!(3), &json!(2)), "{parts:#?}");
    page.ask("ImportStart", json!({})).await;
    let done =
        page.until_message("ImportProgress", |message| message["finished"] == true && message["unchanged"] == 2).await;
    assert_eq!(done["changed"], 0, "{done}");
    assert_eq!((times(1), times(2)), (1, 1));
}

#[actix_rt::test]
async fn an_import_cut_off_by_a_restart_goes_on_with_the_same_file() {
    const LINES: u8 = 60;
    let simulation = simulation().users(LINES.into()).start().await.unwrap();
    let mut bench = Bench::start_in(simulation, Options::default()).await;
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    let mut file = b"mac,user,password\n".to_vec();
    for number in 1..=LINES {
        file.extend(format!("{},user{number},secret-{number}\n", mac(number)).bytes());
    }
    let checked = import(&mut page, &file).await;
    assert_eq!(checked[0]["good"], LINES, "{checked:#?}");
    page.until_devices().await;
    // Devices issues this many codes and then none, so the import cannot finish before the restart, however late that
    // is.
    const CODES: usize = 5;
    let gate = "GetProvisioningCode";
    bench.simulation.devices.gates().arm_nth(gate, CODES + 1);
    let started = page.ask("ImportStart", json!({ "category": "1" })).await;
    assert_eq!(started["lines"], LINES, "{started}");
    bench.simulation.devices.gates().wait_until_held(gate).await.unwrap();
    let begun = |records: &Records| (records.store.phones().len() == CODES).then(|| records.store.phones().all());
    let phones = bench.records().wait_for("the first lines", begun).await;
    // If Devices has accepted a phone's code but the password is not on disk yet, the phone needs another code after a
    // restart. The gateway detects this only after some twenty seconds, and a file imported before then does not change
    // such a phone.
    for phone in phones {
        bench.records().wait_devices(phone.mac, DevicesState::Received).await;
    }
    drop(page);
    bench.gateway.restart().await;
    bench.simulation.devices.gates().release(gate);
    bench.simulation.wait_gateway().await.unwrap();
    assert_eq!(bench.records().store.phones().len(), CODES, "the restart has cut the import off");

    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    import(&mut page, &file).await;
    page.until_devices().await;
    page.ask("ImportStart", json!({ "category": "1" })).await;
    let done = page.until_message("ImportProgress", |message| message["finished"] == true).await;
    assert_eq!(done["failed"], 0, "{done}");
    assert_eq!(done["changed"].as_u64().unwrap() + done["unchanged"].as_u64().unwrap(), u64::from(LINES), "{done}");
    let phones = bench.records().store.phones().all();
    assert_eq!(phones.len(), usize::from(LINES));
    for phone in phones {
        bench.records().wait_devices(phone.mac, DevicesState::Received).await;
    }
    bench.assert_no_violation();
}

#[actix_rt::test]
async fn a_file_of_twenty_thousand_lines_is_checked() {
    let (_bench, mut page) = bench().await;
    let mut file = String::from("\u{feff}mac,user,password\n");
    for number in 0..20_000_u32 {
        file.push_str(&format!("805ec1{number:06x},user{number},pw\n"));
    }
    let mut parts = Vec::new();
    let pieces: Vec<&[u8]> = file.as_bytes().chunks(512 << 10).collect();
    for (place, piece) in pieces.iter().enumerate() {
        let body = json!({ "data": BASE64_STANDARD.encode(piece), "last": place + 1 == pieces.len() });
        parts = page.parts("ImportData", body).await;
    }
    assert_eq!(parts[0]["lines"], 20_000, "{}", parts[0]["wrong"]);
}

#[actix_rt::test]
async fn notices_come_and_go_and_a_snapshot_shows_every_connection() {
    let (bench, mut page) = bench().await;
    let keys = |message: &Value| -> Vec<String> {
        let notices = message["notices"].as_array().unwrap();
        notices.iter().map(|notice| notice["key"].as_str().unwrap().to_owned()).collect()
    };
    let now = page.ask("Notices", json!({})).await;
    assert!(keys(&now).contains(&"clear-text".to_owned()), "{now}");
    assert!(!keys(&now).contains(&"pbx-away".to_owned()), "{now}");

    let connections = page.until_devices().await;
    for kind in ["sysclients", "redirect"] {
        assert!(connections.iter().any(|row| row["kind"] == kind), "{connections:#?}");
    }

    bench.simulation.pbx.go_away();
    let message = page.until_message("NoticesChanged", |message| keys(message).contains(&"pbx-away".to_owned())).await;
    let away = message["notices"].as_array().unwrap().iter().find(|notice| notice["key"] == "pbx-away").unwrap();
    assert!(away["since"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{away}");
    bench.simulation.pbx.come_back();
    page.until_message("NoticesChanged", |message| !keys(message).contains(&"pbx-away".to_owned())).await;
}

#[actix_rt::test]
async fn hostile_names_and_requests_stay_data() {
    let (bench, mut page) = bench().await;
    let records = bench.records();
    let hostile = "<img src=x onerror=alert(1)>{sentence}\u{202e}\"'";
    let mut phone = Phone::sample();
    phone.instance = records.instance;
    phone.wanted = gangway::phone::facet::Wanted::Blocked;
    phone.model = Some(hostile.into());
    phone.accounts[0].cn = hostile.into();
    phone.accounts[0].username = hostile.into();
    let phone = records.store.phones().create(phone, Vec::new()).await.unwrap();

    page.until_total(json!({ "search": "ONERROR" }), 1).await;
    let rows = page.rows("Devices", json!({ "query": { "search": "ONERROR" } }), "phones").await;
    assert_eq!((&rows[0]["name"], &rows[0]["model"]), (&json!(hostile), &json!(hostile)));
    let details = page.ask("Phone", json!({ "mac": phone.mac })).await;
    assert_eq!(details["phone"]["accounts"][0]["user"], hostile);

    for (mt, body) in [
        ("Devices", json!({ "offset": -1 })),
        ("Devices", json!({ "query": 7 })),
        ("Phone", json!({})),
        ("Phone", json!({ "mac": "zz" })),
        ("Phone", json!({ "mac": "805ec0999999" })),
        ("Act", json!({ "mac": phone.mac, "action": hostile })),
        ("Act", json!({ "mac": phone.mac, "action": "allow", "firstContact": "300.1.1.1/99" })),
        ("Reveal", json!({ "mac": phone.mac, "what": "line 1" })),
        ("Settings", json!({ "scope": "planet:earth" })),
        ("ImportData", json!({ "data": "%%%" })),
        ("ImportStart", json!({})),
        ("HistoryPrune", json!({})),
    ] {
        let answer = page.ask(mt, body.clone()).await;
        assert!(answer["error"].as_str().is_some_and(|error| !error.is_empty()), "{mt} {body}: {answer}");
        assert!(answer["code"]["key"].is_string(), "{answer}");
    }
    // Unknown messages are ignored and the page continues to work.
    page.send("Nonsense", json!({})).await;
    assert_eq!(page.ask("Hello", json!({})).await["instance"]["name"], "gangway");
}
