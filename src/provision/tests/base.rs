//! A DECT base: one phone, a user per handset.

use super::{
    bench::{Bench, MAC, rest, until},
    peer_errors::user,
};
use crate::{
    devices::sysclients::{Credential, SysclientEventKind},
    pbx::user_objects::{PbxError, PbxUser},
    phone::{
        facet::{DevicesState, RedirectState, RegistrationState, UserObjectState},
        record::{Account, Gone},
    },
    provision::{ProvisionRequest, commands},
    redirect::RedirectResult,
};

fn request_for(bench: &Bench, user: &str, code: &str) -> ProvisionRequest {
    ProvisionRequest { provider: "yealink-dect".into(), ..bench.request_for(user, code) }
}

fn lines(bench: &Bench) -> Vec<(u16, String)> {
    bench.record().accounts.iter().map(|account| (account.line, account.username.clone())).collect()
}

/// A base in service with one user: joined, redirected, delivered, flags written, its bootstrap window closed.
async fn in_service() -> Bench {
    let mut bench = Bench::new().await;
    let answer = bench.request(request_for(&bench, "anna", "1"));
    bench.held(0).await;
    bench.devices_accepts().await;
    answer.await.unwrap().unwrap();
    bench.fetch().await;
    bench.until("flags", |phone| phone.accounts[0].user_object.state == UserObjectState::Applied).await;
    bench.until("registered", |phone| phone.accounts[0].registration.state == RegistrationState::Registered).await;
    bench.pass(15 * 60);
    bench.until("the window closed", |phone| phone.window.closed.is_some()).await;
    bench
}

#[tokio::test]
async fn a_further_user_changes_nothing_for_the_first() {
    let bench = in_service().await;
    let before = bench.record();

    bench.request(request_for(&bench, "berta", "2")).await.unwrap().unwrap();

    let after = bench.record();
    assert_eq!(lines(&bench), [(1, "anna".to_owned()), (2, "berta".to_owned())]);
    assert_eq!(after.accounts[0], before.accounts[0]);
    assert_eq!((&after.token, &after.own, &after.window), (&before.token, &before.own, &before.window));
    assert_eq!((&after.devices, &after.redirect_entry), (&before.devices, &before.redirect_entry));
    assert!(after.revision > before.revision, "the next GET brings another file");
    rest().await;
    // Devices knows the base: the second code is never sent, and no second sysclient is opened.
    assert_eq!((bench.peers.holds.lock().unwrap().len(), bench.peers.registrations()), (1, 1));
    assert!(bench.record().code.is_none());
    let flags = |bench: &Bench| -> Vec<String> {
        bench.peers.flags.lock().unwrap().iter().map(|(hwid, _)| hwid.clone()).collect()
    };
    assert_eq!(flags(&bench), ["hw-anna"], "flags of the new user wait for the delivery, the first's are not repeated");
    bench.gets(bench.delivered()).await;
    bench.until("flags", |phone| phone.accounts[1].user_object.state == UserObjectState::Applied).await;
    bench.until("registered", |phone| phone.accounts[1].registration.state == RegistrationState::Registered).await;
    rest().await;
    assert_eq!(flags(&bench), ["hw-anna", "hw-berta"]);
    bench.stop().await;
}

#[tokio::test]
async fn a_repeated_request_of_a_further_user_is_answered_from_the_record() {
    let mut bench = in_service().await;
    bench.request(request_for(&bench, "berta", "2")).await.unwrap().unwrap();
    let before = bench.record();
    for user_and_code in [("berta", "2"), ("anna", "1")] {
        let (user, code) = user_and_code;
        if user == "anna" {
            // The first user's code was spent before the second's, but is still recognised.
            bench.restart().await;
        }
        bench.request(request_for(&bench, user, code)).await.unwrap().unwrap();
        rest().await;
        assert_eq!(bench.record().provisioning, before.provisioning, "{user}");
        assert!(bench.record().code.is_none(), "{user}");
    }
    bench.stop().await;
}

#[tokio::test]
async fn the_same_user_again_keeps_the_line_and_gets_the_new_password() {
    let mut bench = in_service().await;
    bench.request(request_for(&bench, "berta", "2")).await.unwrap().unwrap();
    let before = bench.record();
    let again = ProvisionRequest { password: "new-password".into(), ..request_for(&bench, "anna", "3") };
    let answer = bench.request(again);
    let hold = bench.held(1).await;
    assert!(matches!(hold.credential, Credential::CodeOrPassword { code, .. } if code == "3".into()));
    bench.devices_accepts().await;
    answer.await.unwrap().unwrap();
    let after = bench.record();
    assert_eq!(lines(&bench), [(1, "anna".to_owned()), (2, "berta".to_owned())]);
    assert_eq!(after.accounts[0].password, "new-password".into());
    let asked = Account { device_name: Some(String::new()), ..before.accounts[1].clone() };
    assert_eq!(after.accounts[1], asked, "only the name of its device was asked for");
    assert_eq!((&after.token, &after.own), (&before.token, &before.own));
    assert!(after.window.is_open(bench.now()), "asked for by a person: the base may have been reset");
    bench.stop().await;
}

#[tokio::test]
async fn a_factory_fresh_base_may_boot_seven_days_after_its_last_user() {
    let mut bench = Bench::new().await;
    let answer = bench.request(request_for(&bench, "anna", "1"));
    bench.held(0).await;
    bench.devices_accepts().await;
    answer.await.unwrap().unwrap();
    let token = bench.record().token.clone();
    bench.pass(6 * 86_400);
    bench.request(request_for(&bench, "berta", "2")).await.unwrap().unwrap();
    let phone = bench.record();
    assert!(phone.window.is_open(bench.now().saturating_add(std::time::Duration::from_secs(6 * 86_400)).unwrap()));
    assert_eq!(phone.token, token);
    bench.stop().await;
}

#[tokio::test]
async fn the_second_user_is_served_alone_if_the_first_never_received_its_configuration() {
    let mut bench = Bench::new().await;
    let answer = bench.request(request_for(&bench, "anna", "1"));
    bench.held(0).await;
    bench.devices_accepts().await;
    answer.await.unwrap().unwrap();
    bench.pass(8 * 86_400);
    bench.until("withdrawn", |phone| phone.redirect_entry.is_none() && phone.window.closed.is_some()).await;
    bench.request(request_for(&bench, "berta", "2")).await.unwrap().unwrap();
    bench.until("redirected", |phone| phone.redirect_entry.is_some()).await;
    let phone = bench.record();
    assert!(phone.window.is_open(bench.now()));
    assert_eq!((phone.accounts[0].is_served(), phone.accounts[1].is_served()), (false, true));
    bench.stop().await;
}

#[tokio::test]
async fn the_models_accounts_are_the_limit() {
    let bench = in_service().await;
    bench.request(request_for(&bench, "berta", "2")).await.unwrap().unwrap();
    bench.request(request_for(&bench, "carla", "3")).await.unwrap().unwrap();
    let before = bench.record();
    let refused = bench.request(request_for(&bench, "dora", "4")).await.unwrap().unwrap_err();
    assert!(refused.contains("has 3 accounts and all of them are in use"), "{refused}");
    assert_eq!(bench.record(), before);
    commands::release_or_remove(&bench.store, before.id, "berta").await.unwrap();
    bench.request(request_for(&bench, "dora", "5")).await.unwrap().unwrap();
    let expected = [(1, "anna".to_owned()), (2, "dora".to_owned()), (3, "carla".to_owned())];
    assert_eq!(lines(&bench), expected, "the free place is taken");
    bench.stop().await;
}

#[tokio::test]
async fn a_user_is_taken_off_and_the_others_stay() {
    let bench = in_service().await;
    bench.request(request_for(&bench, "berta", "2")).await.unwrap().unwrap();
    let before = bench.record();
    commands::release_or_remove(&bench.store, before.id, "anna").await.unwrap();
    let after = bench.record();
    assert_eq!(lines(&bench), [(2, "berta".to_owned())], "nobody moves to another line");
    assert_eq!(after.accounts[0], before.accounts[1]);
    assert!(after.revision > before.revision);
    let refused = commands::release_or_remove(&bench.store, before.id, "berta").await.unwrap_err().to_string();
    assert!(refused.contains("remove the phone itself"), "{refused}");
    assert!(
        commands::release_or_remove(&bench.store, before.id, "anna")
            .await
            .unwrap_err()
            .to_string()
            .contains("no account")
    );
    rest().await;
    assert_eq!(bench.peers.deregistrations(), 0);
    bench.stop().await;
}

#[tokio::test]
async fn a_handset_goes_to_another_user_with_its_hwid() {
    let bench = in_service().await;
    bench.request(request_for(&bench, "berta", "2")).await.unwrap().unwrap();
    let token = bench.record().token.clone();
    let carla = ProvisionRequest { hwid: "HW-ANNA".into(), ..request_for(&bench, "carla", "3") };
    bench.request(carla).await.unwrap().unwrap();
    assert_eq!(lines(&bench), [(1, "carla".to_owned()), (2, "berta".to_owned())]);
    assert_eq!(bench.record().token, token);
    bench.stop().await;
}

/// Users may enter the base's own MAC as HW-ID for every user: it identifies no handset.
#[tokio::test]
async fn the_address_of_the_base_as_hwid_replaces_no_handset() {
    let mut bench = Bench::new().await;
    let by_base =
        |bench: &Bench, user: &str, code: &str| ProvisionRequest { hwid: MAC.into(), ..request_for(bench, user, code) };
    let answer = bench.request(by_base(&bench, "anna", "1"));
    bench.held(0).await;
    bench.devices_accepts().await;
    answer.await.unwrap().unwrap();
    bench.request(by_base(&bench, "berta", "2")).await.unwrap().unwrap();
    assert_eq!(lines(&bench), [(1, "anna".to_owned()), (2, "berta".to_owned())]);
    // Created again under the same name: the user keeps her own line.
    bench.fetch().await;
    bench.until("the guids", |phone| phone.accounts.iter().all(|account| account.user_guid.is_some())).await;
    let anew = PbxUser { guid: "another-guid".into(), ..user("anna") };
    bench.peers.users.lock().unwrap().insert("anna".into(), Ok(anew));
    bench.request(by_base(&bench, "anna", "3")).await.unwrap().unwrap();
    assert_eq!(lines(&bench), [(1, "anna".to_owned()), (2, "berta".to_owned())]);
    assert_eq!(bench.record().accounts[0].user_guid.as_deref(), Some("another-guid"));
    bench.stop().await;
}

#[tokio::test]
async fn a_base_that_devices_lost_joins_again_with_the_next_users_code() {
    let mut bench = in_service().await;
    bench.provisioning.device_removed(bench.instance, MAC);
    bench.until("out", |phone| phone.devices.state == DevicesState::NotInDomain).await;
    assert_eq!(bench.record().accounts[0].orphaned.map(|orphaned| orphaned.gone), Some(Gone::Device));
    let answer = bench.request(request_for(&bench, "berta", "2"));
    let hold = bench.held(1).await;
    assert!(matches!(hold.credential, Credential::CodeOrPassword { code, .. } if code == "2".into()));
    bench.devices_accepts().await;
    answer.await.unwrap().unwrap();
    assert!(bench.record().accounts.iter().all(|account| account.orphaned.is_none()), "both are back");
    bench.stop().await;
}

#[tokio::test]
async fn a_refused_code_of_the_first_user_is_not_the_second_users_fault() {
    let mut bench = Bench::new().await;
    let first = bench.request(request_for(&bench, "anna", "bad"));
    bench.held(0).await;
    bench.until("trying", |phone| phone.devices.state == DevicesState::Connecting).await;
    let second = bench.request(request_for(&bench, "berta", "good"));
    bench.until("both", |phone| phone.accounts.len() == 2).await;
    assert_eq!(bench.record().code, Some("bad".into()), "what is being tried is not taken away");
    bench.send(SysclientEventKind::Connected).await;
    bench.send(SysclientEventKind::Silence { sent: Some("bad".into()) }).await;
    let hold = bench.held(1).await;
    assert_eq!(hold.credential, Credential::Code("good".into()));
    bench.devices_accepts().await;
    assert_eq!(second.await.unwrap(), Ok(()));
    // The first request gets the rejection or, if it checked later, the success: the base is in the domain now.
    let _told = first.await.unwrap();
    assert_eq!(lines(&bench), [(1, "anna".to_owned()), (2, "berta".to_owned())]);
    bench.stop().await;
}

#[tokio::test]
async fn two_users_at_once_both_get_their_answer() {
    let mut bench = Bench::new().await;
    let (one, two) =
        (bench.request(request_for(&bench, "anna", "1")), bench.request(request_for(&bench, "berta", "2")));
    bench.until("both", |phone| phone.accounts.len() == 2).await;
    bench.held(0).await;
    bench.devices_accepts().await;
    assert_eq!((one.await.unwrap(), two.await.unwrap()), (Ok(()), Ok(())));
    bench.stop().await;
}

/// The table of answers applies to an added user as to the first one.
#[tokio::test]
async fn an_added_user_gets_the_state_of_the_base() {
    let bench = in_service().await;
    // The redirect entry was lost in the meantime.
    bench.store.phones().change(bench.record().id, |phone, _| phone.redirect_entry = None).await.unwrap();
    *bench.peers.service.lock().unwrap() = RedirectResult::OwnedByOther;
    bench.until("foreign", |phone| phone.redirect.state == RedirectState::ForeignOwner).await;
    let reported = bench.request(request_for(&bench, "berta", "2")).await.unwrap();
    assert_eq!(reported, Err(RedirectResult::OwnedByOther.sentence()));
    *bench.peers.service.lock().unwrap() = RedirectResult::Ok(Default::default());
    bench.request(request_for(&bench, "carla", "3")).await.unwrap().unwrap();
    let reason = || SysclientEventKind::EndpointAway { endpoint: "ap:443".into(), reason: "refused".into() };
    let mut bench = bench;
    bench.send(reason()).await;
    bench.until("away", |phone| phone.devices.state == DevicesState::Lost).await;
    commands::release_or_remove(&bench.store, bench.record().id, "carla").await.unwrap();
    let answer = bench.request(request_for(&bench, "dora", "4"));
    bench.until("added", |phone| phone.accounts.len() == 3).await;
    rest().await;
    bench.pass(30);
    assert!(answer.await.unwrap().unwrap_err().contains("goes on trying"));
    bench.stop().await;
}

#[tokio::test]
async fn a_delivery_on_its_way_when_a_user_is_added_counts_for_the_first() {
    let mut bench = Bench::new().await;
    let answer = bench.request(request_for(&bench, "anna", "1"));
    bench.held(0).await;
    bench.devices_accepts().await;
    answer.await.unwrap().unwrap();
    let on_its_way = bench.delivered();
    bench.request(request_for(&bench, "berta", "2")).await.unwrap().unwrap();
    bench.gets(on_its_way).await;
    bench.until("flags", |phone| phone.accounts[0].user_object.state == UserObjectState::Applied).await;
    rest().await;
    assert_eq!(bench.record().accounts[1].user_object.state, UserObjectState::Pending);
    bench.gets(bench.delivered()).await;
    bench.until("flags", |phone| phone.accounts[1].user_object.state == UserObjectState::Applied).await;
    bench.stop().await;
}

#[tokio::test]
async fn a_user_who_is_gone_is_written_off_alone_and_comes_back() {
    let bench = in_service().await;
    bench.request(request_for(&bench, "berta", "2")).await.unwrap().unwrap();
    bench.peers.users.lock().unwrap().insert("anna".into(), Err(PbxError::UserNotFound));
    bench.pass(86_400);
    bench.until("seen", |phone| phone.accounts[0].orphaned.is_some_and(|known| known.gone == Gone::User)).await;
    let before = bench.record();
    assert!(before.accounts[1].orphaned.is_none() && before.accounts[0].is_served());
    for _ in 0..7 {
        bench.pass(86_400);
        rest().await;
    }
    bench.until("written off", |phone| phone.accounts[0].withheld.is_some()).await;
    let after = bench.record();
    assert!(after.accounts[1].is_served());
    assert!(after.revision > before.revision, "the base gets a file without her");
    assert_eq!(after.accounts[0].orphaned, before.accounts[0].orphaned, "since the first sign");
    bench.peers.users.lock().unwrap().remove("anna");
    bench.pass(86_400);
    bench.until("back", |phone| phone.accounts[0].is_served() && phone.accounts[0].orphaned.is_none()).await;
    bench.stop().await;
}

#[tokio::test]
async fn a_device_taken_off_the_user_object_is_noticed_and_an_unreachable_pbx_says_nothing() {
    let bench = in_service().await;
    let without = PbxUser { devices: Vec::new(), ..user("anna") };
    for (says, orphaned) in [
        (Err(PbxError::NoSession), None),
        (Err(PbxError::Timeout), None),
        (Ok(without), Some(Gone::Entry)),
        (Err(PbxError::NoSession), Some(Gone::Entry)),
        (Ok(user("anna")), None),
    ] {
        bench.peers.users.lock().unwrap().insert("anna".into(), says.clone());
        bench.pass(86_400);
        rest().await;
        let is = |phone: &crate::phone::record::Phone| phone.accounts[0].orphaned.map(|known| known.gone) == orphaned;
        bench.until(&format!("{says:?}"), is).await;
    }
    bench.stop().await;
}

#[tokio::test]
async fn a_mac_stays_with_its_manufacturer_entry() {
    let bench = in_service().await;
    let before = bench.record();
    let refused = bench.request(bench.request_for("berta", "2")).await.unwrap().unwrap_err();
    assert!(refused.contains("in service with the manufacturer \"Yealink DECT\""), "{refused}");
    assert_eq!(bench.record(), before);
    bench.stop().await;
}

#[tokio::test]
async fn a_mac_of_another_manufacturer_is_refused_with_the_right_entry() {
    let mut bench = Bench::new().await;
    let snom = crate::provision::ports::ProviderFacts {
        vendor: "snom".into(),
        title: "Snom".into(),
        same_mac: crate::catalog::ReprovisionPolicy::Replace,
    };
    bench.peers.providers.lock().unwrap().insert("snom".into(), snom);
    bench.peers.ouis.lock().unwrap().insert("snom".into(), vec![MAC[..6].to_owned()]);
    // Without an app object for the other vendor a user cannot choose it, so the OUI is only a hint.
    bench.provisioned().await;
    bench.provisioning.app_url(bench.instance, "snom", "https://gw.example.com/x/gangway".parse().unwrap());
    let learned = || bench.store.learned().urls_of(bench.instance, "snom").url.is_some();
    until("the app object is known", learned).await;
    // A phone in service is not rejected because a manifest learned an OUI.
    bench.request(bench.request_for("anna", "2")).await.unwrap().unwrap();
    let other =
        |bench: &Bench| ProvisionRequest { mac: "001565000001".parse().unwrap(), ..bench.request_for("anna", "3") };
    let refused = bench.request(other(&bench)).await.unwrap().unwrap_err();
    assert!(refused.contains("choose \"Snom\" instead"), "{refused}");
    assert!(refused.contains("extra_ouis = 001565 for vendor:yealink"), "{refused}");
    assert_eq!(bench.store.phones().in_instance(bench.instance).len(), 1);
    let scope = "vendor:yealink".parse().unwrap();
    bench.store.settings().set_one(bench.instance, &scope, "extra_ouis", Some(&"001565".into())).await.unwrap();
    drop(bench.request(other(&bench)));
    until("taken", || bench.store.phones().in_instance(bench.instance).len() == 2).await;
    bench.stop().await;
}
