//! Tests a client that tries one MAC address after the other. Administrators are notified, requests from that source
//! that prove only a MAC are rejected, and the phones of the same site are not affected.

use gangway::phone::facet::RedirectState;
use gangway_sim::yealink_phone::model;
use serde_json::{Value, json};

use crate::support::{
    bench::{Bench, simulation},
    http, mac,
    options::Options,
    page::Page,
};

const SCANNER: &str = "Mozilla/5.0";

#[actix_rt::test]
async fn a_scanning_pc_behind_a_sites_nat_does_not_freeze_the_sites_phones() {
    let options = Options::default();
    let bench = Bench::start_in(simulation().users(9).start().await.unwrap(), options).await;
    // All requests in this test come from 127.0.0.1, as if from behind one router.
    let [first, second, third] = [mac(1), mac(2), mac(3)];
    let phone = bench.installed(first, model::T46U, "user1").await;
    bench.provisioned(second, "user2").await;
    bench.records().wait_redirect(second, RedirectState::Redirected).await;
    bench.provisioned(third, "user3").await;
    let allowed = bench.gateway.command(&["phones", "allow", &third.to_string(), "--without-token", "--wait"]);
    assert!(allowed.status.success(), "{allowed:?}");

    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    page.ask("Notices", json!({})).await;
    let phones = format!("{}/phone", bench.gateway.instance_url());
    let refused = http::get(&format!("{phones}/805ec0fff000.cfg"), SCANNER).shape();
    for number in 0..20 {
        let answer = http::get(&format!("{phones}/805ec0fff1{number:02x}.cfg"), SCANNER);
        assert_eq!(answer.shape(), refused, "frozen or not, the answer is the same");
    }

    let scanning = |message: &Value| {
        message["notices"].as_array().is_some_and(|all| all.iter().any(|one| one["key"] == "scanning"))
    };
    let change = page.until_message("NoticesChanged", scanning).await;
    let notice = change["notices"].as_array().unwrap().iter().find(|one| one["key"] == "scanning").unwrap();
    assert_eq!((&notice["severity"], &notice["text"]["params"]["address"]), (&json!("error"), &json!("127.0.0.1")));
    let metrics = http::get(&bench.gateway.ops_url("metrics"), "curl").text();
    assert!(metrics.contains("gangway_scanning_sources_total{sign=\"sequence\"}"), "{metrics}");

    // The bootstrap window that an administrator opened without a token is closed to this address.
    let agent = "Yealink SIP-T46U 108.86.0.20 80:5e:c0:12:34:03";
    let guessed = http::get(&format!("{phones}/{third}.cfg"), agent);
    assert_eq!(guessed.shape(), refused);
    assert!(bench.records().phone(third).unwrap().window.bound.is_none());

    assert!(phone.poll_once().await.unwrap().unchanged, "a phone with its own credentials");
    let report = bench.simulation.add_phone(second, model::T46U).boot().await.unwrap();
    assert!(report.registered, "a new phone that comes by its redirect URL: {report:#?}");
    bench.assert_no_violation();
}

/// Unknown MACs leave no state except a counter.
#[actix_rt::test]
async fn invented_addresses_make_no_state() {
    let bench = Bench::start().await;
    bench.installed(mac(1), model::T46U, "user1").await;
    let phones = format!("{}/phone", bench.gateway.instance_url());
    for number in 0..700_u32 {
        let name = format!("{phones}/00085d{:06x}.cfg", number * 4_099);
        assert_eq!(http::get(&name, SCANNER).status, 401);
    }
    let records = bench.records();
    assert_eq!(records.store.phones().in_instance(records.instance).len(), 1);
    let listed = bench.gateway.command(&["phones", "list", "--json", "--removed"]);
    assert_eq!(serde_json::from_slice::<Value>(&listed.stdout).unwrap().as_array().unwrap().len(), 1);
}
