//! Tests that a change in Devices is in the next file that the phone fetches and not earlier, and that an unchanged
//! file is identical byte for byte.

use gangway_sim::{devices::ConfigItem, yealink_phone::model};
use serde_json::json;

use crate::support::{
    bench::{Bench, simulation},
    http, mac,
    options::Options,
};

/// Yealink's parameter for the first time server.
const NTP: &str = "local_time.ntp_server1";

fn time_server(name: &str) -> ConfigItem {
    ConfigItem { categories: Vec::new(), content: json!({ "type": "NTP", "ntp1": name, "tz": "UTC0" }) }
}

#[actix_rt::test]
async fn a_change_in_devices_reaches_the_next_get_and_none_before() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.simulation.devices.push_item(&time_server("10.1.1.1"));
    let phone = bench.installed(mac, model::T46U, "user1").await;
    let setting = || phone.board().read(|flash| flash.settings.get(NTP).map(str::to_owned));
    assert_eq!(setting().as_deref(), Some("10.1.1.1"));
    assert!(phone.poll_once().await.unwrap().unchanged);
    let before = bench.records().phone(mac).unwrap().revision;

    bench.simulation.devices.push_item(&time_server("10.2.2.2"));
    bench.records().wait_phone(mac, "a new revision", |phone| phone.revision > before).await;

    assert_eq!(setting().as_deref(), Some("10.1.1.1"), "nobody pushes anything to the phone");
    let report = phone.poll_once().await.unwrap();
    assert!(!report.unchanged, "{report:#?}");
    assert_eq!(setting().as_deref(), Some("10.2.2.2"));
    assert!(phone.poll_once().await.unwrap().unchanged);
    bench.assert_no_violation();
}

#[actix_rt::test]
async fn an_unchanged_file_is_the_same_to_the_byte_and_need_not_be_sent_twice() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let phone = bench.installed(mac, model::T46U, "user1").await;
    let base = phone.board().read(|flash| flash.settings.get("static.auto_provision.server.url").unwrap().to_owned());
    let url = format!("{}/{mac}.cfg", base.trim_end_matches('/'));
    let agent = model::T46U.user_agent(mac);
    let own = bench.records().phone(mac).unwrap().own.clone();
    let ask = |etag: Option<&str>| {
        let condition = etag.map(|etag| ("If-None-Match", etag));
        let headers: Vec<_> = [("User-Agent", agent.as_str())].into_iter().chain(condition).collect();
        http::proven("GET", &url, &headers, &own.user, own.password.expose())
    };

    let first = ask(None);
    let etag = first.header("etag").expect("an ETag").to_owned();
    let second = ask(None);
    let third = ask(Some(&etag));

    assert_eq!(first.status, 200, "{}", first.text());
    assert_eq!(first.body, second.body);
    assert_eq!(second.header("etag"), Some(etag.as_str()));
    assert_eq!((third.status, third.body.len()), (304, 0));

    let before = bench.records().phone(mac).unwrap().revision;
    bench.simulation.devices.push_item(&time_server("10.2.2.2"));
    bench.records().wait_phone(mac, "a new revision", |phone| phone.revision > before).await;
    let changed = ask(Some(&etag));
    assert_eq!(changed.status, 200);
    assert!(changed.text().contains("10.2.2.2"));
    assert_ne!(changed.header("etag"), Some(etag.as_str()));
}

/// Passwords arrive encrypted for each device. The file contains them only without the media relay.
#[actix_rt::test]
async fn a_turn_account_arrives_decrypted_and_only_without_the_media_relay() {
    let simulation = simulation().start().await.unwrap();
    let content = json!({
        "type": "MEDIA", "stunServer": "stun.example.com", "turnServer": "turn.example.com:3479", "turnUser": "relay",
        "turnPassword": "turn secret \u{e4}",
    });
    simulation.devices.push_item(&ConfigItem { categories: Vec::new(), content });
    let mut options = Options::default();
    options.settings.push(("media_relay".into(), "false".into()));
    let bench = Bench::start_in(simulation, options).await;
    let mac = mac(1);

    let phone = bench.installed(mac, model::T46U, "user1").await;

    let get = |name: &str| phone.board().read(|flash| flash.settings.get(name).map(str::to_owned));
    assert_eq!(get("static.sip.nat_turn.enable").as_deref(), Some("1"));
    assert_eq!(get("static.sip.nat_turn.server").as_deref(), Some("turn.example.com"));
    assert_eq!(get("static.sip.nat_turn.username").as_deref(), Some("relay"));
    assert_eq!(get("static.sip.nat_turn.password").as_deref(), Some("turn secret \u{e4}"));
    assert_ne!(bench.simulation.pbx.device(&mac.to_string()).unwrap()["mr"], true, "the flag follows the setting");

    let done = bench.gateway.command(&["settings", "set", "media_relay", "true"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let flag = |state: &gangway_sim::pbx::PbxState| {
        state.device(&mac.to_string()).filter(|device| device["mr"] == true).map(|_| ())
    };
    bench.simulation.pbx.board().wait("the flag to follow the setting", flag).await.unwrap();
    phone.poll_once().await.unwrap();
    assert_eq!(get("static.sip.nat_turn.enable").as_deref(), Some("0"));
    assert_eq!(get("static.sip.nat_turn.password"), None);
    bench.assert_no_violation();
}
