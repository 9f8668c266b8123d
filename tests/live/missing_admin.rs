//! Tests that phones work even without the Admin mark on the app objects. The gateway reports what it could not write,
//! and writes it as soon as the mark is set.

use gangway::phone::facet::{RedirectState, UserObjectState};
use gangway_sim::yealink_phone::model;

use crate::support::{bench::Bench, mac};

const OBJECTS: [&str; 2] = ["gangway-admin", "gangway-yealink"];

async fn mark_admin(bench: &Bench, admin: bool) {
    let logins = |state: &gangway_sim::pbx::PbxState| OBJECTS.map(|name| state.links[name].logins);
    let before = bench.simulation.pbx.board().read(logins);
    for name in OBJECTS {
        bench.simulation.pbx.edit_app(name, |app| app.admin = admin);
        // A PBX reopens the websocket of a changed object.
        bench.simulation.pbx.drop_link(name);
    }
    let again = |state: &gangway_sim::pbx::PbxState| {
        let now = logins(state);
        (now[0] > before[0] && now[1] > before[1]).then_some(())
    };
    bench.simulation.pbx.board().wait("the changed objects to connect", again).await.unwrap();
    bench.simulation.wait_gateway().await.unwrap();
}

#[actix_rt::test]
async fn a_missing_mark_is_named_and_a_granted_one_heals() {
    let bench = Bench::start().await;
    let mac = mac(1);
    mark_admin(&bench, false).await;
    bench.provisioned(mac, "user1").await;
    bench.records().wait_redirect(mac, RedirectState::Redirected).await;

    let phone = bench.simulation.add_phone(mac, model::T46U);
    assert!(phone.boot().await.unwrap().registered, "the phone works without the mark");

    let record = bench.records().wait_flags(mac, UserObjectState::NotPermitted).await;
    let sentence = record.accounts[0].user_object.error.clone().unwrap();
    assert!(sentence.contains("Admin"), "{sentence}");
    assert_eq!(bench.simulation.pbx.device(&mac.to_string()).unwrap().get("mr"), None);

    mark_admin(&bench, true).await;

    bench.records().wait_done(mac).await;
    assert_eq!(bench.simulation.pbx.device(&mac.to_string()).unwrap()["mr"], true);
    bench.assert_no_violation();
}
