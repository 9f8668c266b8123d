//! Tests that a resync makes the phone fetch its file before its polling interval ends, and that the gateway observes
//! whether it did.

use std::{
    net::{IpAddr, Ipv4Addr},
    process::Output,
};

use gangway_base::mac::Mac;
use gangway_sim::{
    sip_phone::SipPhone,
    yealink_phone::{YealinkPhone, model},
};

use crate::support::{
    bench::{Bench, comes_up},
    in_background, mac, process,
};

/// A phone in service that listens for SIP at the address the PBX sees.
async fn in_service(bench: &Bench, mac: Mac, seen_at: Option<&str>) -> (YealinkPhone, SipPhone) {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let sip = SipPhone::start(&bench.simulation.host(), ip, mac, "T46U", "108.86.0.90").await.unwrap();
    let phone = bench.simulation.add_phone(mac, model::T46U);
    let address = seen_at.map_or_else(|| sip.address().to_string(), str::to_owned);
    phone.board().change(|flash| flash.sip_address = Some(address));
    bench.provisioned(mac, "user1").await;
    bench.records().wait_redirect(mac, gangway::phone::facet::RedirectState::Redirected).await;
    comes_up(&phone).await;
    bench.records().wait_done(mac).await;
    (phone, sip)
}

/// Runs the command in the background next to the gateway.
async fn resync(bench: &Bench, mac: Mac) -> Output {
    let config = bench.gateway.config();
    let run = move || process::run(&config, &["phones", "resync", &mac.to_string(), "--wait"]);
    actix_web::web::block(run).await.unwrap()
}

fn output_of(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

#[actix_rt::test]
async fn a_notified_phone_fetches_and_its_request_is_reported() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let (phone, sip) = in_service(&bench, mac, None).await;
    let (receiver, comes) = (sip.clone(), phone.clone());
    let coming = in_background(async move {
        receiver.board().wait("check-sync", |received| (!received.check_syncs.is_empty()).then_some(())).await.unwrap();
        comes.poll_once().await.unwrap()
    });

    let done = resync(&bench, mac).await;

    assert!(done.status.success() && output_of(&done).contains("fetched its present file"), "{}", output_of(&done));
    coming.await.unwrap();
    let received = sip.board().read(|received| received.check_syncs.clone());
    assert!(received.iter().all(|event| event == "check-sync;reboot=false"), "{received:?}");
    let events = bench.records().events(mac).await;
    let events: Vec<_> = events.iter().filter(|event| event.kind == "resync").collect();
    assert!(events.len() == 1 && events[0].text.contains("fetched"), "{events:#?}");
    // Without `--wait` the command returns at once and leaves nothing behind.
    assert!(bench.gateway.command(&["phones", "resync", &mac.to_string()]).status.success());
}

#[actix_rt::test]
async fn a_phone_that_does_not_fetch_is_not_reported_as_fetched() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let (_phone, sip) = in_service(&bench, mac, None).await;

    let done = resync(&bench, mac).await;

    assert!(!done.status.success());
    assert!(
        output_of(&done).contains("said yes (200) and did not come; it comes by itself at 20"),
        "{}",
        output_of(&done)
    );
    assert_eq!(sip.board().read(|received| received.check_syncs.len()), 1, "an answered NOTIFY is not repeated");
}

#[actix_rt::test]
async fn only_the_phone_that_is_meant_and_only_where_it_is_known_to_be() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let (_phone, sip) = in_service(&bench, mac, Some("10.9.9.9:5060")).await;

    let done = resync(&bench, mac).await;

    assert!(!done.status.success() && output_of(&done).contains("router in between"), "{}", output_of(&done));
    assert!(output_of(&done).contains("it comes by itself at 20"), "{}", output_of(&done));
    assert!(sip.board().read(|received| received.check_syncs.is_empty()));
    let unknown = resync(&bench, "805ec0999999".parse().unwrap()).await;
    assert!(!unknown.status.success() && output_of(&unknown).contains("805ec0999999"), "{}", output_of(&unknown));
}
