//! Every neighbour away for eleven minutes of a clock in the test's hand, flapping, or a disk that takes nothing: how often
//! it is tried, that nothing is lost, and how soon all is well again.

use serde_json::json;

use super::{
    bench::{Bench, until},
    outside::Outside,
};
use crate::{
    phone::facet::{DevicesState, RedirectState, RegistrationState, UserObjectState},
    provision::ports::PbxError,
    redirect::Outcome,
    sysclients::FleetEventKind,
};

const MINUTES_11: u64 = 660;
/// Time between two probes of an endpoint that is away.
const PROBE: u64 = 10;

/// Lets the clock go on in small steps, with everything that happens meanwhile.
async fn live_on(bench: &Bench, seconds: u64) {
    for _ in 0..seconds / 5 {
        bench.pass(5);
        bench.settle().await;
    }
}

#[tokio::test]
async fn a_redirect_service_away_for_eleven_minutes_is_probed_politely_and_heals() {
    let mut bench = Bench::new().await;
    until("the server entry stands", || bench.outside.servers() == 1).await;
    *bench.outside.service.lock().unwrap() = Outside::away();
    let answer = bench.request(bench.wish("anna", "1"));
    bench.held(0).await;
    bench.devices_accepts().await;
    assert_eq!(answer.await.unwrap(), Ok(()), "Users need not wait for it");
    let before = bench.outside.calls.lock().unwrap().len();

    live_on(&bench, MINUTES_11).await;

    let probes = bench.outside.calls.lock().unwrap().len() - before;
    let most = usize::try_from(MINUTES_11 / PROBE).unwrap() + 1;
    assert!((1..=most).contains(&probes), "{probes} calls in eleven minutes");
    let phone = bench.record();
    assert_eq!(phone.redirect.state, RedirectState::Pending);
    assert!(phone.redirect.error.is_some() && phone.redirect.next_attempt.is_some(), "{:?}", phone.redirect);

    *bench.outside.service.lock().unwrap() = Outcome::Ok(Default::default());
    // The phone's own pause has grown to five minutes at most.
    live_on(&bench, 305).await;
    assert_eq!(bench.record().redirect.state, RedirectState::Redirected, "{:?}", bench.record().redirect);
    bench.stop().await;
}

#[tokio::test]
async fn a_redirect_service_that_flaps_ends_with_one_entry() {
    let mut bench = Bench::new().await;
    until("the server entry stands", || bench.outside.servers() == 1).await;
    *bench.outside.service.lock().unwrap() = Outside::away();
    drop(bench.request(bench.wish("anna", "1")));
    bench.held(0).await;
    bench.devices_accepts().await;
    for round in 0..20 {
        let outcome = if round % 2 == 0 { Outside::away() } else { Outcome::RateLimited { retry_after: None } };
        *bench.outside.service.lock().unwrap() = outcome;
        live_on(&bench, 15).await;
    }
    *bench.outside.service.lock().unwrap() = Outcome::Ok(Default::default());
    // A service that asks for patience gets it: up to five minutes.
    live_on(&bench, 305).await;
    assert_eq!(bench.record().redirect.state, RedirectState::Redirected, "{:?}", bench.record().redirect);
    assert_eq!(bench.outside.entries.lock().unwrap().len(), 1);
    bench.stop().await;
}

#[tokio::test]
async fn a_pbx_away_for_eleven_minutes_gets_the_flags_when_it_comes() {
    let mut bench = Bench::new().await;
    *bench.outside.grant.lock().unwrap() = Err(PbxError::NoSession);
    *bench.outside.registered.lock().unwrap() = None;
    bench.provisioned().await;
    bench.fetch().await;

    live_on(&bench, MINUTES_11).await;

    let account = bench.record().accounts[0].clone();
    assert_eq!(account.user_object.state, UserObjectState::Pending, "{account:?}");
    assert!(account.user_object.next_attempt.is_some(), "{account:?}");

    *bench.outside.grant.lock().unwrap() = Ok(());
    *bench.outside.registered.lock().unwrap() = Some("192.0.2.7".into());
    bench.provisioning.pbx_changed(bench.instance);
    live_on(&bench, PROBE).await;
    let account = bench.record().accounts[0].clone();
    assert_eq!(account.user_object.state, UserObjectState::Applied, "{account:?}");
    assert_eq!(bench.outside.flags.lock().unwrap().len(), 1, "once");
    live_on(&bench, MINUTES_11).await;
    let account = bench.record().accounts[0].clone();
    assert!(matches!(account.registration.state, RegistrationState::Registered | RegistrationState::NotRegistered));
    bench.stop().await;
}

#[tokio::test]
async fn devices_away_for_eleven_minutes_keeps_the_configuration_there_was() {
    let mut bench = Bench::new().await;
    bench.provisioned().await;
    bench.settle().await;
    let before = bench.record();
    bench.send(FleetEventKind::Closed { reason: "gone".into() }).await;
    for _ in 0..MINUTES_11 / 30 {
        let away = FleetEventKind::EndpointAway { endpoint: "ap.example.com".into(), reason: "refused".into() };
        bench.send(away).await;
        live_on(&bench, 30).await;
    }
    let phone = bench.record();
    assert_eq!(phone.devices.state, DevicesState::Lost);
    assert!(phone.devices.error.as_deref().unwrap().contains("tried again"), "{:?}", phone.devices.error);
    assert_eq!((phone.revision, &phone.device_config.items), (before.revision, &before.device_config.items));

    bench.send(FleetEventKind::Connected).await;
    bench.devices_sends().await;
    bench.until("all is well", |phone| phone.devices.state == DevicesState::Received).await;
    assert_eq!(bench.record().revision, before.revision, "nothing to fetch anew");
    bench.stop().await;
}

/// Devices says its configuration once. A disk that takes nothing at that moment must not lose it.
#[cfg(feature = "sim")]
#[tokio::test]
async fn what_devices_says_while_the_disk_takes_nothing_is_written_later() {
    let mut bench = Bench::new().await;
    drop(bench.request(bench.wish("anna", "1")));
    bench.held(0).await;
    bench.devices_gives_a_password().await;

    bench.store.refuse_writes(true).await.unwrap();
    bench.send(FleetEventKind::AdminPassword("from devices".into())).await;
    bench.send(FleetEventKind::Item(json!({"type": "NTP", "ntp1": "10.0.0.1"}))).await;
    let opened_with = None;
    bench.send(FleetEventKind::Last { opened_with }).await;
    for _ in 0..10 {
        bench.pass(5);
        super::bench::rest().await;
    }
    assert_eq!(bench.record().device_config.received, None);

    bench.store.refuse_writes(false).await.unwrap();
    live_on(&bench, 15).await;
    let phone = bench.record();
    assert_eq!(phone.devices.state, DevicesState::Received, "{:?}", phone.devices);
    assert!(phone.device_config.items.contains_key("NTP"));
    assert_eq!(phone.device_config.admin_password, Some("from devices".into()));
    bench.stop().await;
}

/// Somebody sets the clock while everything is on its way.
#[tokio::test]
async fn a_clock_that_jumps_forward_leaves_nothing_behind() {
    for jump in [120, 7_200, 86_400] {
        let mut bench = Bench::new().await;
        *bench.outside.service.lock().unwrap() = Outside::away();
        drop(bench.request(bench.wish("anna", "1")));
        bench.held(0).await;
        bench.pass(jump);
        bench.devices_accepts().await;
        bench.pass(jump);
        *bench.outside.service.lock().unwrap() = Outcome::Ok(Default::default());
        live_on(&bench, 305).await;
        assert_eq!(bench.record().redirect.state, RedirectState::Redirected, "{jump}: {:?}", bench.record().redirect);
        bench.fetch().await;
        live_on(&bench, 10).await;
        bench.pass(jump);
        live_on(&bench, 10).await;
        let account = &bench.record().accounts[0];
        assert_eq!(account.user_object.state, UserObjectState::Applied, "{jump}");
        assert_eq!(account.registration.state, RegistrationState::Registered, "{jump}");
        bench.stop().await;
    }
}
