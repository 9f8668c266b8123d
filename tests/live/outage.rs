//! Tests that configured phones are served during outages of peers and disk errors, even after a restart in the
//! meantime, and that everything recovers without intervention.

use std::{fs, time::Instant};

use gangway::{phone::facet::DevicesState, store::Health};
use gangway_sim::yealink_phone::{YealinkBootReport, YealinkPhone, model};

use crate::support::{bench::Bench, http, mac, records::TIMEOUT};

/// Checks that a poll finds the file unchanged and that a power cycle delivers the whole file again.
async fn is_served(phone: &YealinkPhone, when: &str) {
    let polled = phone.poll_once().await.unwrap();
    assert!(polled.unchanged && !polled.given_up, "{when}, asking again: {polled:#?}");
    let booted = phone.boot().await.unwrap();
    assert!(got_its_file(&booted), "{when}, after power on: {booted:#?}");
}

fn got_its_file(report: &YealinkBootReport) -> bool {
    let personal = |name: &str| name.ends_with(".cfg") && !name.starts_with("y0000");
    !report.given_up
        && report.requests.iter().any(|request| personal(&request.file) && matches!(request.status, 200 | 304))
        && report.requests.iter().all(|request| request.status < 500)
}

#[actix_rt::test]
async fn everything_around_is_away_and_phones_are_served_also_after_a_restart() {
    let mut bench = Bench::start().await;
    let phone = bench.installed(mac(1), model::T46U, "user1").await;
    is_served(&phone, "while all is well").await;

    bench.simulation.pbx.go_away();
    bench.simulation.devices.stop().await;
    bench.simulation.rps.stop().await;
    bench.records().wait_devices(mac(1), DevicesState::Lost).await;

    is_served(&phone, "while all is away").await;
    bench.gateway.restart().await;
    is_served(&phone, "after a restart while all is away").await;

    bench.simulation.rps.start_again().await.unwrap();
    bench.simulation.devices.start_again().await.unwrap();
    bench.simulation.pbx.come_back();
    bench.simulation.wait_gateway().await.unwrap();
    bench.records().wait_devices(mac(1), DevicesState::Received).await;
    bench.installed(mac(2), model::T31P, "user2").await;
    bench.assert_no_violation();
}

#[actix_rt::test]
async fn a_full_disk_stops_no_phone_and_is_reported_when_provisioning() {
    let bench = Bench::start().await;
    bench.gateway.expect_errors();
    let phone = bench.installed(mac(1), model::T46U, "user1").await;
    phone.poll_once().await.unwrap();

    bench.records().store.refuse_writes(true).await.unwrap();

    is_served(&phone, "while nothing can be written").await;
    let answer = bench.provision(mac(2), "user2").await;
    assert!(!answer.ok);
    assert!(answer.error.as_deref().unwrap().contains("read-only"), "{:?}", answer.error);

    bench.records().store.refuse_writes(false).await.unwrap();
    bench.installed(mac(2), model::T31P, "user2").await;
}

/// No WAL and no other file can be created next to the database.
#[actix_rt::test]
async fn after_a_restart_with_a_disk_that_takes_nothing_phones_are_served_and_it_heals() {
    let mut bench = Bench::start().await;
    bench.gateway.expect_errors();
    let phone = bench.installed(mac(1), model::T46U, "user1").await;
    phone.poll_once().await.unwrap();
    bench.gateway.stop();
    let log = bench.gateway.data().join("gangway.db-wal");
    // SQLite's threads end shortly after the gateway.
    let begun = Instant::now();
    while log.exists() {
        assert!(begun.elapsed() < TIMEOUT, "the log stays");
        actix_rt::task::yield_now().await;
    }
    fs::create_dir(&log).unwrap();

    bench.gateway.start_again().await;

    is_served(&phone, "after a restart with a disk that takes nothing").await;
    let ready = http::get(&bench.gateway.ops_url("readyz"), "test");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("Phones are served as they were"), "{}", ready.text());

    fs::remove_dir(&log).unwrap();
    bench.simulation.wait_gateway().await.unwrap();
    let begun = Instant::now();
    while bench.records().store.condition() != Health::Healthy {
        assert!(begun.elapsed() < TIMEOUT, "it is not written again: {:?}", bench.records().store.condition());
        actix_rt::task::yield_now().await;
    }
    bench.installed(mac(2), model::T31P, "user2").await;
}
