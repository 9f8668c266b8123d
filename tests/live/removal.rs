//! Tests the commands that remove, release, block and allow a phone.

use gangway::phone::facet::RedirectState;
use gangway_base::mac::Mac;
use gangway_sim::yealink_phone::model;
use serde_json::Value;

use crate::support::{
    bench::{Bench, comes_up},
    http, mac,
};

/// Runs `gangway phones <what> <mac> --wait` next to the running gateway.
fn command(bench: &Bench, what: &str, mac: Mac) {
    let done = bench.gateway.command(&["phones", what, &mac.to_string(), "--wait"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn listed(bench: &Bench, extra: &[&str]) -> Vec<Value> {
    let arguments: Vec<&str> = ["phones", "list", "--json"].iter().chain(extra).copied().collect();
    let done = bench.gateway.command(&arguments);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice::<Value>(&done.stdout).unwrap().as_array().unwrap().clone()
}

#[actix_rt::test]
async fn a_removed_phone_leaves_nothing_but_its_history() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let phone = bench.installed(mac, model::T46U, "user1").await;
    assert!(phone.poll_once().await.unwrap().unchanged);
    let url = format!("{}{mac}.cfg", bench.phone_url(mac));
    let history = bench.records().history(Some(mac)).await.len();

    command(&bench, "remove", mac);

    assert_eq!(bench.simulation.rps.target(mac), None, "the entry at the redirection service is gone");
    let hwid = mac.to_string();
    let gone = |state: &gangway_sim::devices::DevicesState| state.connection(&hwid).is_none().then_some(());
    bench.simulation.devices.board().wait("the sysclient to be closed", gone).await.unwrap();
    let refused = http::get(&url, &model::T46U.user_agent(mac));
    assert_eq!((refused.status, refused.body.len()), (404, 0));
    let report = phone.poll_once().await.unwrap();
    assert!(report.files.iter().all(|(_, body)| !body.contains("secret-1")), "{report:#?}");
    // The tombstone and the history remain.
    assert!(listed(&bench, &[]).is_empty());
    let deleted = listed(&bench, &["--removed"]);
    assert_eq!(deleted.len(), 1);
    assert!(deleted[0]["removed_at"].is_string());
    let after = bench.records().history(Some(mac)).await;
    assert!(after.len() > history);
    assert_eq!(after.last().unwrap().command, "DEREGISTER DEVICE");
    assert!(!bench.records().events(mac).await.is_empty());
    bench.assert_no_violation();
}

/// A removed phone can be provisioned again.
#[actix_rt::test]
async fn a_removed_phone_can_be_provisioned_again() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let phone = bench.installed(mac, model::T46U, "user1").await;
    let before = bench.records().phone(mac).unwrap();
    command(&bench, "remove", mac);

    bench.provisioned(mac, "user2").await;
    bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    bench.simulation.pbx.edit_user(
        &bench.simulation.pbx.board().read(|pbx| pbx.user("user1").unwrap().guid.clone()),
        |user| {
            user.devices.retain(|device| device["hw"] != mac.to_string());
        },
    );
    phone.factory_reset();
    comes_up(&phone).await;

    let after = bench.records().wait_done(mac).await;
    assert_ne!(after.token, before.token);
    assert_ne!(after.own.password, before.own.password);
    assert_eq!(listed(&bench, &[]).len(), 1);
}

#[actix_rt::test]
async fn a_released_phone_gets_one_more_file_that_switches_its_accounts_off() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let phone = bench.installed(mac, model::T46U, "user1").await;

    let done = bench.gateway.command(&["phones", "release", &mac.to_string()]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    bench.records().wait_phone(mac, "the wish on record", |phone| phone.wanted.as_str() == "released").await;
    let report = phone.poll_once().await.unwrap();

    assert!(report.registrations.is_empty(), "every account is off: {report:#?}");
    assert!(report.files.iter().all(|(_, body)| !body.contains("secret-1")), "{report:#?}");
    let personal = |report: &gangway_sim::yealink_phone::YealinkBootReport| {
        report.files.iter().any(|(name, _)| *name == format!("{mac}.cfg"))
    };
    assert!(personal(&report), "{report:#?}");
    bench
        .records()
        .wait_phone(mac, "the last delivery on record", |phone| {
            phone.delivery.as_ref().is_some_and(|delivery| delivery.revision >= phone.revision)
        })
        .await;
    let again = phone.boot().await.unwrap();
    assert!(!personal(&again) && again.registrations.is_empty(), "then nothing: {again:#?}");
    let hwid = mac.to_string();
    let gone = |state: &gangway_sim::devices::DevicesState| state.connection(&hwid).is_none().then_some(());
    bench.simulation.devices.board().wait("the sysclient to be closed", gone).await.unwrap();
}

#[actix_rt::test]
async fn a_blocked_phone_gets_nothing_whatever_it_proves() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let phone = bench.installed(mac, model::T46U, "user1").await;
    assert!(phone.poll_once().await.unwrap().unchanged);

    command(&bench, "block", mac);

    let report = phone.poll_once().await.unwrap();
    assert!(report.files.iter().all(|(name, _)| *name != format!("{mac}.cfg")), "{report:#?}");
}

#[actix_rt::test]
async fn a_reset_phone_is_let_in_again_by_a_click_and_only_then() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let phone = bench.installed(mac, model::T46U, "user1").await;
    assert!(phone.poll_once().await.unwrap().unchanged);
    bench.records().wait_phone(mac, "the window closed", |phone| phone.window.closed.is_some()).await;
    phone.factory_reset();
    let report = phone.boot().await.unwrap();
    assert!(!report.registered && report.registrations.is_empty(), "{report:#?}");
    assert!(report.requests.iter().any(|request| request.status == 401), "{report:#?}");

    command(&bench, "allow", mac);
    phone.factory_reset();

    let report = phone.boot().await.unwrap();
    assert!(report.registered, "{report:#?}");
    bench.records().wait_done(mac).await;
}

/// Such a command makes no change that the serving process could see.
#[actix_rt::test]
async fn a_request_that_is_already_fulfilled_is_answered_at_once() {
    let bench = Bench::start().await;
    bench.provisioned(mac(1), "user1").await;
    command(&bench, "block", mac(1));
    command(&bench, "block", mac(1));
}
