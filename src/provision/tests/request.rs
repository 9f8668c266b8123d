use gangway_base::mac::Mac;

use super::{
    bench::{Bench, MAC, rest, until},
    peer_errors::{Peers, user},
};
use crate::{
    devices::sysclients::{Credential, SysclientEventKind},
    pbx::user_objects::PbxUser,
    phone::{
        facet::{DevicesState, RedirectState, RequestState, Wanted},
        instance::InstanceId,
        record::Phone,
    },
    provision::{
        ProvisionRequest,
        request::{Lock, MacLocks},
        request_status::{RequestStatus, status_of},
        sample,
    },
    redirect::RedirectResult,
};

#[test]
fn the_table_of_answers_row_by_row() {
    let now = jiff::Timestamp::UNIX_EPOCH;
    let mut phone = sample::phone(now);
    assert!(matches!(status_of(&phone), RequestStatus::Open(_)));
    phone.devices.reach(DevicesState::Received, now);
    assert!(matches!(status_of(&phone), RequestStatus::Open(_)));
    for state in [RedirectState::Redirected, RedirectState::NotConfigured] {
        phone.redirect.reach(state, now);
        assert_eq!(status_of(&phone), RequestStatus::Ok);
    }
    phone.redirect.fail(RedirectState::Pending, "away", Some(now), now);
    assert_eq!(status_of(&phone), RequestStatus::Ok);
    for state in [RedirectState::ForeignOwner, RedirectState::Refused] {
        phone.redirect.fail(state, "sentence", None, now);
        assert_eq!(status_of(&phone), RequestStatus::Failed("sentence".into()));
    }
    phone.devices.fail(DevicesState::NotInDomain, "expired", None, now);
    assert_eq!(status_of(&phone), RequestStatus::Failed("expired".into()));
    phone.devices.fail(DevicesState::Waiting, "away", Some(now), now);
    assert_eq!(status_of(&phone), RequestStatus::Open("away".into()));
}

#[tokio::test]
async fn a_devices_that_hangs_up_on_a_code_has_refused_it() {
    let mut bench = Bench::new().await;
    let answer = bench.request(bench.request_for("anna", "bad"));
    bench.held(0).await;
    for _ in 0..3 {
        bench.send(SysclientEventKind::Connected).await;
        bench.send(SysclientEventKind::Closed { reason: "closed by Devices".into() }).await;
    }
    let error = answer.await.unwrap().unwrap_err();
    assert!(error.contains("did not accept the provisioning code"), "{error}");
    assert!(bench.record().code.is_none());
}

#[tokio::test]
async fn an_expired_code_is_reported_and_never_sent_again() {
    let mut bench = Bench::new().await;
    let answer = bench.request(bench.request_for("anna", "old"));
    bench.held(0).await;
    bench.send(SysclientEventKind::Connected).await;
    bench.send(SysclientEventKind::Silence { sent: Some("old".into()) }).await;
    let error = answer.await.unwrap().unwrap_err();
    assert!(error.contains("did not accept the provisioning code"), "{error}");
    assert!(bench.record().code.is_none());
    let again = bench.request(bench.request_for("anna", "old")).await.unwrap().unwrap_err();
    assert_eq!(again, error, "the repeated request is answered from the record");
    bench.restart().await;
    rest().await;
    assert_eq!(bench.peers.holds.lock().unwrap().len(), 1);
    let answer = bench.request(bench.request_for("anna", "new"));
    let hold = bench.held(1).await;
    assert_eq!(hold.credential, Credential::Code("new".into()));
    bench.devices_accepts().await;
    assert_eq!(answer.await.unwrap(), Ok(()));
    bench.stop().await;
}

/// Otherwise a process killed between two changes would send the code again when the request is repeated.
#[tokio::test]
async fn a_code_is_spent_in_the_very_change_that_brings_the_password() {
    let mut bench = Bench::new().await;
    let _answer = bench.request(bench.request_for("anna", "1"));
    bench.held(0).await;
    let (stored, _is_stored) = tokio::sync::oneshot::channel();
    bench.send(SysclientEventKind::Password { password: "p".into(), sent: Some("1".into()), stored }).await;
    bench.until("the password", |phone| phone.sysclient.password.is_some()).await;
    let phone = bench.record();
    assert_eq!((phone.sysclient.spent.holds(&"1".into()), phone.code.as_ref()), (true, None));
    let beside = bench.beside().await;
    assert_eq!(beside.sysclient.spent, phone.sysclient.spent, "on disk, too");
    bench.stop().await;
}

#[tokio::test]
async fn a_code_that_comes_while_another_is_answered_is_not_spent() {
    let mut bench = Bench::new().await;
    let _first = bench.request(bench.request_for("anna", "1"));
    bench.held(0).await;
    let _second = bench.request(bench.request_for("anna", "2"));
    bench.held(1).await;
    let (stored, is_stored) = tokio::sync::oneshot::channel();
    bench.send(SysclientEventKind::Password { password: "p".into(), sent: Some("1".into()), stored }).await;
    is_stored.await.unwrap();
    assert_eq!(bench.record().code, Some("2".into()));
    bench.held(2).await;
    let hold = bench.peers.holds.lock().unwrap().last().cloned().unwrap();
    assert_eq!(hold.credential, Credential::CodeOrPassword { code: "2".into(), password: "p".into() });
    bench.send(SysclientEventKind::Silence { sent: Some("1".into()) }).await;
    rest().await;
    assert_eq!(bench.record().code, Some("2".into()), "nor by silence on another");
    bench.stop().await;
}

#[tokio::test]
async fn a_spent_code_stays_spent_when_the_phone_is_removed() {
    let mut bench = Bench::new().await;
    bench.provisioned().await;
    let removed =
        |phone: &mut crate::phone::record::Phone, _: &mut Vec<_>| phone.wanted = crate::phone::facet::Wanted::Removed;
    bench.store.phones().change(bench.record().id, removed).await.unwrap();
    bench.until("the tombstone", |phone| phone.removed_at.is_some()).await;
    let _again = bench.request(bench.request_for("anna", "1"));
    bench.until("provisioned again", |phone| phone.removed_at.is_none()).await;
    assert_eq!(bench.record().code, None);
    bench.stop().await;
}

#[tokio::test]
async fn a_foreign_phone_is_refused_with_the_sentence() {
    let mut bench = Bench::new().await;
    *bench.peers.service.lock().unwrap() = RedirectResult::OwnedByOther;
    let answer = bench.request(bench.request_for("anna", "1"));
    bench.held(0).await;
    bench.devices_accepts().await;
    assert_eq!(answer.await.unwrap(), Err(RedirectResult::OwnedByOther.sentence()));
    let phone = bench.record();
    assert_eq!(phone.redirect.state, RedirectState::ForeignOwner);
    assert!(phone.redirect_entry.is_none());
    bench.stop().await;
}

#[tokio::test]
async fn devices_away_is_reported_at_the_deadline_and_at_once_when_repeated() {
    let mut bench = Bench::new().await;
    let answer = bench.request(bench.request_for("anna", "1"));
    bench.held(0).await;
    bench.send(SysclientEventKind::EndpointAway { endpoint: "ap:443".into(), reason: "refused".into() }).await;
    bench.until("waiting", |phone| phone.devices.error.is_some()).await;
    bench.until("redirected meanwhile", |phone| phone.redirect.state == RedirectState::Redirected).await;
    bench.pass(30);
    let error = answer.await.unwrap().unwrap_err();
    assert!(error.contains("goes on trying"), "{error}");
    let again = bench.request(bench.request_for("anna", "1")).await.unwrap().unwrap_err();
    assert_eq!(again, error);
    assert_eq!(bench.record().provisioning, 1);
    bench.devices_accepts().await;
    bench.until("config", |phone| phone.devices.state == DevicesState::Received).await;
    assert_eq!(bench.request(bench.request_for("anna", "1")).await.unwrap(), Ok(()));
    bench.stop().await;
}

#[tokio::test]
async fn silence_of_devices_is_reported_at_the_deadline() {
    let mut bench = Bench::new().await;
    let answer = bench.request(bench.request_for("anna", "1"));
    bench.held(0).await;
    bench.pass(30);
    assert!(answer.await.unwrap().unwrap_err().contains("goes on trying"));
    bench.stop().await;
}

#[tokio::test]
async fn the_same_user_again_keeps_token_and_credentials() {
    let mut bench = Bench::new().await;
    bench.provisioned().await;
    bench.fetch().await;
    let before = bench.record();
    bench.pass(3600);
    bench.until("the window closed", |phone| phone.window.closed.is_some()).await;
    let answer = bench.request(bench.request_for("anna", "2"));
    let hold = bench.held(1).await;
    let both = Credential::CodeOrPassword { code: "2".into(), password: "sysclient-password".into() };
    assert_eq!(hold.credential, both);
    assert_eq!(answer.await.unwrap(), Ok(()));
    bench.devices_accepts().await;
    bench.until("the code is spent", |phone| phone.code.is_none()).await;
    let after = bench.record();
    assert_eq!((&after.token, &after.own.password), (&before.token, &before.own.password));
    assert!(after.window.is_open(bench.now()));
    assert_eq!((after.provisioning, after.accounts.len()), (2, 1));
    assert_eq!(bench.peers.registrations(), 1, "the entry stands");
    bench.stop().await;
}

#[tokio::test]
async fn a_burst_of_the_old_connection_leaves_a_newer_code_alone() {
    let mut bench = Bench::new().await;
    let first = bench.request(bench.request_for("anna", "1"));
    bench.held(0).await;
    bench.devices_gives_a_password().await;
    let before = bench.peers.holds.lock().unwrap().len();
    let again = bench.request(bench.request_for("anna", "2"));
    bench.until("the new code is there", |phone| phone.code == Some("2".into())).await;
    // Events of the connection with the first code that were already under way.
    bench.send(SysclientEventKind::Item(serde_json::json!({"type": "MEDIA"}))).await;
    bench.send(SysclientEventKind::Last { opened_with: Some("1".into()) }).await;
    bench.until("the burst is written", |phone| phone.device_config.items.contains_key("MEDIA")).await;
    assert_eq!(bench.record().code, Some("2".into()));
    let hold = bench.held(before).await;
    let both = Credential::CodeOrPassword { code: "2".into(), password: "sysclient-password".into() };
    assert_eq!(hold.credential, both);
    again.await.unwrap().unwrap();
    assert!(first.await.unwrap().unwrap_err().contains("Another request"));
    bench.stop().await;
}

#[tokio::test]
async fn another_user_gets_a_new_token_and_the_phone_is_moved() {
    let mut bench = Bench::new().await;
    bench.provisioned().await;
    bench.fetch().await;
    let before = bench.record();
    let answer = bench.request(bench.request_for("berta", "2"));
    assert_eq!(answer.await.unwrap(), Ok(()));
    let after = bench.record();
    assert_ne!(after.token, before.token);
    assert_ne!(after.own.password, before.own.password);
    assert!(bench.store.phones().by_token(before.token.expose()).is_none(), "the old token is dead");
    assert_eq!((after.request.state, after.delivery.is_none()), (RequestState::NotYet, true));
    assert_eq!(after.accounts.len(), 1);
    assert_eq!(after.accounts[0].username, "berta");
    let url = after.redirect_entry.as_ref().unwrap().url.expose().to_owned();
    assert!(url.contains(after.token.expose()));
    assert_eq!(bench.peers.registrations(), 2);
    bench.stop().await;
}

#[tokio::test]
async fn two_requests_at_once_make_one_phone() {
    let mut bench = Bench::new().await;
    let (one, two) = (bench.request(bench.request_for("anna", "1")), bench.request(bench.request_for("anna", "1")));
    bench.held(0).await;
    bench.devices_accepts().await;
    assert_eq!((one.await.unwrap(), two.await.unwrap()), (Ok(()), Ok(())));
    assert_eq!(bench.store.phones().in_instance(bench.instance).len(), 1);
    assert_eq!((bench.record().provisioning, bench.peers.holds.lock().unwrap().len()), (1, 1));
    bench.stop().await;
}

#[tokio::test]
async fn a_mac_in_service_elsewhere_on_the_same_account_is_refused() {
    let mut bench = Bench::new().await;
    let neighbour = bench.neighbour("rps").await;
    let theirs = ProvisionRequest { instance: neighbour, ..bench.request_for("anna", "1") };
    let _open = bench.request(theirs.clone());
    bench.held(0).await;
    let refused = bench.request(bench.request_for("bert", "2")).await.unwrap().unwrap_err();
    assert!(refused.contains("in service in another instance") && !refused.contains("example.org"), "{refused}");
    assert!(bench.phone().is_none());
    let there = bench.store.phones().by_mac(neighbour, MAC.parse().unwrap()).unwrap();
    let removed = |phone: &mut Phone, _: &mut Vec<_>| phone.wanted = Wanted::Removed;
    bench.store.phones().change(there.id, removed).await.unwrap();
    let is_buried = || bench.store.phones().get(there.id).is_some_and(|phone| phone.removed_at.is_some());
    until("their phone is removed", is_buried).await;
    let _open = bench.request(bench.request_for("bert", "2"));
    until("ours is in service", || bench.phone().is_some()).await;
    bench.stop().await;
}

#[tokio::test]
async fn two_instances_that_share_an_account_cannot_both_get_a_mac_at_once() {
    let mut bench = Bench::new().await;
    let neighbour = bench.neighbour("rps").await;
    let theirs = ProvisionRequest { instance: neighbour, ..bench.request_for("anna", "1") };
    let (_one, _two) = (bench.request(bench.request_for("bert", "2")), bench.request(theirs));
    bench.held(0).await;
    rest().await;
    assert_eq!(bench.store.phones().all().len(), 1);
    bench.stop().await;
}

#[tokio::test]
async fn with_accounts_of_their_own_two_instances_have_nothing_to_do_with_each_other() {
    let mut bench = Bench::new().await;
    let neighbour = bench.neighbour("another-account").await;
    let theirs = ProvisionRequest { instance: neighbour, ..bench.request_for("anna", "1") };
    let (_one, _two) = (bench.request(bench.request_for("bert", "2")), bench.request(theirs));
    until("both are in service", || bench.store.phones().all().len() == 2).await;
    bench.stop().await;
}

#[test]
fn writing_the_records_of_one_instance_does_not_delay_another() {
    let locks = MacLocks::default();
    let mac: Mac = MAC.parse().unwrap();
    let record = |instance| locks.of(Lock::Record(InstanceId(instance), mac));
    let (one, other, again) = (record(1), record(2), record(1));
    let _held = one.try_lock().unwrap();
    assert!(other.try_lock().is_ok());
    assert!(again.try_lock().is_err(), "one MAC of one instance is serialised");
}

#[tokio::test]
async fn a_restart_answers_every_open_request() {
    let mut bench = Bench::new().await;
    let answer = bench.request(bench.request_for("anna", "1"));
    bench.held(0).await;
    bench.stopping().finish(std::time::Duration::from_secs(10)).await;
    assert!(answer.await.unwrap().unwrap_err().contains("restarting"));
    bench.stop().await;
}

#[tokio::test]
async fn an_unknown_provider_is_refused() {
    let bench = Bench::with(Peers::default()).await;
    let mut request = bench.request_for("anna", "1");
    request.provider = "acme".into();
    assert!(bench.request(request).await.unwrap().unwrap_err().contains("no provider 'acme'"));
    bench.stop().await;
}

#[tokio::test]
async fn a_user_made_anew_under_the_same_name_is_another_one() {
    let mut bench = Bench::new().await;
    bench.provisioned().await;
    bench.fetch().await;
    bench.until("the guid", |phone| phone.accounts[0].user_guid.is_some()).await;
    let before = bench.record();
    bench.request(bench.request_for("anna", "2")).await.unwrap().unwrap();
    assert_eq!(bench.record().token, before.token, "the same user");
    let anew = PbxUser { guid: "another-guid".into(), ..user("anna") };
    bench.peers.users.lock().unwrap().insert("anna".into(), Ok(anew));
    bench.request(bench.request_for("anna", "3")).await.unwrap().unwrap();
    let after = bench.record();
    assert_ne!(after.token, before.token);
    assert_ne!(after.own.password, before.own.password);
    assert!(bench.store.phones().by_token(before.token.expose()).is_none(), "the old token is dead");
    assert_eq!(after.accounts[0].user_guid.as_deref(), Some("another-guid"));
    assert!(after.delivery.is_none());
    bench.stop().await;
}
