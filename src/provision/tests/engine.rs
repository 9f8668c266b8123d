use std::time::Duration;

use gangway_base::mac::Mac;

use super::{
    bench::{Bench, rest, until},
    peer_errors::{Peers, granted},
};
use crate::{
    devices::sysclients::{Credential, SysclientEventKind},
    pbx::user_objects::PbxError,
    phone::{
        facet::{DevicesState, RedirectState, RegistrationState, RequestState, UserObjectState, Wanted},
        record::{Delivery, Flags, Phone, new_token},
    },
    provision::commands,
    redirect::RedirectResult,
    settings::Scope,
};

#[tokio::test]
async fn the_happy_path_ends_registered() {
    let mut bench = Bench::new().await;
    let answer = bench.request(bench.request_for("anna", "1"));
    let hold = bench.held(0).await;
    assert_eq!(hold.credential, Credential::Code("1".into()));
    assert_eq!(hold.identity.product, "Yealink");
    bench.devices_accepts().await;
    assert_eq!(answer.await.unwrap(), Ok(()));
    let phone = bench.record();
    assert_eq!(phone.devices.state, DevicesState::Received);
    assert_eq!(phone.redirect.state, RedirectState::Redirected);
    assert!(phone.code.is_none(), "a spent code is dropped");
    let url = phone.redirect_entry.as_ref().unwrap().url.expose().to_owned();
    assert_eq!(url, format!("https://gw.example.com/example.com/gangway/phone/{}/", phone.token.expose()));
    assert!(bench.peers.flags.lock().unwrap().is_empty(), "flags wait for the delivery");
    bench.fetch().await;
    bench.until("registered", |phone| phone.accounts[0].registration.state == RegistrationState::Registered).await;
    bench.until("flags", |phone| phone.accounts[0].user_object.state == UserObjectState::Applied).await;
    let phone = bench.record();
    assert_eq!(phone.request.state, RequestState::Provisioned);
    assert_eq!(phone.accounts[0].user_guid.as_deref(), Some("guid-of-anna"));
    bench.fetch().await;
    rest().await;
    assert_eq!(bench.peers.flags.lock().unwrap().len(), 1, "once per provisioning and value");
    assert_eq!((bench.peers.registrations(), bench.peers.holds.lock().unwrap().len()), (1, 1));
    bench.stop().await;
}

#[tokio::test]
async fn the_password_is_stored_before_the_fleet_goes_on() {
    let mut bench = Bench::new().await;
    let _answer = bench.request(bench.request_for("anna", "1"));
    bench.held(0).await;
    let (stored, is_stored) = tokio::sync::oneshot::channel();
    bench.send(SysclientEventKind::Password { password: "p".into(), sent: Some("1".into()), stored }).await;
    is_stored.await.unwrap();
    assert_eq!(bench.record().sysclient.password, Some("p".into()));
    assert!(bench.record().code.is_none());
    bench.stop().await;
}

#[tokio::test]
async fn later_items_are_written_after_a_second_of_quiet() {
    let mut bench = Bench::new().await;
    let _answer = bench.request(bench.request_for("anna", "1"));
    bench.held(0).await;
    bench.devices_accepts().await;
    bench.until("config", |phone| phone.devices.state == DevicesState::Received).await;
    let revision = bench.record().revision;
    bench.send(SysclientEventKind::Item(serde_json::json!({"type": "NTP", "ntp1": "10.0.0.2"}))).await;
    rest().await;
    assert_eq!(bench.record().revision, revision);
    bench.pass(1);
    bench.until("the change", |phone| phone.revision > revision).await;
    assert_eq!(bench.record().device_config.items["NTP"]["ntp1"], "10.0.0.2");
    bench.stop().await;
}

#[tokio::test]
async fn a_burst_after_a_reconnect_rebuilds_the_set() {
    let mut bench = Bench::new().await;
    let _answer = bench.request(bench.request_for("anna", "1"));
    bench.held(0).await;
    bench.devices_accepts().await;
    bench.until("config", |phone| phone.devices.state == DevicesState::Received).await;
    bench.send(SysclientEventKind::Closed { reason: "gone".into() }).await;
    bench.until("lost", |phone| phone.devices.state == DevicesState::Lost).await;
    bench.send(SysclientEventKind::Item(serde_json::json!({"type": "MEDIA"}))).await;
    bench.send(SysclientEventKind::Last { opened_with: None }).await;
    bench.until("config", |phone| phone.devices.state == DevicesState::Received).await;
    let items: Vec<String> = bench.record().device_config.items.keys().cloned().collect();
    assert_eq!(items, ["MEDIA"]);
    bench.stop().await;
}

#[tokio::test]
async fn a_missing_grant_is_told_and_healed_by_granting() {
    let mut bench = Bench::new().await;
    *bench.peers.grant.lock().unwrap() = Err(PbxError::NotPermitted);
    let _answer = bench.request(bench.request_for("anna", "1"));
    bench.held(0).await;
    bench.devices_accepts().await;
    bench.until("config", |phone| phone.devices.state == DevicesState::Received).await;
    bench.fetch().await;
    bench.until("refused", |phone| phone.accounts[0].user_object.state == UserObjectState::NotPermitted).await;
    *bench.peers.grant.lock().unwrap() = Ok(());
    bench.provisioning.pbx_changed(bench.instance);
    bench.until("applied", |phone| phone.accounts[0].user_object.state == UserObjectState::Applied).await;
    bench.stop().await;
}

#[tokio::test]
async fn a_phone_that_does_not_register_is_asked_for_ten_minutes() {
    let mut bench = Bench::new().await;
    *bench.peers.registered.lock().unwrap() = None;
    let _answer = bench.request(bench.request_for("anna", "1"));
    bench.held(0).await;
    bench.devices_accepts().await;
    bench.until("config", |phone| phone.devices.state == DevicesState::Received).await;
    bench.fetch().await;
    bench.until("asked", |phone| phone.accounts[0].registration.next_attempt.is_some_and(|at| at > bench.now())).await;
    for round in 1..=12 {
        bench.pass(60);
        let done = |phone: &crate::phone::record::Phone| {
            let registration = &phone.accounts[0].registration;
            registration.next_attempt.is_none_or(|at| at > bench.now())
        };
        bench.until(&format!("round {round}"), done).await;
    }
    let registration = bench.record().accounts[0].registration.clone();
    assert_eq!((registration.state, registration.next_attempt), (RegistrationState::NotRegistered, None));
    bench.stop().await;
}

#[tokio::test]
async fn removal_undoes_everything_and_leaves_a_tombstone() {
    let mut bench = Bench::new().await;
    bench.provisioned().await;
    let id = bench.record().id;
    commands::want(&bench.store, id, Wanted::Removed).await.unwrap();
    bench.until("buried", |phone| phone.removed_at.is_some()).await;
    assert_eq!(bench.peers.deregistrations(), 1);
    assert_eq!(*bench.peers.drops.lock().unwrap(), [id]);
    let phone = bench.record();
    assert!(phone.redirect_entry.is_none() && phone.sysclient.password.is_none());
    assert!(phone.accounts[0].password.is_empty());
    assert!(commands::is_carried_out(&phone));
    let answer = bench.request(bench.request_for("anna", "2"));
    bench.held(1).await;
    bench.devices_accepts().await;
    assert_eq!(answer.await.unwrap(), Ok(()), "a removed phone can be provisioned again");
    assert_eq!(bench.record().id, id);
    bench.stop().await;
}

#[tokio::test]
async fn an_unused_phone_is_withdrawn_after_a_week() {
    let mut bench = Bench::new().await;
    bench.provisioned().await;
    bench.pass(7 * 86_400);
    bench.until("withdrawn", |phone| phone.redirect_entry.is_none() && phone.window.closed.is_some()).await;
    assert!(bench.record().accounts[0].password.is_empty());
    rest().await;
    assert_eq!(bench.peers.registrations(), 1, "and not registered again");
    let phone = bench.record();
    commands::allow(&bench.store, phone.id, Default::default(), bench.now()).await.unwrap();
    let events = bench.store.phones().events(phone.id, 10).await.unwrap();
    let matches = |text: &str| text.contains("open part only") && text.contains("Provision it again");
    assert!(events.iter().any(|event| matches(&event.text)), "{events:?}");
    bench.stop().await;
}

#[tokio::test]
async fn a_changed_public_url_moves_every_phone_and_is_announced() {
    let mut bench = Bench::new().await;
    bench.provisioned().await;
    assert_eq!(bench.peers.servers(), 1);
    bench.move_to("https://new.example.com").await;
    let moved = |phone: &crate::phone::record::Phone| {
        phone.redirect.state == RedirectState::Redirected
            && phone.redirect_entry.as_ref().is_some_and(|entry| entry.url.expose().starts_with("https://new."))
    };
    bench.until("moved", moved).await;
    assert_eq!((bench.peers.servers(), bench.peers.registrations()), (2, 2));
    bench.stop().await;
}

#[tokio::test]
async fn a_learned_url_is_used_and_a_conflict_moves_nobody() {
    let mut bench = Bench::new().await;
    bench.move_to("").await;
    let learned = |url: &str| url.parse::<url::Url>().unwrap();
    bench.provisioning.app_url(bench.instance, "yealink", learned("https://a.example.com/example.com/gangway"));
    bench.provisioned().await;
    assert!(bench.record().redirect_entry.as_ref().unwrap().url.expose().starts_with("https://a.example.com/"));
    bench.provisioning.app_url(bench.instance, "yealink", learned("https://b.example.com/example.com/gangway"));
    let conflict = || bench.store.learned().urls_of(bench.instance, "yealink").conflict.is_some();
    until("the conflict is recorded", conflict).await;
    rest().await;
    assert_eq!(bench.peers.registrations(), 1);
    bench.provisioning.app_url_removed(bench.instance, "yealink", learned("https://a.example.com/example.com/gangway"));
    let moved = |phone: &crate::phone::record::Phone| {
        phone.redirect_entry.as_ref().is_some_and(|entry| entry.url.expose().starts_with("https://b."))
    };
    bench.until("moved when the old one is gone", moved).await;
    bench.stop().await;
}

#[tokio::test]
async fn a_phone_without_a_known_url_shows_why_until_it_is_known() {
    let mut bench = Bench::new().await;
    bench.move_to("http://10.0.0.1:8080").await;
    let answer = bench.request(bench.request_for("anna", "1"));
    bench.held(0).await;
    bench.devices_accepts().await;
    let says = |phone: &Phone| phone.redirect.error.as_ref().is_some_and(|error| error.contains("shall come by https"));
    bench.until("the reason", says).await;
    bench.until("config", |phone| phone.devices.state == DevicesState::Received).await;
    rest().await;
    assert_eq!(bench.record().redirect.attempts, 1, "said once");
    bench.pass(31);
    let matches = answer.await.unwrap().unwrap_err();
    assert!(matches.contains("http://10.0.0.1:8080") && matches.contains("goes on trying"), "{matches}");
    let again = bench.request(bench.request_for("anna", "1")).await.unwrap().unwrap_err();
    assert_eq!(again, matches, "a repeated request is answered at once");
    let scheme = "http".into();
    bench
        .store
        .settings()
        .set_one(bench.instance, &Scope::Instance, "provisioning_scheme", Some(&scheme))
        .await
        .unwrap();
    bench.until("redirected", |phone| phone.redirect.state == RedirectState::Redirected).await;
    assert_eq!(bench.record().redirect.error, None);
    bench.stop().await;
}

/// A PBX that is moved announces the new URL while the old session is still closing.
#[tokio::test]
async fn urls_named_in_quick_succession_end_with_the_last() {
    let mut bench = Bench::new().await;
    bench.move_to("").await;
    let [a, b] = ["a", "b"].map(|host| format!("https://{host}.example.com/example.com/gangway"));
    let url = |text: &str| text.parse::<url::Url>().unwrap();
    bench.provisioning.app_url(bench.instance, "yealink", url(&a));
    bench.provisioning.app_url(bench.instance, "yealink", url(&b));
    bench.provisioning.app_url_removed(bench.instance, "yealink", url(&a));
    rest().await;
    let learned = || bench.store.learned().urls_of(bench.instance, "yealink").url;
    until("the last one is learned", || learned().as_deref() == Some(b.as_str())).await;
    rest().await;
    assert_eq!(bench.store.learned().urls_of(bench.instance, "yealink").conflict, None);
    assert_eq!(learned(), Some(b));
    bench.stop().await;
}

#[tokio::test]
async fn a_service_that_is_away_is_probed_and_heals() {
    let mut bench = Bench::new().await;
    until("the server entry stands", || bench.peers.servers() == 1).await;
    *bench.peers.service.lock().unwrap() = Peers::away();
    let answer = bench.request(bench.request_for("anna", "1"));
    bench.held(0).await;
    bench.devices_accepts().await;
    assert_eq!(answer.await.unwrap(), Ok(()), "ok at once; it goes on by itself");
    let before = bench.peers.registrations();
    rest().await;
    assert_eq!(bench.peers.registrations(), before, "no storm while it is away");
    *bench.peers.service.lock().unwrap() = RedirectResult::Ok(Default::default());
    bench.pass(600);
    bench.until("redirected", |phone| phone.redirect.state == RedirectState::Redirected).await;
    bench.stop().await;
}

#[tokio::test]
async fn devices_that_moved_are_followed() {
    let mut bench = Bench::new().await;
    bench.provisioned().await;
    *bench.peers.devices.lock().unwrap() = vec![granted("wss://other.example.com/sysclients", &[])];
    bench.provisioning.devices_changed(bench.instance);
    let hold = bench.held(1).await;
    assert_eq!(hold.url.host_str(), Some("other.example.com"));
    assert_eq!(hold.credential, Credential::Password("sysclient-password".into()));
    bench.stop().await;
}

#[tokio::test]
async fn what_all_phones_share_is_carried_out_in_portions_and_for_all_of_them() {
    let bench = Bench::new().await;
    let now = bench.now();
    for index in 0..300_u32 {
        let [_, _, a, b] = index.to_be_bytes();
        let mut phone = Phone::sample();
        phone.mac = Mac::new([0x80, 0x5e, 0xc0, 0, a, b]).unwrap();
        (phone.instance, phone.token) = (bench.instance, new_token());
        phone.request.reach(RequestState::Provisioned, now);
        phone.delivery = Some(Delivery { at: now, revision: 1, provisioning: 1, etag: "\"e\"".into() });
        let account = &mut phone.accounts[0];
        account.hwid = phone.mac.to_string();
        account.flags_written = Some(Flags { media_relay: true, tls_only: true, reverse_proxy: true });
        account.flags_provisioning = 1;
        account.user_object.reach(UserObjectState::Applied, now);
        bench.store.phones().create(phone, Vec::new()).await.unwrap();
    }
    rest().await;
    assert_eq!(bench.peers.flags.lock().unwrap().len(), 0, "nothing to write yet");
    bench
        .store
        .settings()
        .set_one(bench.instance, &Scope::Instance, "media_relay", Some(&"false".into()))
        .await
        .unwrap();
    let written = || bench.peers.flags.lock().unwrap().len();
    until("the first portion", || written() >= 64).await;
    rest().await;
    assert!(written() < 300, "all at once: {}", written());
    until("all of them", || {
        bench.clock.advance(Duration::from_millis(5));
        written() == 300
    })
    .await;
    bench.stop().await;
}
