//! Registrations of phones in service: asked for at least hourly, and what is said of a lost one. A user without a PBX
//! password.

use super::bench::{Bench, rest};
use crate::{
    phone::{facet::RegistrationState, record::Gone},
    provision::{ProvisionRequest, timeline_texts::NO_LONGER_REGISTERED},
};

/// A registered phone.
async fn in_service() -> Bench {
    let mut bench = Bench::new().await;
    bench.provisioned().await;
    bench.fetch().await;
    bench.until("registered", |phone| phone.accounts[0].registration.state == RegistrationState::Registered).await;
    bench
}

/// Lets an hour pass in steps, as the audit waits for times within it.
async fn an_hour(bench: &Bench) {
    for _ in 0..12 {
        bench.pass(300);
        rest().await;
    }
    bench.settle().await;
}

#[tokio::test]
async fn a_lost_registration_is_noticed_within_the_hour_and_its_causes_are_named() {
    let bench = in_service().await;
    an_hour(&bench).await;
    let before = bench.record();
    assert_eq!(
        before.accounts[0].registration.state,
        RegistrationState::Registered,
        "nothing changed, nothing written"
    );
    *bench.peers.registered.lock().unwrap() = None;
    an_hour(&bench).await;
    let lost = bench.record();
    let registration = &lost.accounts[0].registration;
    assert_eq!(registration.state, RegistrationState::NotRegistered);
    assert_eq!(registration.error.as_deref(), Some(NO_LONGER_REGISTERED.english()));
    assert_eq!(lost.accounts[0].registered_address, None);
    *bench.peers.registered.lock().unwrap() = Some("192.0.2.9".into());
    an_hour(&bench).await;
    let back = bench.record();
    assert_eq!(back.accounts[0].registration.state, RegistrationState::Registered);
    assert_eq!(back.accounts[0].registered_address.as_deref(), Some("192.0.2.9"));
    bench.stop().await;
}

#[tokio::test]
async fn a_device_that_is_gone_is_told_as_the_cause_of_a_lost_registration() {
    let bench = in_service().await;
    *bench.peers.registered.lock().unwrap() = None;
    let without = crate::pbx::user_objects::PbxUser { devices: Vec::new(), ..super::peer_errors::user("anna") };
    bench.peers.users.lock().unwrap().insert("anna".into(), Ok(without));
    an_hour(&bench).await;
    let is_said = |phone: &crate::phone::record::Phone| {
        phone.accounts[0].orphaned.is_some_and(|orphaned| orphaned.gone == Gone::Entry)
    };
    bench.until("the device is gone", is_said).await;
    bench.stop().await;
}

#[tokio::test]
async fn a_user_without_a_pbx_password_is_provisioned_and_says_so() {
    let mut bench = Bench::new().await;
    *bench.peers.registered.lock().unwrap() = None;
    let request = ProvisionRequest { password: "".into(), ..bench.request_for("anna", "1") };
    let answer = bench.request(request.clone());
    bench.held(0).await;
    bench.devices_accepts().await;
    assert_eq!(answer.await.unwrap(), Ok(()));
    let account = &bench.record().accounts[0];
    assert_eq!(account.registration.state, RegistrationState::NoPassword);
    assert!(account.is_served() && !account.lacks_password());
    bench.fetch().await;
    bench.pass(660);
    bench.settle().await;
    assert_eq!(bench.record().accounts[0].registration.state, RegistrationState::NoPassword);
    assert_eq!(bench.request(request).await.unwrap(), Ok(()), "the same request changes nothing");
    // The cure: the user gets a password and is provisioned again.
    *bench.peers.registered.lock().unwrap() = Some("192.0.2.7".into());
    let answer = bench.request(bench.request_for("anna", "2"));
    bench.held(1).await;
    bench.devices_accepts().await;
    assert_eq!(answer.await.unwrap(), Ok(()));
    assert_eq!(bench.record().accounts[0].registration.state, RegistrationState::Unknown);
    bench.fetch().await;
    bench.until("registered", |phone| phone.accounts[0].registration.state == RegistrationState::Registered).await;
    bench.stop().await;
}

#[tokio::test]
async fn a_request_without_a_pbx_address_needs_the_setting() {
    let mut bench = Bench::new().await;
    let request = ProvisionRequest { dns: String::new(), ..bench.request_for("anna", "1") };
    let sentence = bench.request(request.clone()).await.unwrap().unwrap_err();
    assert!(sentence.contains("registrar"), "{sentence}");
    assert!(bench.phone().is_none());
    let (scope, value) = (crate::settings::Scope::Instance, "sip.example.net".into());
    bench.store.settings().set_one(bench.instance, &scope, "registrar", Some(&value)).await.unwrap();
    let answer = bench.request(request);
    bench.held(0).await;
    bench.devices_accepts().await;
    assert_eq!(answer.await.unwrap(), Ok(()));
    bench.stop().await;
}
