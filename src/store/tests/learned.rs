//! What the gateway learned: written once, read by every process, sealed where it is secret.

use std::net::IpAddr;

use super::*;
use crate::net::unlisted_proxy::UnlistedProxy;

fn ticket(mac: &str, base: &str) -> BootstrapTicket {
    BootstrapTicket { mac: mac.parse().unwrap(), until: now(), used: false, base: base.to_owned() }
}

/// A proxy that was found at [`now`].
pub(super) fn proxy() -> UnlistedProxy {
    let peer = IpAddr::from([192, 0, 2, 9]);
    UnlistedProxy { peer, header: "forwarded".into(), is_listed: false, since: now(), last: now() }
}

/// Writes one value of each kind.
pub(super) async fn furnish(store: &Store, instance: InstanceId) {
    let learned = store.learned();
    let urls = NamedUrls { url: Some("https://gw.example.com/".into()), conflict: None };
    learned.set_urls(instance, "yealink", urls).await.unwrap();
    learned.set_devices_addresses(instance, vec!["wss://devices.example.com/".to_owned()]).await.unwrap();
    learned.set_grants(instance, "gangway-yealink", "Services").await.unwrap();
    learned.set_frame_hosts(instance, vec!["a.example.com".into(), "b.example.com".into()]).await.unwrap();
    learned.set_pbx_sources(instance, vec![IpAddr::from([192, 0, 2, 1])]).await.unwrap();
    learned.set_unlisted_proxy(instance, &proxy()).await.unwrap();
    learned.set_ticket(instance, "00ff", ticket("805ec0000001", "http://gw/")).await.unwrap();
    learned.set_bootstrap_password(instance, Secret::new("the-bootstrap")).await.unwrap();
    learned.set_server_entry(instance, "yealink", "name", &Secret::new("https://the-entry/")).await.unwrap();
    learned.set_tried_account(instance, "yealink", &Secret::new("the-fingerprint")).await.unwrap();
}

/// Everything of [`furnish`], comparable.
pub(super) fn everything(store: &Store, instance: InstanceId) -> String {
    let learned = store.learned();
    let shown = |secret: Option<Secret>| secret.map(|secret| secret.expose().to_owned());
    let entry = learned.server_entry(instance, "yealink").map(|(name, url)| (name, url.expose().to_owned()));
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {entry:?}",
        learned.urls(instance),
        learned.devices_addresses(instance),
        learned.grants(instance),
        learned.frame_hosts(instance),
        learned.pbx_sources(instance),
        learned.unlisted_proxies(),
        learned.ticket(instance, "00ff"),
        shown(learned.bootstrap_password(instance)),
        shown(learned.tried_account(instance, "yealink")),
    )
}

#[tokio::test]
async fn what_was_learned_is_there_after_a_restart_and_its_secrets_are_sealed() {
    let fixture = Fixture::new().await;
    let (store, instance) = (&fixture.store, fixture.instance);
    let before = store.learned().revision();
    furnish(store, instance).await;
    assert_ne!(store.learned().revision(), before);
    let known = everything(store, instance);
    for part in ["gw.example.com", "devices.example", "Services", "b.example", "192.0.2.1", "forwarded", "http://gw/"] {
        assert!(known.contains(part), "{part}: {known}");
    }
    let again = fixture.again().await;
    assert_eq!(everything(&again, instance), known);
    store.close().await;
    let bytes = fs::read(fixture.dir.path().join(DATABASE)).unwrap();
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("devices.example.com"), "the search finds what is there");
    for secret in ["the-bootstrap", "the-entry", "the-fingerprint"] {
        assert!(!holds(secret), "{secret}");
    }
    let unchanged = store.learned().revision();
    store.learned().set_devices_addresses(instance, vec!["wss://devices.example.com/".to_owned()]).await.unwrap();
    assert_eq!(store.learned().revision(), unchanged, "nothing is written");
}

#[tokio::test]
async fn what_another_process_learns_is_announced() {
    let fixture = Fixture::with_clock(Arc::new(SystemClock)).await;
    let other = fixture.again().await;
    let mut changes = fixture.store.learned().changes();
    furnish(&other, fixture.instance).await;
    let known = everything(&other, fixture.instance);
    let taken_over = async {
        while everything(&fixture.store, fixture.instance) != known {
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), taken_over).await.unwrap();
}

#[tokio::test]
async fn a_value_that_is_removed_is_gone_for_every_process() {
    let fixture = Fixture::with_clock(Arc::new(SystemClock)).await;
    let (store, instance, proxy) = (&fixture.store, fixture.instance, proxy());
    store.learned().set_unlisted_proxy(instance, &proxy).await.unwrap();
    let other = fixture.again().await;
    assert_eq!(other.learned().unlisted_proxies(), [(instance, proxy.clone())]);
    let (before, mut changes) = (other.learned().revision(), other.learned().changes());

    store.learned().remove_unlisted_proxy(instance, proxy.peer).await.unwrap();

    assert_eq!(store.learned().unlisted_proxies(), []);
    let taken_over = async {
        while !other.learned().unlisted_proxies().is_empty() {
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), taken_over).await.unwrap();
    assert_ne!(other.learned().revision(), before);
    assert_eq!(fixture.again().await.learned().unlisted_proxies(), []);
}

#[tokio::test]
async fn a_phone_has_one_ticket_and_a_former_one_does_not_come_back() {
    let fixture = Fixture::new().await;
    let (learned, instance) = (fixture.store.learned(), fixture.instance);
    learned.set_ticket(instance, "aa", ticket("805ec0000001", "http://a/")).await.unwrap();
    learned.set_ticket(instance, "bb", ticket("805ec0000002", "http://b/")).await.unwrap();
    learned.set_ticket(instance, "cc", ticket("805ec0000001", "http://c/")).await.unwrap();
    assert_eq!(learned.ticket(instance, "aa"), None);
    learned.spend_ticket(instance, "aa").await.unwrap();
    learned.spend_ticket(instance, "bb").await.unwrap();
    for store in [&fixture.store, &fixture.again().await] {
        let learned = store.learned();
        assert_eq!((learned.tickets(instance), learned.ticket(instance, "aa")), (2, None));
        assert!(learned.ticket(instance, "bb").unwrap().used && !learned.ticket(instance, "cc").unwrap().used);
    }
}

#[tokio::test]
async fn what_was_learned_survives_a_new_key_and_the_loss_of_the_file() {
    let fixture = Fixture::new().await;
    furnish(&fixture.store, fixture.instance).await;
    let known = everything(&fixture.store, fixture.instance);
    fixture.store.rotate_keys(|_| ()).await.unwrap();
    assert_eq!(everything(&fixture.again().await, fixture.instance), known);
    // A database written from memory has exactly what memory has.
    let copy = fixture.store.database.copy_from_memory(now()).await.unwrap();
    let other = tempfile::tempdir().unwrap();
    fs::copy(&copy, other.path().join(DATABASE)).unwrap();
    fs::copy(fixture.dir.path().join(key_file::KEY), other.path().join(key_file::KEY)).unwrap();
    assert_eq!(everything(&open(other.path()).await, fixture.instance), known);
}
