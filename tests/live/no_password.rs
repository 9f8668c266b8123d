//! Tests a user without a PBX password, as one who logs in by Kerberos or OAuth: the phone is provisioned all the same,
//! the state names the problem, and a password is all it takes to cure it.

use gangway::phone::facet::{RedirectState, RegistrationState};
use gangway_sim::{pbx::PbxUser, users::ProvisionRequest, yealink_phone::model};

use crate::support::{
    bench::{Bench, TITLE},
    mac,
    page::Page,
};

#[actix_rt::test]
async fn a_user_without_a_password_gets_a_phone_and_later_a_registration() {
    let bench = Bench::start().await;
    let (mac, pbx) = (mac(1), &bench.simulation.pbx);
    let guid = pbx.add_user(PbxUser::new("walter", "", ""));
    let request = || ProvisionRequest::new(&mac.to_string(), "walter", TITLE);
    let answer = bench.ask(request()).await;
    assert!(answer.ok, "{:?}", answer.error);
    let sent = bench.simulation.users.received();
    assert!(sent.iter().all(|message| message["result"] == "ok"), "{sent:?}");
    bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    let phone = bench.simulation.add_phone(mac, model::T46U);
    let report = phone.boot().await.unwrap();
    assert_eq!(report.registrations.len(), 1, "the account is in the file: {report:#?}");
    assert!(!report.registered);
    let is_said = |phone: &gangway::phone::record::Phone| {
        let account = &phone.accounts[0];
        account.registration.state == RegistrationState::NoPassword && account.cn == "walter"
    };
    bench.records().wait_phone(mac, "no PBX password", is_said).await;
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    page.until_cause(mac, "no-pbx-password").await;

    pbx.edit_user(&guid, |user| user.password = "secret-walter".into());
    let answer = bench.ask(request()).await;
    assert!(answer.ok, "{:?}", answer.error);
    let report = phone.boot().await.unwrap();
    assert!(report.registered, "{report:#?}");
    let registered =
        |phone: &gangway::phone::record::Phone| phone.accounts[0].registration.state == RegistrationState::Registered;
    bench.records().wait_phone(mac, "registered", registered).await;
    page.until_cause(mac, "working").await;
}
