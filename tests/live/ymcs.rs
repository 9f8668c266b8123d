//! Tests Yealink's current cloud, which requires a phone's serial number next to its MAC. With it the phone is
//! zero-touch. Without it the administrator is informed what to do, and afterwards nothing has to be provisioned again.

use gangway::phone::facet::RedirectState;
use gangway_sim::{
    yealink_phone::{YealinkPhone, model},
    ymcs::Ymcs,
};

use crate::support::{
    bench::{Bench, comes_up, simulation},
    gateway::Gateway,
    mac,
    options::Options,
    records::TIMEOUT,
};

const KEY: (&str, &str) = ("access-key", "access-secret");
const SERIAL: &str = "3146019091637071";

async fn bench() -> (Bench, Ymcs) {
    let simulation = simulation().start().await.unwrap();
    let ymcs = Ymcs::start(&simulation.host(), KEY.0, KEY.1).await.unwrap();
    let mut options = Options::default();
    for (name, value) in [("protocol", "yealink-ymcs"), ("url", &ymcs.url()), ("user", KEY.0), ("password", KEY.1)] {
        options.settings.push((format!("redirect.yealink.{name}"), value.to_owned()));
    }
    let gateway = Gateway::start_with(options).await;
    simulation.connect_gateway(&gateway.base());
    simulation.wait_gateway().await.unwrap();
    (Bench { gateway, simulation }, ymcs)
}

/// Changes a setting and waits until the gateway has read it.
async fn set(bench: &Bench, arguments: &[&str]) {
    let mut changes = bench.records().store.settings().changes();
    let done = bench.gateway.command(&[&["settings", "set"], arguments].concat());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    tokio::time::timeout(TIMEOUT, changes.recv()).await.expect("the change is seen").unwrap();
}

fn unpack(bench: &Bench, ymcs: &Ymcs, number: u8) -> YealinkPhone {
    let network = bench.simulation.network.clone();
    YealinkPhone::new(&bench.simulation.host(), mac(number), model::T46U, Some(ymcs.phone_url()), network)
}

#[actix_rt::test]
async fn with_its_serial_number_a_phone_registers_without_manual_steps() {
    let (bench, ymcs) = bench().await;
    let mac = mac(1);
    ymcs.print_serial(mac, SERIAL);
    set(&bench, &["serial_number", SERIAL, "--phone", &mac.to_string()]).await;

    bench.provisioned(mac, "user1").await;
    let record = bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    let target = ymcs.target(mac).unwrap();
    assert!(target.ends_with(&format!("/{}/", record.token.expose())), "{target}");

    let report = unpack(&bench, &ymcs, 1).boot().await.unwrap();
    assert!(report.registered, "{report:#?}");
    bench.records().wait_done(mac).await;
    let history = bench.records().history(Some(mac)).await;
    let commands: Vec<&str> = history.iter().map(|row| row.command.as_str()).collect();
    assert!(commands.ends_with(&["CHECK DEVICE", "REDIRECT DEVICE"]), "{history:#?}");
    let kept = format!("{:?}", bench.records().history(None).await);
    for secret in [KEY.1, record.token.expose(), "of-the-simulator"] {
        assert!(!kept.contains(secret), "the history holds {secret}: {kept}");
    }
    assert!(kept.contains("ADD SERVER"), "{kept}");

    let done = bench.gateway.command(&["phones", "remove", &mac.to_string(), "--wait"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(ymcs.target(mac), None);
    bench.assert_no_violation();
}

#[actix_rt::test]
async fn without_it_the_administrator_is_notified_and_entering_it_is_enough() {
    let (bench, ymcs) = bench().await;
    let mac = mac(1);
    ymcs.print_serial(mac, SERIAL);

    let answer = bench.provision(mac, "user1").await;
    assert!(!answer.ok);
    let error = answer.error.unwrap();
    assert!(error.contains("serial_number") && error.contains("--phone"), "{error}");
    let record = bench.records().wait_redirect(mac, RedirectState::Refused).await;
    assert_eq!(record.redirect.error, Some(error));

    // A typing error is reported as such.
    set(&bench, &["serial_number", "3146019091637072", "--phone", &mac.to_string()]).await;
    let label = |phone: &gangway::phone::record::Phone| {
        phone.redirect.error.as_deref().is_some_and(|error| error.contains("with the label"))
    };
    bench.records().wait_phone(mac, "the wrong number on record", label).await;
    set(&bench, &["serial_number", SERIAL, "--phone", &mac.to_string()]).await;

    bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    comes_up(&unpack(&bench, &ymcs, 1)).await;
    bench.records().wait_done(mac).await;
}

#[actix_rt::test]
async fn by_mac_alone_if_configured_and_the_pin_is_shown() {
    let (bench, ymcs) = bench().await;
    let mac = mac(1);
    ymcs.switch(|switches| switches.mac_only = true);
    assert!(!bench.provision(mac, "user1").await.ok, "not without a person's choice");

    set(&bench, &["redirect.yealink.mac_only", "true"]).await;

    bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    let pin = ymcs.board().read(|state| state.devices[&mac.to_string()].pin.clone()).unwrap();
    let output = bench.gateway.command(&["phones", "show", &mac.to_string()]);
    assert!(String::from_utf8_lossy(&output.stdout).contains(&pin), "the PIN {pin} is not shown");
    let kept = format!("{:?}", bench.records().history(None).await);
    assert!(!kept.contains(&pin), "{kept}");
    comes_up(&unpack(&bench, &ymcs, 1)).await;
    bench.records().wait_done(mac).await;
}

#[actix_rt::test]
async fn a_phone_of_another_organisation_is_left_to_it() {
    let (bench, ymcs) = bench().await;
    let mac = mac(1);
    ymcs.add_foreign_phone(mac, "https://theirs.example/");
    set(&bench, &["serial_number", SERIAL, "--phone", &mac.to_string()]).await;
    let answer = bench.provision(mac, "user1").await;
    assert!(!answer.ok && answer.error.as_deref().unwrap().contains("another account"), "{:?}", answer.error);
    bench.records().wait_redirect(mac, RedirectState::ForeignOwner).await;
    assert_eq!(ymcs.target(mac).as_deref(), Some("https://theirs.example/"));
}
