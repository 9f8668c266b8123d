//! Tests a phone that requests its file before its configuration has arrived. The answer makes it retry in a minute and
//! contains no secret. A Yealink phone gives up after three quick tries.

use gangway::phone::facet::RequestState;
use gangway_sim::{users::ProvisionRequest, yealink_phone::model};

use crate::support::{
    bench::{Bench, TITLE},
    http, in_background, mac,
};

#[actix_rt::test]
async fn a_phone_that_is_too_early_comes_again_in_a_minute() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let hwid = mac.to_string();
    bench.simulation.devices.gates().arm("config");
    let users = bench.simulation.users.clone();
    let request = ProvisionRequest::new(&hwid, "user1", TITLE);
    let provisioning = in_background(async move { users.provision(request).await });
    bench.simulation.devices.gates().wait_until_held("config").await.unwrap();
    // The record has the token, but the redirection service does not know it yet.
    let record = bench.records().wait_phone(mac, "the record", |_| true).await;
    let url = format!("{}/phone/{}/", bench.gateway.instance_url(), record.token.expose());
    let phone = bench.simulation.add_phone(mac, model::T46U);
    phone.set_server(&url, None);

    let report = phone.boot().await.unwrap();

    assert!(!report.given_up && !report.registered, "{report:#?}");
    assert!(report.registrations.is_empty(), "{report:#?}");
    assert_eq!(phone.board().read(|flash| flash.settings.repeat_minutes(false)), Some(1));
    let files: String = report.files.iter().map(|(_, body)| body.as_str()).collect();
    for secret in ["secret-1", record.own.password.expose()] {
        assert!(!files.contains(secret), "{files}");
    }
    let record = bench.records().wait_request(mac, RequestState::BeforeConfig).await;
    assert_eq!(record.request.state.text(), "Requested before config");
    assert!(record.delivery.is_none());

    bench.simulation.devices.gates().release("config");
    assert!(provisioning.await.unwrap().unwrap().ok);
    let report = phone.poll_once().await.unwrap();

    assert!(report.registered, "{report:#?}");
    bench.records().wait_done(mac).await;
    assert_ne!(phone.board().read(|flash| flash.settings.repeat_minutes(false)), Some(1));
}

/// A HEAD request does not count as a delivery.
#[actix_rt::test]
async fn a_head_is_no_delivery() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.provisioned(mac, "user1").await;
    let url = format!("{}{mac}.cfg", bench.phone_url(mac));
    let agent = model::T46U.user_agent(mac);

    let head = http::request("HEAD", &url, &[("User-Agent", &agent)], b"");

    assert_eq!((head.status, head.body.len()), (200, 0));
    assert!(bench.records().phone(mac).unwrap().delivery.is_none());
    let full = http::get(&url, &agent);
    assert_eq!(full.status, 200);
    assert_eq!(head.header("content-length"), full.header("content-length"));
    bench.records().wait_request(mac, RequestState::Provisioned).await;
}
