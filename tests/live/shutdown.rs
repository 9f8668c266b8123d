//! Tests that SIGTERM shuts the gateway down cleanly: it answers open requests, closes sockets and exits with code 0
//! within ten seconds.

use std::time::Duration;

use gangway_sim::{users::ProvisionRequest, yealink_phone::model};

use crate::support::{
    bench::{TITLE, simulation, wait_identified},
    in_background, mac,
    options::Options,
    process::{Site, get},
};

#[actix_rt::test]
async fn open_requests_are_answered_before_the_end() {
    let simulation = simulation().start().await.unwrap();
    let (_site, process) = Site::serving(&simulation, Options::default()).await;
    // One phone in service has a sysclient. Another is being provisioned.
    simulation.provision(mac(2), "user2", TITLE).await.unwrap();
    simulation.add_phone(mac(2), model::T46U).boot().await.unwrap();
    wait_identified(&simulation, mac(2)).await;
    simulation.devices.board().change(|state| state.goodbyes.clear());
    simulation.devices.gates().arm("password");
    let users = simulation.users.clone();
    let request = ProvisionRequest::new(&mac(1).to_string(), "user1", TITLE);
    let open = in_background(async move { users.provision(request).await });
    simulation.devices.gates().wait_until_held("password").await.unwrap();

    let ending = tokio::task::spawn_blocking(move || process.terminate());
    let answer = open.await.unwrap().expect("the open request is answered");
    let (took, exit) = ending.await.unwrap();

    assert!(!answer.ok);
    assert!(!answer.error.unwrap().is_empty());
    assert_eq!(exit, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    let gone = |state: &gangway_sim::devices::DevicesState| state.connections.is_empty().then_some(());
    simulation.devices.board().wait("the sysclients to be closed", gone).await.unwrap();
    let mut goodbyes = simulation.devices.board().read(|state| state.goodbyes.clone());
    goodbyes.sort();
    // 1001 is "going away". The gateway sends it to every peer, so that peers do not have to detect the loss.
    let expected = [None, Some(mac(1).to_string()), Some(mac(2).to_string())].map(|hw_id| (hw_id, 1001));
    assert_eq!(goodbyes, expected);
}

#[test]
fn an_idle_gateway_ends_at_once() {
    let site = Site::new(&Options::default());
    let process = site.serve();
    assert!(get(site.ops, "/readyz").is_some());
    let metrics = get(site.ops, "/metrics").unwrap();
    assert!(metrics.starts_with("HTTP/1.1 200"));
    for gauge in ["gangway_phones_to_move 0", "gangway_phones_by_redirect{state=\"redirected\"}"] {
        assert!(metrics.contains(gauge), "{gauge}: {metrics}");
    }
    let (took, exit) = process.terminate();
    assert_eq!(exit, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
}
