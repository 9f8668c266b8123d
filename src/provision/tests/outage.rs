//! Each peer is away for eleven minutes of a manual clock or flaps, or the disk accepts no writes. Checks how often it
//! is retried, that nothing is lost, and how soon everything recovers.

use serde_json::json;

use super::{
    bench::{Bench, until},
    peer_errors::Peers,
};
use crate::{
    devices::sysclients::SysclientEventKind,
    pbx::user_objects::PbxError,
    phone::facet::{DevicesState, RedirectState, RegistrationState, UserObjectState, Wanted},
    provision::commands,
    redirect::RedirectResult,
};

const MINUTES_11: u64 = 660;
/// Time between two probes of an endpoint that is away.
const PROBE: u64 = 10;

/// Advances the clock in small steps and runs everything that happens in the meantime.
async fn live_on(bench: &Bench, seconds: u64) {
    for _ in 0..seconds / 5 {
        bench.pass(5);
        bench.settle().await;
    }
}

/// Counts the calls at the redirect service in every five seconds of a period; earlier calls are not counted.
async fn watch(bench: &Bench, seconds: u64) -> Vec<usize> {
    let count = || bench.peers.calls.lock().unwrap().len();
    let mut calls = Vec::new();
    for _ in 0..seconds / 5 {
        let before = count();
        bench.pass(5);
        bench.settle().await;
        calls.push(count() - before);
    }
    calls
}

/// No two calls are less than ten seconds apart.
fn are_probes(calls: &[usize]) -> bool {
    calls.windows(2).all(|two| two.iter().sum::<usize>() <= 1)
}

fn redirected(bench: &Bench) -> usize {
    let all = bench.store.phones().all();
    all.iter().filter(|phone| phone.redirect.state == RedirectState::Redirected).count()
}

fn serve(bench: &Bench, outcome: RedirectResult) {
    *bench.peers.service.lock().unwrap() = outcome;
}

const MANY: usize = 100;

#[tokio::test]
async fn a_redirect_service_away_for_eleven_minutes_is_probed_by_one_and_comes_back_for_all() {
    let mut bench = Bench::new().await;
    until("the server entry stands", || bench.peers.servers() == 1).await;
    serve(&bench, Peers::away());
    let answer = bench.request(bench.request_for("anna", "1"));
    bench.held(0).await;
    bench.devices_accepts().await;
    assert_eq!(answer.await.unwrap(), Ok(()), "Users need not wait for it");
    bench.provision_many(MANY - 1).await;
    bench.settle().await;

    let calls = watch(&bench, MINUTES_11).await;

    assert!(are_probes(&calls), "{calls:?}");
    let probes: usize = calls.iter().sum();
    assert!(
        probes >= usize::try_from(MINUTES_11 / PROBE).unwrap() - 1,
        "{probes} probes: it is looked for all the time"
    );
    for phone in bench.store.phones().all() {
        assert_eq!(phone.redirect.state, RedirectState::Pending);
        assert!(phone.redirect.error.is_some() && phone.redirect.next_attempt.is_some(), "{:?}", phone.redirect);
    }

    serve(&bench, RedirectResult::Ok(Default::default()));
    let before = bench.peers.registrations();
    live_on(&bench, PROBE).await;
    assert_eq!(redirected(&bench), MANY, "ten seconds later all are redirected");
    assert_eq!(bench.peers.entries.lock().unwrap().len(), MANY);
    live_on(&bench, MINUTES_11).await;
    assert_eq!(bench.peers.registrations() - before, MANY, "each once");
    bench.stop().await;
}

/// The service accepts a few calls and is away again, repeatedly.
#[tokio::test]
async fn a_redirect_service_that_flaps_takes_a_few_phones_each_time() {
    let mut bench = Bench::new().await;
    until("the server entry stands", || bench.peers.servers() == 1).await;
    serve(&bench, Peers::away());
    bench.provision_many(MANY).await;
    bench.settle().await;
    let mut rounds = 0;
    while redirected(&bench) < MANY {
        rounds += 1;
        assert!(rounds <= MANY / 7 + 1, "{} after {rounds} times", redirected(&bench));
        serve(&bench, RedirectResult::Ok(Default::default()));
        *bench.peers.tires_after.lock().unwrap() = Some(7);
        live_on(&bench, PROBE).await;
        let calls = watch(&bench, 60).await;
        assert!(are_probes(&calls), "{rounds}: {calls:?}");
    }
    assert_eq!(bench.peers.entries.lock().unwrap().len(), MANY);
    bench.stop().await;
}

#[tokio::test]
async fn a_gateway_started_again_during_the_outage_probes_no_more_and_heals_as_soon() {
    let mut bench = Bench::new().await;
    until("the server entry stands", || bench.peers.servers() == 1).await;
    let gone = bench.provision_many(3).await;
    bench.settle().await;
    assert_eq!(redirected(&bench), 3);
    serve(&bench, Peers::away());
    drop(bench.request(bench.request_for("anna", "1")));
    bench.held(3).await;
    bench.devices_accepts().await;
    // Withdrawing does not wait for a server entry, and is not reported more often either.
    for mac in gone {
        let phone = bench.store.phones().by_mac(bench.instance, mac).unwrap();
        commands::want(&bench.store, phone.id, Wanted::Removed).await.unwrap();
    }
    live_on(&bench, 60).await;

    for _ in 0..3 {
        bench.restart().await;
        bench.settle().await;
        let calls = watch(&bench, 100).await;
        assert!(are_probes(&calls) && calls.iter().sum::<usize>() >= 9, "{calls:?}");
    }

    serve(&bench, RedirectResult::Ok(Default::default()));
    live_on(&bench, PROBE).await;
    assert_eq!(bench.record().redirect.state, RedirectState::Redirected, "{:?}", bench.record().redirect);
    assert_eq!(bench.peers.entries.lock().unwrap().len(), 1, "the others are taken back");
    bench.stop().await;
}

#[tokio::test]
async fn a_service_that_asks_for_patience_is_left_alone_by_all() {
    for (wait, seconds) in [(Some(120), 120), (None, 60)] {
        let mut bench = Bench::new().await;
        until("the server entry stands", || bench.peers.servers() == 1).await;
        serve(&bench, RedirectResult::RateLimited { retry_after: wait.map(std::time::Duration::from_secs) });
        bench.provision_many(3).await;
        bench.settle().await;
        assert_eq!(bench.peers.registrations(), 1, "the first is told, the others wait as well");
        let calls = watch(&bench, seconds - 5).await;
        assert_eq!(calls.iter().sum::<usize>(), 0, "{wait:?}: {calls:?}");
        serve(&bench, RedirectResult::Ok(Default::default()));
        live_on(&bench, 5).await;
        assert_eq!(redirected(&bench), 3);
        bench.stop().await;
    }
}

/// A service that fails for one phone only is not away.
#[tokio::test]
async fn one_phone_the_service_cannot_digest_holds_up_no_other() {
    let mut bench = Bench::new().await;
    until("the server entry stands", || bench.peers.servers() == 1).await;
    serve(&bench, Peers::away());
    let macs = bench.provision_many(20).await;
    bench.settle().await;
    bench.peers.poison.lock().unwrap().insert(macs[0]);
    serve(&bench, RedirectResult::Ok(Default::default()));
    live_on(&bench, 2 * PROBE).await;
    assert_eq!(redirected(&bench), 19);
    bench.peers.poison.lock().unwrap().clear();
    live_on(&bench, 2 * PROBE).await;
    assert_eq!(redirected(&bench), 20);
    bench.stop().await;
}

#[tokio::test]
async fn a_pbx_away_for_eleven_minutes_gets_the_flags_when_it_comes() {
    let mut bench = Bench::new().await;
    *bench.peers.grant.lock().unwrap() = Err(PbxError::NoSession);
    *bench.peers.registered.lock().unwrap() = None;
    bench.provisioned().await;
    bench.fetch().await;

    live_on(&bench, MINUTES_11).await;

    let account = bench.record().accounts[0].clone();
    assert_eq!(account.user_object.state, UserObjectState::Pending, "{account:?}");
    assert!(account.user_object.next_attempt.is_some(), "{account:?}");

    *bench.peers.grant.lock().unwrap() = Ok(());
    *bench.peers.registered.lock().unwrap() = Some("192.0.2.7".into());
    bench.provisioning.pbx_changed(bench.instance);
    live_on(&bench, PROBE).await;
    let account = bench.record().accounts[0].clone();
    assert_eq!(account.user_object.state, UserObjectState::Applied, "{account:?}");
    assert_eq!(bench.peers.flags.lock().unwrap().len(), 1, "once");
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
    bench.send(SysclientEventKind::Closed { reason: "gone".into() }).await;
    for _ in 0..MINUTES_11 / 30 {
        let away = SysclientEventKind::EndpointAway { endpoint: "ap.example.com".into(), reason: "refused".into() };
        bench.send(away).await;
        live_on(&bench, 30).await;
    }
    let phone = bench.record();
    assert_eq!(phone.devices.state, DevicesState::Lost);
    assert!(phone.devices.error.as_deref().unwrap().contains("tried again"), "{:?}", phone.devices.error);
    assert_eq!((phone.revision, &phone.device_config.items), (before.revision, &before.device_config.items));

    bench.send(SysclientEventKind::Connected).await;
    bench.devices_sends().await;
    bench.until("all is well", |phone| phone.devices.state == DevicesState::Received).await;
    assert_eq!(bench.record().revision, before.revision, "nothing to fetch anew");
    bench.stop().await;
}

/// Devices sends its configuration once. It must not be lost if the disk accepts no writes at that moment.
#[cfg(feature = "demo")]
#[tokio::test]
async fn what_devices_says_while_the_disk_takes_nothing_is_written_later() {
    let mut bench = Bench::new().await;
    drop(bench.request(bench.request_for("anna", "1")));
    bench.held(0).await;
    bench.devices_gives_a_password().await;

    bench.store.refuse_writes(true).await.unwrap();
    bench.send(SysclientEventKind::AdminPassword("from devices".into())).await;
    bench.send(SysclientEventKind::Item(json!({"type": "NTP", "ntp1": "10.0.0.1"}))).await;
    let opened_with = None;
    bench.send(SysclientEventKind::Last { opened_with }).await;
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

/// The clock is set forward while actions are under way.
#[tokio::test]
async fn a_clock_that_jumps_forward_leaves_nothing_behind() {
    for jump in [120, 7_200, 86_400] {
        let mut bench = Bench::new().await;
        *bench.peers.service.lock().unwrap() = Peers::away();
        drop(bench.request(bench.request_for("anna", "1")));
        bench.held(0).await;
        bench.pass(jump);
        bench.devices_accepts().await;
        bench.pass(jump);
        *bench.peers.service.lock().unwrap() = RedirectResult::Ok(Default::default());
        live_on(&bench, PROBE).await;
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
