//! Tests provisioning while the redirection service is unavailable: Users receives ok, and the phone is registered
//! there as soon as the service is available again.

use std::time::Duration;

use gangway::phone::facet::{DevicesState, RedirectState};
use gangway_sim::{simulation::Simulation, yealink_phone::model};

use crate::support::{
    bench::{Bench, comes_up, simulation},
    gateway::Gateway,
    mac,
    options::Options,
};

#[actix_rt::test]
async fn users_gets_ok_at_once_and_the_phone_is_redirected_later() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.simulation.rps.stop().await;

    let answer = bench.provision(mac, "user1").await;

    assert!(answer.ok, "{:?}", answer.error);
    assert!(answer.took < Duration::from_secs(10), "{:?}", answer.took);
    let record = bench.records().wait_phone(mac, "the failure on record", |phone| phone.redirect.error.is_some()).await;
    assert_eq!((record.devices.state, record.redirect.state), (DevicesState::Received, RedirectState::Pending));
    assert!(record.redirect.next_attempt.is_some(), "it goes on trying");

    bench.simulation.rps.start_again().await.unwrap();

    let record = bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    assert_eq!(record.redirect.error, None);
    comes_up(&bench.simulation.add_phone(mac, model::T46U)).await;
    bench.records().wait_done(mac).await;
    bench.assert_no_violation();
}

/// A 5xx answer of a proxy is treated as an outage as well.
#[actix_rt::test]
async fn a_service_that_is_out_of_order_delays_nothing_else() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.simulation.rps.switch(|switches| switches.status = Some(503));

    bench.provisioned(mac, "user1").await;

    let record = bench.records().wait_phone(mac, "the failure on record", |phone| phone.redirect.error.is_some()).await;
    assert_eq!(record.redirect.state, RedirectState::Pending);
    bench.simulation.rps.switch(|switches| switches.status = None);
    bench.records().wait_redirect(mac, RedirectState::Redirected).await;
}

/// Without unique URLs the phone uses the server entry that all phones share. This is still zero-touch.
#[actix_rt::test]
async fn an_account_without_urls_per_phone_is_zero_touch_as_well() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.simulation.rps.switch(|switches| switches.no_unique_url = true);
    bench.provisioned(mac, "user1").await;
    bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    assert!(!bench.phone_url(mac).contains(bench.records().phone(mac).unwrap().token.expose()));

    let report = bench.simulation.add_phone(mac, model::T46U).boot().await.unwrap();

    assert!(report.registered, "{report:#?}");
    bench.records().wait_done(mac).await;
}

/// Wrong credentials require an administrator. After they are corrected, no phone has to be provisioned again.
#[actix_rt::test]
async fn wrong_credentials_are_reported_and_right_ones_recover() {
    let simulation = simulation().start().await.unwrap();
    let mut options = Options::default().redirecting(&simulation);
    options.settings.push(("redirect.yealink.password".into(), "wrong".into()));
    let gateway = Gateway::start_with(options).await;
    simulation.connect_gateway(&gateway.base());
    simulation.wait_gateway().await.unwrap();
    let bench = Bench { gateway, simulation };
    let mac = mac(1);

    let answer = bench.provision(mac, "user1").await;

    assert!(!answer.ok);
    assert!(answer.error.as_deref().unwrap().contains("password"), "{:?}", answer.error);
    bench.records().wait_redirect(mac, RedirectState::Refused).await;

    let set = ["settings", "set", "redirect.yealink.password", Simulation::RPS_PASSWORD];
    let done = bench.gateway.command(&set);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));

    bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    comes_up(&bench.simulation.add_phone(mac, model::T46U)).await;
    bench.records().wait_done(mac).await;
}
