//! Tests two PBXs of one domain, each with its own app objects. The gateway reads from and writes to the PBX that owns
//! the user.

use gangway_sim::{
    pbx::PbxUser,
    users::{ProvisionRequest, Users},
    yealink_phone::model,
};

use crate::support::{
    bench::{Bench, TITLE},
    mac,
};

#[actix_rt::test]
async fn a_user_of_the_second_pbx_is_served_as_one_of_the_first() {
    let bench = Bench::start().await;
    let (first, second) = (mac(1), mac(2));
    let slave = bench.simulation.add_pbx("slave").await.unwrap();
    let guid = slave.add_user(PbxUser::new("berta", "Berta B.", "secret-berta").with_crowded_devices());
    bench.simulation.connect_gateway_at(&slave, &bench.gateway.base());
    slave.wait_connected("gangway-admin").await.unwrap();
    slave.wait_connected("gangway-yealink").await.unwrap();
    let users = Users::start(&bench.simulation.host(), &slave, &bench.simulation.devices, &["gangway-yealink"]);

    let answer = users.provision(ProvisionRequest::new(&second.to_string(), "berta", TITLE)).await.unwrap();
    assert!(answer.ok, "{:?}", answer.error);
    let report = bench.simulation.add_phone(second, model::T54W).boot().await.unwrap();

    assert!(report.registered, "{report:#?}");
    assert_eq!(report.registrations[0].account.server, "slave.example.com");
    let record = bench.records().wait_done(second).await;
    assert_eq!(record.accounts[0].user_guid.as_deref(), Some(guid.as_str()));
    assert_eq!(slave.device(&second.to_string()).unwrap()["mr"], true);
    assert!(slave.registration(&second.to_string()).is_some());
    assert!(
        bench.simulation.pbx.board().read(|pbx| pbx.received("UpdateObject").is_empty()),
        "the first PBX is left alone"
    );
    assert_eq!(slave.violations(), Vec::<String>::new());

    // The first PBX is unaffected when the other one is offline.
    slave.go_away();
    bench.installed(first, model::T46U, "user1").await;
    bench.assert_no_violation();
}
