//! Tests several Devices apps: two App Platforms, two domains with equal category names, and Devices apps that behave in
//! one of the ways that the documents leave open.

use std::{io, sync::Arc};

use gangway::{phone::facet::DevicesState, store::TokenScope};
use gangway_base::clock::SystemClock;
use gangway_sim::{
    devices::{AddressForm, CategoryFilter, Devices, Station},
    simulation::Simulation,
    users::{ProvisionRequest, Users},
    yealink_phone::model,
};
use serde_json::json;

use crate::support::{
    bench::{Bench, TITLE, comes_up, simulation},
    mac,
    options::Options,
    script::Script,
};

/// A second Devices app, of another domain, that the PBX grants to the gateway's app objects.
async fn second(simulation: &Simulation) -> io::Result<Devices> {
    let clock = Arc::new(SystemClock);
    let devices =
        Devices::start_named(&simulation.host(), "second.example", "second password", clock, "devices-second").await?;
    simulation.pbx.add_app(devices.app_object());
    Ok(devices)
}

fn grant(simulation: &Simulation, app: &str, devices: &[&str]) {
    let devices = devices.iter().map(|name| (*name).to_owned()).collect();
    simulation.pbx.edit_app(app, |app| app.grants = devices);
}

async fn two(options: Options) -> (Bench, Devices) {
    let simulation = simulation().users(4).start().await.unwrap();
    let other = second(&simulation).await.unwrap();
    let bench = Bench::start_in(simulation, options).await;
    for app in ["gangway-admin", "gangway-yealink"] {
        grant(&bench.simulation, app, &["devices-api", "devices-second"]);
    }
    let script = Script::new(&bench.gateway, "both", TokenScope::Write).await;
    let both = async {
        // A Devices app whose link is not up yet has no categories.
        while script.get("/categories").await.text().matches("Phones").count() < 2 {}
    };
    tokio::time::timeout(crate::support::records::TIMEOUT, both).await.expect("the categories of both");
    (bench, other)
}

#[actix_rt::test]
async fn phones_of_two_devices_with_equal_category_names_never_mix() {
    let (bench, other) = two(Options::default()).await;
    let (first, second) = (mac(1), mac(2));
    bench.provisioned(first, "user1").await;
    let users = Users::start(&bench.simulation.host(), &bench.simulation.pbx, &other, &["gangway-yealink"]);
    let answer = users.provision(ProvisionRequest::new(&second.to_string(), "user2", TITLE)).await.unwrap();
    assert!(answer.ok, "{:?}", answer.error);

    let is_in = |domain: &'static str| {
        move |phone: &gangway::phone::record::Phone| {
            phone.devices_domain.as_deref() == Some(domain) && phone.category.as_deref() == Some("Phones")
        }
    };
    bench.records().wait_phone(first, "domain and category", is_in("example.com")).await;
    bench.records().wait_phone(second, "domain and category", is_in("second.example")).await;
    let own = &bench.simulation.devices;
    assert!(own.board().read(|state| !state.devices.contains_key(&second.to_string())));
    assert!(other.board().read(|state| !state.devices.contains_key(&first.to_string())));
    // Where a code was refused, no socket stays, so that no unassigned device is shown there.
    for (devices, stranger) in [(own, second), (&other, first)] {
        let hw_id = stranger.to_string();
        devices.board().wait("no socket", |state| state.connection(&hw_id).is_none().then_some(())).await.unwrap();
        assert!(devices.count(&hw_id, Station::CodeRefused) <= 1, "a code is tried once at each");
    }

    // A setting of the category of one domain does not reach the other one.
    let config = ["settings", "set", "language", "de", "--category", "second.example/Phones"];
    assert!(bench.gateway.command(&config).status.success());
    let file = |mac: &str| String::from_utf8(bench.gateway.command(&["render", "--mac", mac]).stdout).unwrap();
    assert!(file(&second.to_string()).contains("German"), "{}", file(&second.to_string()));
    assert!(!file(&first.to_string()).contains("German"), "{}", file(&first.to_string()));

    // After a restart each connects where its password is from.
    let proven = |devices: &Devices, mac: &str| devices.count(mac, Station::Proven);
    let (Bench { mut gateway, simulation }, firsts, seconds) = (bench, first.to_string(), second.to_string());
    let before = (proven(&simulation.devices, &firsts), proven(&other, &seconds));
    gateway.restart().await;
    simulation
        .devices
        .board()
        .wait("the first", |state| (state.count(&firsts, Station::Proven) > before.0).then_some(()))
        .await
        .unwrap();
    other
        .board()
        .wait("the second", |state| (state.count(&seconds, Station::Proven) > before.1).then_some(()))
        .await
        .unwrap();
}

#[actix_rt::test]
async fn categories_of_both_are_offered_and_a_code_comes_from_the_chosen_one() {
    let (bench, other) = two(Options::default()).await;
    let script = Script::new(&bench.gateway, "codes", TokenScope::Write).await;
    let offered = script.json("/categories").await;
    let mut domains: Vec<_> =
        offered["categories"].as_array().unwrap().iter().map(|row| row["domain"].as_str().unwrap()).collect();
    domains.sort_unstable();
    assert_eq!(domains, ["example.com", "second.example"], "{offered}");
    let mac = mac(1);
    let code = bench.simulation.devices.make_code(1, false);
    bench.simulation.devices.expire_code(&code);
    let request = ProvisionRequest { code: Some(code), ..ProvisionRequest::new(&mac.to_string(), "user1", TITLE) };
    assert!(!bench.ask(request).await.ok);
    bench.records().wait_devices(mac, DevicesState::NotInDomain).await;
    let act = format!("/phones/{mac}/actions/new-code");
    let refused = script.change("POST", &act, &json!({ "category": "Phones" })).await;
    assert!(refused.text().contains("second.example/Phones"), "{}", refused.text());
    let made = script.change("POST", &act, &json!({ "category": "second.example/Phones", "rollout": true })).await;
    assert!(made.status < 300, "{}", made.text());
    let phone = bench.records().wait_devices(mac, DevicesState::Received).await;
    assert_eq!((phone.devices_domain.as_deref(), phone.category.as_deref()), (Some("second.example"), Some("Phones")));
    assert!(other.board().read(|state| state.devices.contains_key(&mac.to_string())));
    assert_eq!(other.count(&mac.to_string(), Station::IdentifiedWithCode), 1);
}

#[actix_rt::test]
async fn a_renamed_domain_and_another_category_are_noticed_however_devices_filters() {
    for filter in [CategoryFilter::Ids, CategoryFilter::Names] {
        let simulation = simulation().start().await.unwrap();
        simulation.devices.switch(|switches| {
            switches.category_filter = filter;
            switches.tells_category_changes = true;
        });
        let lab = simulation.devices.add_category(1, "Lab", true);
        let bench = Bench::start_in(simulation, Options::default()).await;
        let mac = mac(1);
        bench.provisioned(mac, "user1").await;
        let is = |category: &'static str| {
            move |phone: &gangway::phone::record::Phone| phone.category.as_deref() == Some(category)
        };
        bench.records().wait_phone(mac, "its category", is("Phones")).await;
        bench.simulation.devices.move_to_category(&mac.to_string(), lab);
        bench.records().wait_phone(mac, "its new category", is("Lab")).await;
        bench.simulation.devices.rename_domain(1, "renamed.example");
        let renamed =
            |phone: &gangway::phone::record::Phone| phone.devices_domain.as_deref() == Some("renamed.example");
        bench.records().wait_phone(mac, "the new name of its domain", renamed).await;
    }
}

#[actix_rt::test]
async fn a_devices_that_ignores_the_filter_teaches_no_category() {
    let simulation = simulation().start().await.unwrap();
    simulation.devices.switch(|switches| switches.category_filter = CategoryFilter::Ignored);
    let bench = Bench::start_in(simulation, Options::default()).await;
    let (first, second) = (mac(1), mac(2));
    bench.provisioned(first, "user1").await;
    let known = |phone: &gangway::phone::record::Phone| phone.devices_domain.as_deref() == Some("example.com");
    bench.records().wait_phone(first, "its domain", known).await;
    let asked = |state: &gangway_sim::devices::DevicesState| {
        let filtered = state
            .requests
            .iter()
            .filter(|message| message["mt"] == "GetDevices" && message.get("categories").is_some());
        filtered.count()
    };
    let board = bench.simulation.devices.board();
    let before = board.read(asked);
    bench.provisioned(second, "user2").await;
    board.wait("the categories are asked for", |state| (asked(state) > before).then_some(())).await.unwrap();
    bench.records().wait_phone(second, "its domain", known).await;
    assert_eq!(bench.records().phone(first).unwrap().category, None, "nothing is guessed");
    // The devices of a category that does not exist are asked for first; the answer shows that nothing is filtered.
    let last = board.read(|state| {
        state.requests.iter().rev().find_map(|message| message["categories"].as_str().map(str::to_owned))
    });
    assert_eq!(last.as_deref(), Some("0"));
}

#[actix_rt::test]
async fn a_devices_that_never_tells_rights_is_used_without() {
    let simulation = simulation().start().await.unwrap();
    simulation.devices.switch(|switches| switches.no_user_info = true);
    let bench = Bench::start_in(simulation, Options::default()).await;
    let mac = mac(1);
    bench.provisioned(mac, "user1").await;
    let known = |phone: &gangway::phone::record::Phone| phone.devices_domain.as_deref() == Some("example.com");
    bench.records().wait_phone(mac, "its domain", known).await;
    let script = Script::new(&bench.gateway, "rights", TokenScope::Read).await;
    assert!(script.json("/categories").await.to_string().contains("Phones"));
    let logins = bench.simulation.pbx.board().read(|pbx| pbx.received("GetServiceLogin").len());
    assert_eq!(logins, 1, "one link");
}

#[actix_rt::test]
async fn every_form_of_the_address_of_devices_is_tried() {
    for form in [AddressForm::Bare, AddressForm::App] {
        let simulation = simulation().start().await.unwrap();
        simulation.devices.switch(|switches| switches.address = form);
        let bench = Bench::start_in(simulation, Options::default()).await;
        let mac = mac(1);
        bench.provisioned(mac, "user1").await;
        let known = |phone: &gangway::phone::record::Phone| phone.devices_domain.as_deref() == Some("example.com");
        bench.records().wait_phone(mac, "its domain", known).await;
    }
}

/// Split DNS: the name that the PBX announces does not exist here.
#[actix_rt::test]
async fn the_address_of_devices_may_be_overridden() {
    let simulation = simulation().start().await.unwrap();
    let real = simulation.devices.app_url();
    let base = real.strip_suffix("/innovaphone-devices-api").unwrap().to_owned();
    simulation.pbx.edit_app("devices-api", |app| {
        app.url = "https://devices.invalid/example.com/devices/innovaphone-devices-api".to_owned();
    });
    let options = Options { instance: format!("devices_url = \"{base}\""), ..Options::default() };
    let bench = Bench::start_in(simulation, options).await;
    let mac = mac(1);
    bench.provisioned(mac, "user1").await;
    let phone = bench.records().wait_devices(mac, DevicesState::Received).await;
    assert_eq!(phone.sysclient.url.as_deref(), Some(format!("{}/sysclients", base.replacen("http", "ws", 1)).as_str()));
    let known = |phone: &gangway::phone::record::Phone| phone.devices_domain.as_deref() == Some("example.com");
    bench.records().wait_phone(mac, "its domain", known).await;
}

#[actix_rt::test]
async fn devices_shows_the_phone_as_it_is_known_now() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let hw_id = mac.to_string();
    bench.provisioned(mac, "user1").await;
    let shown = |state: &gangway_sim::devices::DevicesState| {
        state.devices.get(&hw_id).map(|device| (device.product.clone(), device.version.clone(), device.name.clone()))
    };
    let board = bench.simulation.devices.board();
    let (product, version, name) = board.read(shown).unwrap();
    assert_eq!((product.as_str(), version.as_str()), ("Yealink", "unknown"));
    let entered = bench.simulation.pbx.device(&hw_id).unwrap()["text"].as_str().unwrap().to_owned();
    assert_eq!(name, entered, "what was entered in Profile");
    let phone = bench.simulation.add_phone(mac, model::T46U);
    comes_up(&phone).await;
    let told = |state: &gangway_sim::devices::DevicesState| {
        let (product, version, _) = shown(state)?;
        (product == "Yealink T46U" && version.contains('.')).then_some(())
    };
    board.wait("model and firmware", told).await.unwrap();
    bench.wait_single_sysclient(mac).await;
    assert_eq!(bench.simulation.devices.count(&hw_id, Station::DigestRefused), 0);
}
