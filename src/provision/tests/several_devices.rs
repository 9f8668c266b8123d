//! Several Devices apps are granted: a code is tried where it may belong, and a phone stays with the one that knows it.

use std::time::Duration;

use gangway_base::secret::Secret;

use super::{
    bench::{Bench, rest},
    peer_errors::granted,
};
use crate::{
    devices::{
        client::Membership,
        sysclients::{Credential, SysclientEventKind, SysclientSpec},
    },
    phone::{facet::DevicesState, record::Phone},
    provision::{CodeFacts, FetchedCode, commands},
};

const A: &str = "wss://a.example.com/example.com/devices/sysclients";
const B: &str = "wss://b.example.com/example.com/devices/sysclients";

/// Two Devices apps; only B is granted to the app object of the provider.
async fn two() -> Bench {
    let bench = Bench::new().await;
    *bench.peers.devices.lock().unwrap() =
        vec![granted(A, &["gangway-admin"]), granted(B, &["gangway-admin", "gangway-yealink"])];
    bench
}

fn place(hold: &SysclientSpec) -> (&str, Option<&str>) {
    (hold.url.as_str(), hold.credential.code().map(Secret::expose))
}

async fn silent(bench: &mut Bench, code: &str) {
    bench.send(SysclientEventKind::Connected).await;
    bench.send(SysclientEventKind::Silence { sent: Some(code.into()) }).await;
}

#[tokio::test]
async fn a_code_is_tried_at_each_devices_until_one_takes_it() {
    let mut bench = two().await;
    let answer = bench.request(bench.request_for("anna", "1"));
    let hold = bench.held(0).await;
    assert_eq!(place(&hold), (B, Some("1")), "the one granted to the app object of the request");
    assert_eq!(hold.silence_limit, Duration::from_secs(8));
    silent(&mut bench, "1").await;
    let hold = bench.held(1).await;
    assert_eq!(place(&hold), (A, Some("1")));
    assert_ne!(bench.record().devices.state, DevicesState::NotInDomain);
    bench.devices_accepts().await;
    assert_eq!(answer.await.unwrap(), Ok(()));
    let phone = bench.record();
    assert_eq!((phone.sysclient.url.as_deref(), phone.code.is_none()), (Some(A), true));
    assert!(phone.code_origin.refused_at.is_empty());
    // After a restart it goes where its password is from.
    bench.restart().await;
    let hold = bench.held(2).await;
    assert_eq!((hold.url.as_str(), &hold.credential), (A, &Credential::Password("sysclient-password".into())));
    bench.stop().await;
}

#[tokio::test]
async fn a_code_that_no_devices_takes_is_refused_and_the_socket_closed() {
    let mut bench = two().await;
    let answer = bench.request(bench.request_for("anna", "1"));
    for (before, url) in [(0, B), (1, A)] {
        let hold = bench.held(before).await;
        assert_eq!(place(&hold), (url, Some("1")));
        silent(&mut bench, "1").await;
    }
    let sentence = answer.await.unwrap().unwrap_err();
    assert!(sentence.contains("code"), "{sentence}");
    bench.until("out of the domain", |phone| phone.devices.state == DevicesState::NotInDomain).await;
    super::bench::until("the socket is closed", || !bench.peers.drops.lock().unwrap().is_empty()).await;
    rest().await;
    assert_eq!(bench.peers.holds.lock().unwrap().len(), 2, "a spent code is not sent again");
    bench.stop().await;
}

#[tokio::test]
async fn a_restart_continues_with_the_devices_that_was_not_asked_yet() {
    let mut bench = two().await;
    drop(bench.request(bench.request_for("anna", "1")));
    bench.held(0).await;
    silent(&mut bench, "1").await;
    bench.held(1).await;
    bench.restart().await;
    let hold = bench.held(2).await;
    assert_eq!(place(&hold), (A, Some("1")));
    bench.stop().await;
}

#[tokio::test]
async fn a_devices_that_is_away_is_asked_last() {
    let mut bench = two().await;
    bench.peers.away.lock().unwrap().insert("b.example.com".to_owned());
    let answer = bench.request(bench.request_for("anna", "1"));
    let hold = bench.held(0).await;
    assert_eq!(place(&hold), (A, Some("1")));
    silent(&mut bench, "1").await;
    let hold = bench.held(1).await;
    assert_eq!(place(&hold), (B, Some("1")), "it may be the right one");
    bench.devices_accepts().await;
    assert_eq!(answer.await.unwrap(), Ok(()));
    bench.stop().await;
}

#[tokio::test]
async fn one_that_goes_away_during_the_attempt_gives_way_to_the_other() {
    let mut bench = two().await;
    let answer = bench.request(bench.request_for("anna", "1"));
    assert_eq!(bench.held(0).await.url.as_str(), B);
    bench.peers.away.lock().unwrap().insert("b.example.com".to_owned());
    let (endpoint, reason) = ("b.example.com:443".to_owned(), "nobody is there".to_owned());
    bench.send(SysclientEventKind::EndpointAway { endpoint, reason }).await;
    assert_eq!(bench.held(1).await.url.as_str(), A);
    bench.devices_accepts().await;
    assert_eq!(answer.await.unwrap(), Ok(()));
    bench.stop().await;
}

#[tokio::test]
async fn phones_of_a_domain_lead_the_next_one_to_their_devices() {
    let mut bench = two().await;
    *bench.peers.devices.lock().unwrap() = vec![granted(B, &[]), granted(A, &[])];
    let now = bench.now();
    let mut neighbour = Phone::sample();
    (neighbour.instance, neighbour.mac) = (bench.instance, "001565009999".parse().unwrap());
    neighbour.sysclient.url = Some(A.to_owned());
    neighbour.sysclient.password = Some("p".into());
    neighbour.accounts[0].domain = "EXAMPLE.com".into();
    neighbour.device_config.received = Some(now);
    bench.store.phones().create(neighbour, Vec::new()).await.unwrap();
    let before = bench.peers.holds.lock().unwrap().len();
    drop(bench.request(bench.request_for("anna", "1")));
    loop {
        let hold = bench.held(before).await;
        if hold.credential.code().is_some() {
            assert_eq!(place(&hold), (A, Some("1")));
            break;
        }
        rest().await;
    }
    bench.stop().await;
}

#[tokio::test]
async fn a_fetched_code_is_tried_only_where_it_was_made() {
    let mut bench = two().await;
    bench.provisioned().await;
    assert_eq!(bench.record().sysclient.url.as_deref(), Some(B));
    let facts = CodeFacts {
        made_at: Some(A.to_owned()),
        valid_until: Some(bench.now()),
        domain: Some("a.example".to_owned()),
        category: "Desk".to_owned(),
    };
    let code = FetchedCode { code: "2".into(), facts };
    commands::new_code(&bench.store, bench.record().id, code, bench.now()).await.unwrap();
    let hold = bench.held(1).await;
    assert_eq!(place(&hold), (A, Some("2")));
    let phone = bench.record();
    assert_eq!((phone.devices_domain.as_deref(), phone.category.as_deref()), (Some("a.example"), Some("Desk")));
    assert_eq!(phone.code_origin.valid_until, Some(bench.now()));
    // Refused there, it is tried nowhere else: the phone stays with the Devices app that knows it.
    silent(&mut bench, "2").await;
    let hold = bench.held(2).await;
    assert_eq!((hold.url.as_str(), &hold.credential), (B, &Credential::Password("sysclient-password".into())));
    bench.stop().await;
}

#[tokio::test]
async fn a_devices_that_moved_is_followed_and_another_one_is_not() {
    let mut bench = two().await;
    bench.provisioned().await;
    let moved = "wss://new.example.com/example.com/devices/sysclients";
    let other = "wss://c.example.com/else/devices/sysclients";
    *bench.peers.devices.lock().unwrap() = vec![granted(other, &["gangway-yealink"]), granted(moved, &[])];
    bench.provisioning.devices_changed(bench.instance);
    assert_eq!(bench.held(1).await.url.as_str(), moved);
    *bench.peers.devices.lock().unwrap() = vec![granted(other, &[]), granted("wss://d.example.com/d/sysclients", &[])];
    bench.provisioning.devices_changed(bench.instance);
    bench.settle().await;
    assert_eq!(bench.peers.holds.lock().unwrap().len(), 2, "no other Devices app knows its password");
    bench.stop().await;
}

#[tokio::test]
async fn domain_and_category_are_learned_from_its_own_devices_only() {
    let mut bench = two().await;
    bench.provisioned().await;
    let membership = |url: &str, domain: &str, category: Option<&str>| Membership {
        hw_id: bench.record().mac.to_string(),
        sysclients: url.to_owned(),
        domain: Some(domain.to_owned()),
        category: category.map(str::to_owned),
    };
    let own = membership(B, "b.example", Some("Desk"));
    bench.provisioning.memberships_read(bench.instance, vec![membership(A, "a.example", Some("Desk")), own]);
    bench.until("the domain", |phone| phone.devices_domain.as_deref() == Some("b.example")).await;
    assert_eq!(bench.record().category.as_deref(), Some("Desk"));
    let renamed = membership(B, "renamed.example", None);
    bench.provisioning.memberships_read(bench.instance, vec![renamed]);
    bench.until("the new name", |phone| phone.devices_domain.as_deref() == Some("renamed.example")).await;
    assert_eq!(bench.record().category.as_deref(), Some("Desk"), "what is not told is kept");
    bench.stop().await;
}
