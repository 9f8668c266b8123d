//! Tests the rotation of a phone's own credentials. One command starts it. If a process dies at any point, the phone
//! can log in with the old or the new credentials, and both are valid no longer than necessary.

use gangway::{phone::record::Phone, phone_config::sample_phone};
use gangway_sim::yealink_phone::model;
use serde_json::json;

use crate::support::{
    bench::Bench,
    http, mac,
    options::{DOMAIN, INSTANCE, Options},
    page::Page,
    process::Site,
};

const AGENT: &str = "Yealink SIP-T46U 108.86.0.20 80:5e:c0:12:34:01";

fn fetch(url: &str, user: &str, password: &str) -> u16 {
    http::proven("GET", url, &[("User-Agent", AGENT)], user, password).status
}

#[actix_rt::test]
async fn a_phone_changes_its_credentials_with_its_next_file() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let phone = bench.installed(mac, model::T46U, "user1").await;
    assert!(phone.poll_once().await.unwrap().unchanged);
    let before = bench.records().phone(mac).unwrap().own.clone();

    let rotated = bench.gateway.command(&["phones", "rotate", &mac.to_string()]);
    assert!(rotated.status.success(), "{rotated:?}");
    let changing = bench.records().wait_phone(mac, "the change", |phone| phone.former.is_some()).await;
    assert_ne!(changing.own.password, before.password);
    let again = bench.gateway.command(&["phones", "rotate", &mac.to_string()]);
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("on their way"), "{again:?}");

    assert!(!phone.poll_once().await.unwrap().unchanged, "the old ones bring it the new ones");
    assert!(phone.poll_once().await.unwrap().unchanged, "which it uses from then on");
    let settled = bench.records().wait_phone(mac, "the end of the old ones", |phone| phone.former.is_none()).await;
    assert!(settled.own.proven.is_some());
    assert_eq!(settled.own.password, changing.own.password);
    let url = format!("{}/phone/{mac}.cfg", bench.gateway.instance_url());
    assert_eq!(fetch(&url, &before.user, before.password.expose()), 401, "the old ones are dead");
    let followed = bench.gateway.command(&["phones", "show", &mac.to_string()]);
    let text = String::from_utf8_lossy(&followed.stdout).into_owned();
    for sentence in ["New credentials of the phone's own", "has proven its new credentials"] {
        assert!(text.contains(sentence), "{text}");
    }
    bench.assert_no_violation();
}

#[actix_rt::test]
async fn one_click_does_the_same_and_a_second_one_says_that_it_is_under_way() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let phone = bench.installed(mac, model::T46U, "user1").await;
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    let act = json!({ "mac": mac.to_string(), "action": "rotate-credentials" });
    let done = page.ask("Act", act.clone()).await;
    assert_eq!(done["will"]["key"], "will.rotate-credentials", "{done}");
    let again = page.ask("Act", act).await;
    assert_eq!(again["code"]["key"], "rotation-under-way", "{again}");
    let events = bench.records().events(mac).await;
    assert!(events.iter().any(|event| event.kind == "person" && event.text.contains("credentials")), "{events:?}");
    let waiting = {
        let config = bench.gateway.config();
        std::thread::spawn(move || {
            crate::support::process::run(&config, &["phones", "rotate", "805ec0123401", "--wait"])
        })
    };
    // The command may run after the rotation from the page has ended. In that case it starts another one.
    while !waiting.is_finished() {
        phone.poll_once().await.unwrap();
    }
    bench.records().wait_phone(mac, "the end of the old ones", |phone| phone.former.is_none()).await;
    let waited = waiting.join().unwrap();
    assert!(waited.status.success(), "{waited:?}");
}

/// Kills the real binary at every point of the rotation.
#[actix_rt::test]
async fn after_a_crash_at_any_point_one_of_both_credentials_is_accepted() {
    let options = Options::default();
    let site = Site::new(&options);
    let records = site.records(&options).await;
    let mac = mac(1);
    let fresh = Phone::new(records.instance, mac, "yealink", "yealink", jiff::Timestamp::UNIX_EPOCH);
    let mut phone = sample_phone("yealink", "yealink", Some("T46U"), None, mac);
    (phone.instance, phone.token, phone.own) = (records.instance, fresh.token, fresh.own);
    let old = records.store.phones().create(phone, Vec::new()).await.unwrap().own.clone();
    let url = format!("{}/{DOMAIN}/{INSTANCE}/phone/{mac}.cfg", site.url());
    let old_gets = || fetch(&url, &old.user, old.password.expose());

    let mut gateway = site.serve();
    assert_eq!(old_gets(), 200);
    let rotated = site.run(&["phones", "rotate", &mac.to_string()]);
    assert!(rotated.status.success(), "{rotated:?}");
    let new = records.wait_phone(mac, "the change", |phone| phone.former.is_some()).await.own.clone();
    let new_gets = || fetch(&url, &new.user, new.password.expose());
    assert_ne!(new.password, old.password);

    // The new credentials are stored, but the phone does not know them.
    gateway.kill();
    gateway = site.serve();
    assert_eq!(old_gets(), 200);
    // The phone has the file but has not used the new credentials.
    gateway.kill();
    gateway = site.serve();
    assert_eq!(old_gets(), 200);
    assert_eq!(new_gets(), 200);
    // The phone has used the new credentials.
    gateway.kill();
    gateway = site.serve();
    assert_eq!(old_gets(), 401);
    assert_eq!(new_gets(), 200);
    gateway.kill();
}
