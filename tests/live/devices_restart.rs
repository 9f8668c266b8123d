//! Tests that every phone and the API link reconnect without intervention and without a connection storm when Devices
//! stops, restarts or moves.

use std::time::Duration;

use futures_util::future::join_all;
use gangway::phone::facet::{DevicesState, RedirectState};
use gangway_sim::{
    devices::{ConfigItem, Station},
    users::ProvisionRequest,
    yealink_phone::model,
};
use serde_json::json;

use crate::support::{
    bench::{Bench, TITLE, simulation},
    mac,
    options::Options,
};

fn api_logins(bench: &Bench) -> usize {
    bench.simulation.devices.board().read(|state| {
        state.requests.iter().filter(|request| request["mt"] == "GetDevices" && request["recvUpdates"] == true).count()
    })
}

#[actix_rt::test]
async fn after_a_restart_of_devices_everything_comes_back_by_itself() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let hwid = mac.to_string();
    let phone = bench.installed(mac, model::T46U, "user1").await;
    bench
        .simulation
        .devices
        .board()
        .wait("the list of devices being asked for", |s| {
            s.requests.iter().any(|r| r["mt"] == "GetDevices").then_some(())
        })
        .await
        .unwrap();
    let logins = api_logins(&bench);
    let proven = bench.simulation.devices.count(&hwid, Station::Proven);

    bench.simulation.devices.stop().await;
    bench.records().wait_devices(mac, DevicesState::Lost).await;
    // A phone is served from its stored configuration.
    assert!(phone.poll_once().await.unwrap().unchanged);
    bench.simulation.devices.start_again().await.unwrap();

    bench.simulation.devices.wait_configured(&hwid).await.unwrap();
    bench.records().wait_devices(mac, DevicesState::Received).await;
    assert_eq!(bench.simulation.devices.count(&hwid, Station::IdentifiedWithCode), 1, "it comes back by its password");
    assert_eq!(bench.simulation.devices.count(&hwid, Station::Proven), proven + 1);
    let again = "the list of devices being asked for again";
    let request = |requests: &[serde_json::Value]| {
        requests.iter().filter(|request| request["mt"] == "GetDevices" && request["recvUpdates"] == true).count()
    };
    bench
        .simulation
        .devices
        .board()
        .wait(again, |state| (request(&state.requests) > logins).then_some(()))
        .await
        .unwrap();
    bench.assert_no_violation();
}

#[actix_rt::test]
async fn a_change_of_the_devices_url_moves_every_phone() {
    let bench = Bench::start().await;
    let (first, second) = (mac(1), mac(2));
    bench.installed(first, model::T46U, "user1").await;

    bench.simulation.devices.move_away().await.unwrap();
    let url = bench.simulation.devices.app_url();
    bench.simulation.pbx.edit_app("devices-api", |app| app.url = url);

    bench.simulation.devices.wait_configured(&first.to_string()).await.unwrap();
    bench.records().wait_devices(first, DevicesState::Received).await;
    // New phones use the new address as well, and changes arrive from there.
    bench.installed(second, model::T31P, "user2").await;
    let before = bench.records().phone(first).unwrap().revision;
    let content = json!({ "type": "NTP", "ntp1": "10.3.3.3", "tz": "UTC0" });
    bench.simulation.devices.push_item(&ConfigItem { categories: Vec::new(), content });
    bench.records().wait_phone(first, "a change from the new place", |phone| phone.revision > before).await;
}

#[actix_rt::test]
async fn phones_come_back_no_faster_than_configured() {
    const PER_SECOND: u32 = 10;
    const PHONES: u8 = 25;
    const BUNCHED: usize = 4;
    let options = Options { connects_per_second: PER_SECOND, ..Options::default() };
    let bench = Bench::start_in(simulation().users(PHONES.into()).start().await.unwrap(), options).await;
    bench.simulation.users.connect("gangway-yealink").await.unwrap();
    let provisioning = (1..=PHONES).map(|number| {
        let bench = &bench;
        async move { bench.provisioned(mac(number), &format!("user{number}")).await }
    });
    join_all(provisioning).await;
    let before = bench.simulation.devices.board().read(|state| state.connects.len());

    bench.simulation.devices.stop().await;
    bench.simulation.devices.start_again().await.unwrap();

    for number in 1..=PHONES {
        bench.simulation.devices.wait_configured(&mac(number).to_string()).await.unwrap();
    }
    let connects = bench.simulation.devices.board().read(|state| state.connects.clone());
    assert!(connects.len() >= before + usize::from(PHONES));
    // No one-second interval contains more connects than are allowed, apart from a few that a busy machine delays.
    for (index, start) in connects.iter().enumerate() {
        let within =
            connects[index..].iter().take_while(|at| at.duration_since(*start).unsigned_abs() < Duration::from_secs(1));
        let count = within.count();
        assert!(count <= PER_SECOND as usize + BUNCHED, "{count} connects within one second");
    }
}

#[actix_rt::test]
async fn after_a_restart_of_the_pbx_everything_comes_back_by_itself() {
    let bench = Bench::start().await;
    let (first, second) = (mac(1), mac(2));
    bench.installed(first, model::T46U, "user1").await;
    let closed = || bench.simulation.devices.count(&first.to_string(), Station::Closed);
    let closed_before = closed();
    let logins = |state: &gangway_sim::pbx::PbxState| state.links["gangway-yealink"].logins;
    let before = bench.simulation.pbx.board().read(logins);

    bench.simulation.pbx.restart();

    bench
        .simulation
        .pbx
        .board()
        .wait("the PBX to connect again", |state| (logins(state) > before).then_some(()))
        .await
        .unwrap();
    bench.simulation.wait_gateway().await.unwrap();
    // Sysclients do not depend on the PBX, so the open one stays connected.
    assert_eq!(closed(), closed_before);
    bench.installed(second, model::T31P, "user2").await;
    bench.assert_no_violation();
}

/// Users is informed that provisioning continues while Devices is unavailable, and it does.
#[actix_rt::test]
async fn a_provisioning_outlives_an_outage_of_devices() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let hwid = mac.to_string();
    bench.simulation.devices.stop().await;
    let code = bench.simulation.devices.make_code(1, false);
    let request = ProvisionRequest { code: Some(code), ..ProvisionRequest::new(&hwid, "user1", TITLE) };

    let answer = bench.ask(request.clone()).await;

    assert!(!answer.ok);
    assert!(answer.error.as_deref().unwrap().contains("goes on trying"), "{:?}", answer.error);
    // Steps that do not need Devices are done, so that the phone is redirected when it boots.
    bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    let phone = bench.simulation.add_phone(mac, model::T46U);
    let early = phone.boot().await.unwrap();
    assert!(early.registrations.is_empty() && !early.given_up, "{early:#?}");

    bench.simulation.devices.start_again().await.unwrap();

    bench.records().wait_devices(mac, DevicesState::Received).await;
    assert!(bench.ask(request).await.ok, "a repeated request is answered from the record");
    assert_eq!(bench.simulation.devices.count(&hwid, Station::IdentifiedWithCode), 1);
    assert!(phone.poll_once().await.unwrap().registered);
    bench.records().wait_done(mac).await;
    bench.assert_no_violation();
}
