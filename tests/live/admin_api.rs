//! Tests the admin page's list over a real socket: a thousand phones are searched, sorted, paged and updated live. Also
//! tests which clients have no access to it.

use gangway::{
    phone::{facet::Wanted, record::Phone},
    store::RequestNote,
};
use gangway_base::mac::Mac;
use gangway_sim::session::OpenError;
use serde_json::{Value, json};

use crate::support::{
    bench::{Bench, simulation},
    gateway::Gateway,
    options::{Options, PASSWORD},
    page::{Page, person, typed},
};

const PHONES: u16 = 1_000;

fn numbered(number: u16) -> Mac {
    let [high, low] = number.to_be_bytes();
    Mac::new([0x80, 0x5e, 0xc0, 0x77, high, low]).unwrap()
}

/// A gateway with phones in its records, but without a PBX.
async fn full() -> (Gateway, gangway_sim::simulation::Simulation) {
    let simulation = simulation().start().await.unwrap();
    let gateway = Gateway::start_with(Options::default()).await;
    let records = gateway.records();
    for number in 0..PHONES {
        let mut phone = Phone::sample();
        phone.instance = records.instance;
        phone.mac = numbered(number);
        phone.token = gangway::phone::record::new_token();
        phone.wanted = Wanted::Blocked;
        phone.model = Some(if number == 17 { "T58W".into() } else { "T46U".into() });
        phone.firmware = Some(format!("108.86.0.{number}"));
        phone.accounts[0].username = format!("user.{number}");
        phone.accounts[0].cn = format!("User {number:04}");
        phone.accounts[0].hwid = phone.mac.to_string();
        records.store.phones().create(phone, Vec::new()).await.unwrap();
    }
    (gateway, simulation)
}

#[actix_rt::test]
async fn a_thousand_phones_are_found_sorted_and_followed() {
    let (gateway, simulation) = full().await;
    let (store, instance) = (&gateway.records().store, gateway.records().instance);
    let record = gateway.records().phone(numbered(42)).unwrap();
    store.requests().note(RequestNote {
        instance,
        phone: Some(record.id),
        at: record.created,
        address: [192, 0, 2, 99].into(),
        user_agent: None,
        file: "x.cfg".into(),
        outcome: "delivered",
    });
    let mut page = Page::open(&simulation, &gateway.socket_url()).await;
    let hello = page.ask("Hello", json!({})).await;
    assert_eq!(hello["person"]["login"], "pbx");
    assert!(
        hello["build"].as_str().unwrap().len() == 16 && !hello["vendors"].as_array().unwrap().is_empty(),
        "{hello}"
    );

    // The whole list, page by page. Each part of an answer fits into one message.
    let mut seen = Vec::new();
    for offset in (0..PHONES).step_by(200) {
        let parts = page.parts("Devices", json!({ "offset": offset, "count": 200, "sort": { "by": "name" } })).await;
        assert!(parts.len() > 1, "200 rows do not fit into one message");
        assert_eq!((&parts[0]["total"], &parts[0]["all"]), (&json!(PHONES), &json!(PHONES)));
        assert_eq!(parts[0]["counts"], json!({ "yealink": { "leaving": PHONES } }));
        seen.extend(parts.iter().flat_map(|part| part["phones"].as_array().unwrap().clone()));
    }
    assert_eq!(seen.len(), usize::from(PHONES));
    assert!(seen.is_sorted_by_key(|row| row["name"].as_str().unwrap().to_owned()));

    // Search matches every field, in any spelling and case.
    let mac = numbered(777);
    for (search, expected) in [
        ("USER 0777", numbered(777)),
        ("user.778", numbered(778)),
        (mac.spelled(":").as_str(), mac),
        (mac.spelled("-").to_lowercase().as_str(), mac),
        (mac.to_string().as_str(), mac),
        ("t58w", numbered(17)),
        ("108.86.0.555", numbered(555)),
        ("192.0.2.99", numbered(42)),
    ] {
        let rows = page.rows("Devices", json!({ "query": { "search": search }, "count": 5 }), "phones").await;
        let found: Vec<&Value> = rows.iter().map(|row| &row["mac"]).collect();
        assert_eq!(found, [&json!(expected)], "{search}");
    }
    for query in [
        json!({ "search": "nobody" }),
        json!({ "vendors": ["snom"] }),
        json!({ "stuck": true }),
        json!({ "overdue": true }),
        json!({ "states": { "wanted": ["active"] } }),
    ] {
        assert_eq!(page.ask("Devices", json!({ "query": query })).await["total"], 0, "{query}");
    }
    let newest = json!({ "sort": { "by": "firmware", "descending": true }, "count": 1 });
    assert_eq!(page.rows("Devices", newest, "phones").await[0]["firmware"], "108.86.0.999");

    let last = json!({ "sort": { "by": "mac", "descending": true }, "count": 1 });
    assert_eq!(page.rows("Devices", last, "phones").await[0]["mac"], json!(numbered(PHONES - 1)));

    follow(&gateway, &mut page).await;
}

/// Checks updates of a subscribed page: changed, moved, new and removed rows.
async fn follow(gateway: &Gateway, page: &mut Page) {
    let (store, instance) = (&gateway.records().store, gateway.records().instance);
    let list = json!({ "sort": { "by": "name" }, "count": 3, "subscribe": true });
    let rows = page.rows("Devices", list, "phones").await;
    let ids: Vec<i64> = rows.iter().map(|row| row["id"].as_i64().unwrap()).collect();
    let first = gateway.records().phone(numbered(0)).unwrap();

    store.phones().change(first.id, |phone, _| phone.model = Some("<script>".into())).await.unwrap();
    let message = page.until_message("DevicesChanged", |message| message["phones"][0]["id"] == first.id.0).await;
    assert_eq!((&message["phones"][0]["model"], message.get("window")), (&json!("<script>"), None), "{message}");

    store.phones().change(first.id, |phone, _| phone.accounts[0].cn = "zz".into()).await.unwrap();
    let message = page.until_message("DevicesChanged", |message| message["gone"] == json!([first.id.0])).await;
    assert_eq!(message["window"][0], ids[1], "{message}");

    let mut phone = Phone::sample();
    (phone.instance, phone.wanted) = (instance, Wanted::Blocked);
    phone.token = gangway::phone::record::new_token();
    phone.accounts[0].cn = "Aaron".into();
    let phone = store.phones().create(phone, Vec::new()).await.unwrap();
    let message = page.until_message("DevicesChanged", |message| message["total"] == PHONES + 1).await;
    assert_eq!(
        (&message["window"][0], &message["phones"][0]["name"]),
        (&json!(phone.id.0), &json!("Aaron")),
        "{message}"
    );
    assert_eq!(message["counts"]["yealink"]["leaving"], PHONES + 1);
}

#[actix_rt::test]
async fn sessions_of_other_apps_get_no_admin_messages() {
    let bench = Bench::start().await;
    let url = bench.gateway.socket_url();
    // A user whom the PBX admitted to a provider's app.
    let mut other = Page::open_as(&bench.simulation, &url, person("gangway-yealink")).await.unwrap();
    other.send("Hello", json!({})).await;
    other.send("Devices", json!({})).await;
    other.send("AppInfo", json!({})).await;
    let silent = tokio::time::timeout(std::time::Duration::from_secs(1), other.until_message("HelloResult", |_| true));
    assert!(silent.await.is_err(), "an answer of the admin api on another app");
    // The password login is off unless the configuration enables it.
    assert_eq!(Page::open_as(&bench.simulation, &url, typed(PASSWORD)).await.err(), Some(OpenError::Refused));
}

#[actix_rt::test]
async fn the_password_login_is_opened_by_the_configuration_and_throttled() {
    let options = Options {
        instance: "admin_password_login = true\nadmin_from = [\"127.0.0.0/8\"]".into(),
        ..Options::default()
    };
    let bench = Bench::start_in(simulation().start().await.unwrap(), options).await;
    let url = bench.gateway.socket_url();
    let mut page = Page::open_as(&bench.simulation, &url, typed(PASSWORD)).await.unwrap();
    assert_eq!(page.ask("Hello", json!({})).await["person"]["login"], "password");
    for _ in 0..5 {
        assert_eq!(Page::open_as(&bench.simulation, &url, typed("guess")).await.err(), Some(OpenError::Refused));
    }
    assert_eq!(
        Page::open_as(&bench.simulation, &url, typed(PASSWORD)).await.err(),
        Some(OpenError::Refused),
        "throttled"
    );
    // Users who log in through the PBX are throttled as well. The PBX itself is not.
    let through = Page::open_as(&bench.simulation, &url, person("gangway-admin")).await;
    assert_eq!(through.err(), Some(OpenError::Refused), "throttled");
    bench.simulation.pbx.restart();
    bench.simulation.wait_gateway().await.unwrap();
}
