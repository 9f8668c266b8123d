//! Tests a phone that belongs to another account at the redirection service: the gateway leaves it there and reports
//! it.

use gangway::phone::facet::RedirectState;
use gangway_sim::yealink_phone::model;

use crate::support::{bench::Bench, mac};

#[actix_rt::test]
async fn a_phone_of_another_account_is_reported_and_not_touched() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.simulation.rps.add_foreign_phone(mac, "https://elsewhere.example/");
    // The gateway does not ask for a takeover, even if the service would allow it.
    bench.simulation.rps.switch(|switches| switches.override_takes_over = true);

    let answer = bench.provision(mac, "user1").await;

    assert!(!answer.ok);
    let record = bench.records().wait_redirect(mac, RedirectState::ForeignOwner).await;
    assert_eq!(answer.error, record.redirect.error, "Users and the record say the same");
    assert!(answer.error.unwrap().contains("another account"));
    assert_eq!(bench.simulation.rps.target(mac).as_deref(), Some("https://elsewhere.example/"));
    let calls = bench.simulation.rps.board().read(|state| state.calls.clone());
    assert!(calls.iter().all(|call| !call.method.starts_with("register") && !call.method.starts_with("deRegister")));

    // After the former owner has released the phone, provisioning again succeeds.
    bench.simulation.rps.board().change(|state| state.phones.remove(&mac.to_string()));
    assert!(bench.installed(mac, model::T46U, "user1").await.is_registered());
}
