//! Tests that a DECT base serves all users who entered its MAC. Another user adds a handset, and existing users keep
//! theirs.

use gangway::phone::{
    facet::{DevicesState, RedirectState},
    record::Phone,
};
use gangway_base::mac::Mac;
use gangway_sim::{
    devices::Station,
    simulation::Simulation,
    users::ProvisionRequest,
    yealink_phone::{YealinkBootReport, YealinkModel, YealinkPhone, model},
};
use serde_json::Value;

use crate::support::{
    bench::{Bench, comes_up, simulation},
    mac,
    options::Options,
};

const TITLE: &str = "Yealink DECT";

async fn bench() -> Bench {
    let simulation = simulation().users(6).providers(&["yealink", "yealink-dect"]).start().await.unwrap();
    Bench::start_in(simulation, Options::default()).await
}

/// The request that Users sends if a handset has a separate hardware id. By default Users sends the base's address.
fn wish(mac: Mac, user: &str, handset: Option<&str>) -> ProvisionRequest {
    ProvisionRequest { hwid: handset.map(str::to_owned), ..ProvisionRequest::new(&mac.to_string(), user, TITLE) }
}

async fn provisioned(bench: &Bench, mac: Mac, user: &str, handset: Option<&str>) {
    let answer = bench.ask(wish(mac, user, handset)).await;
    assert!(answer.ok, "{user} is told: {:?}", answer.error);
}

/// A base in service with one user.
async fn installed(bench: &Bench, mac: Mac, model: YealinkModel, user: &str, handset: Option<&str>) -> YealinkPhone {
    provisioned(bench, mac, user, handset).await;
    bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    let base = bench.simulation.add_phone(mac, model);
    let report = base.boot().await.unwrap();
    assert!(report.registered, "{report:#?}");
    bench.records().wait_done(mac).await;
    base
}

/// The device entry of a user with this hardware id.
fn device(simulation: &Simulation, user: &str, hwid: &str) -> Value {
    let is = |device: &Value| device["hw"].as_str().is_some_and(|hw| hw.eq_ignore_ascii_case(hwid));
    let found = simulation.pbx.board().read(|pbx| pbx.user(user).unwrap().devices.iter().find(|one| is(one)).cloned());
    found.expect("the device stands on the user object")
}

fn registered_users(report: &YealinkBootReport) -> Vec<(usize, &str)> {
    assert!(report.registered, "{report:#?}");
    report.registrations.iter().map(|one| (one.account.line, one.account.password.as_str())).collect()
}

fn assert_flags(simulation: &Simulation, user: &str, hwid: &str) {
    let device = device(simulation, user, hwid);
    assert_eq!(
        (&device["mr"], &device["tls"], &device["trusted"]),
        (&true.into(), &true.into(), &true.into()),
        "{user}"
    );
}

async fn two_users_of(model: YealinkModel, handsets: [Option<&str>; 2]) {
    let bench = bench().await;
    let mac = mac(1);
    let base = installed(&bench, mac, model, "user1", handsets[0]).await;
    // The base requests files with its own credentials. From then on it needs no bootstrap window.
    assert!(base.poll_once().await.unwrap().unchanged);
    let before = bench.records().wait_phone(mac, "the window closed", |phone| phone.window.closed.is_some()).await;
    let writes = || bench.simulation.pbx.board().read(|pbx| pbx.received("UpdateObject").len());
    assert_eq!(writes(), 1);

    provisioned(&bench, mac, "user2", handsets[1]).await;

    // The first user's account is unchanged, and no second sysclient was created for the same base.
    let after = bench.records().phone(mac).unwrap();
    assert_eq!(after.accounts[0], before.accounts[0]);
    assert_eq!((&after.token, &after.own, &after.window), (&before.token, &before.own, &before.window));
    let codes = |state: &gangway_sim::devices::DevicesState| state.count(&mac.to_string(), Station::IdentifiedWithCode);
    assert_eq!(bench.simulation.devices.board().read(codes), 1);

    // The second account is in the file of its next GET, with its existing credentials.
    let report = base.poll_once().await.unwrap();
    assert_eq!(registered_users(&report), [(1, "secret-1"), (2, "secret-2")]);
    let record = bench.records().wait_done(mac).await;
    assert_eq!(record.accounts.len(), 2);
    assert_eq!(record.model.as_deref(), Some(model.name));
    let hwid = |index: usize| handsets[index].map_or_else(|| mac.to_string(), str::to_owned);
    for (index, user) in ["user1", "user2"].into_iter().enumerate() {
        assert_flags(&bench.simulation, user, &hwid(index));
        assert_eq!(record.accounts[index].registered_address.as_deref(), Some("127.0.0.1"), "{user}");
    }
    assert_eq!(writes(), 2, "the first user's flags were not written again");
    let rings: Vec<(usize, Vec<usize>, Option<usize>)> =
        base.handsets().into_iter().map(|one| (one.number, one.rings_for, one.dials_with)).collect();
    assert_eq!(rings, [(1, vec![1], Some(1)), (2, vec![2], Some(2))]);
    assert_eq!(bench.records().store.phones().len(), 1, "one base, one record");
    bench.assert_no_violation();

    // The command shows both.
    let done = bench.gateway.command(&["phones", "show", &mac.to_string(), "--json"]);
    let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
    let users: Vec<&str> =
        answer["accounts"].as_array().unwrap().iter().map(|account| account["user"].as_str().unwrap()).collect();
    assert_eq!(users, ["user1", "user2"]);

    // Removing one user keeps the other.
    let done = bench.gateway.command(&["phones", "remove", &mac.to_string(), "--user", "user1", "--wait"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let report = base.poll_once().await.unwrap();
    assert_eq!(registered_users(&report), [(2, "secret-2")]);
    assert!(report.files.iter().all(|(_, body)| !body.contains("secret-1")), "{report:#?}");
    assert_eq!(base.handsets().iter().map(|one| one.number).collect::<Vec<_>>(), [2]);
    let record = bench.records().phone(mac).unwrap();
    assert_eq!((record.accounts.len(), record.accounts[0].line), (1, 2));
    assert_eq!(record.devices.state, DevicesState::Received);
    assert!(bench.simulation.rps.target(mac).is_some(), "the base stays where it is");
}

#[actix_rt::test]
async fn two_users_share_a_small_base_with_their_own_handsets() {
    two_users_of(model::W70B, [Some("handset-1"), Some("handset-2")]).await;
}

/// Both users have the base's address as hardware id, so each registers by name.
#[actix_rt::test]
async fn two_users_share_a_large_system_under_one_hardware_id() {
    two_users_of(model::W90DM, [None, None]).await;
}

#[actix_rt::test]
async fn an_old_base_with_old_names_serves_two_as_well() {
    two_users_of(model::W52P_OLD, [Some("handset-1"), None]).await;
}

/// Both users enter the MAC before the base boots for the first time.
#[actix_rt::test]
async fn a_factory_fresh_base_registers_all_its_users() {
    let bench = bench().await;
    let mac = mac(1);
    for (user, handset) in [("user1", "handset-1"), ("user2", "handset-2"), ("user3", "handset-3")] {
        provisioned(&bench, mac, user, Some(handset)).await;
    }
    bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    let report = bench.simulation.add_phone(mac, model::W70B).boot().await.unwrap();
    assert_eq!(registered_users(&report), [(1, "secret-1"), (2, "secret-2"), (3, "secret-3")]);
    bench.records().wait_done(mac).await;
    for number in 1..=3 {
        assert_flags(&bench.simulation, &format!("user{number}"), &format!("handset-{number}"));
    }
    bench.assert_no_violation();
}

#[actix_rt::test]
async fn an_expired_code_of_the_second_user_does_not_affect_the_first() {
    let bench = bench().await;
    let mac = mac(1);
    let base = installed(&bench, mac, model::W70B, "user1", Some("handset-1")).await;
    let request = ProvisionRequest { code: Some("000000000000".into()), ..wish(mac, "user2", Some("handset-2")) };
    let answer = bench.ask(request).await;
    assert!(answer.ok, "{:?}", answer.error);
    let report = base.poll_once().await.unwrap();
    assert_eq!(registered_users(&report), [(1, "secret-1"), (2, "secret-2")]);
    let refused = |state: &gangway_sim::devices::DevicesState| state.count(&mac.to_string(), Station::CodeRefused);
    assert_eq!(bench.simulation.devices.board().read(refused), 0, "it was never sent");
}

#[actix_rt::test]
async fn a_mac_keeps_its_manufacturer_and_a_model_its_limit() {
    let bench = bench().await;
    let mac = mac(1);
    let base = bench.simulation.add_phone(mac, model::W52P_OLD);
    for number in 1..=5 {
        let user = format!("user{number}");
        provisioned(&bench, mac, &user, Some(&format!("handset-{number}"))).await;
        if number == 1 {
            bench.records().wait_redirect(mac, RedirectState::Redirected).await;
            comes_up(&base).await;
            bench.records().wait_phone(mac, "the model", |phone: &Phone| phone.model.is_some()).await;
        }
    }
    let answer = bench.ask(wish(mac, "user6", Some("handset-6"))).await;
    let reported = answer.error.unwrap_or_default();
    assert!(!answer.ok && reported.contains("has 5 accounts and all of them are in use"), "{reported}");
    let answer = bench.provision(mac, "user6").await;
    let reported = answer.error.unwrap_or_default();
    assert!(!answer.ok && reported.contains("manufacturer \"Yealink DECT\""), "{reported}");
    assert_eq!(bench.records().phone(mac).unwrap().accounts.len(), 5);
}
