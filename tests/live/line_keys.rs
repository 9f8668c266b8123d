//! Tests line keys from the setting to the phone: they are set per layer, rejected where the model cannot have them,
//! and explained key by key. Also tests that the wanted firmware is shown next to the reported one.

use std::process::Output;

use gangway_sim::yealink_phone::model;
use serde_json::{Value, json};

use crate::support::{bench::Bench, mac, page::Page};

fn err(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

fn json_of(done: &Output) -> Value {
    assert!(done.status.success(), "{}", err(done));
    serde_json::from_slice(&done.stdout).unwrap()
}

async fn set(bench: &Bench, arguments: &[&str]) {
    let mut changes = bench.records().store.settings().changes();
    let done = bench.gateway.command(&[&["settings", "set"], arguments].concat());
    assert!(done.status.success(), "{arguments:?}: {}", err(&done));
    assert!(err(&done).contains("at the phone's next request") || err(&done).contains("at once"), "{}", err(&done));
    tokio::time::timeout(crate::support::records::TIMEOUT, changes.recv()).await.expect("the change is seen").unwrap();
}

#[actix_rt::test]
async fn a_list_of_keys_reaches_the_phone_and_a_shorter_one_as_well() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let phone = bench.installed(mac, model::T46U, "user1").await;
    let kept = |name: &str| phone.board().read(|flash| flash.settings.get(name).map(str::to_owned));
    assert_eq!(kept("linekey.2.type"), None);

    let all =
        r#"[{"key":2,"type":"blf","value":"1002","label":"Bob","pickup":"*8"},{"type":"speed_dial","value":"+49711"}]"#;
    set(&bench, &["line_keys", all]).await;
    phone.poll_once().await.unwrap();
    assert_eq!(kept("linekey.2.type").as_deref(), Some("16"));
    assert_eq!(kept("linekey.2.value").as_deref(), Some("1002"));
    assert_eq!(kept("linekey.3.value").as_deref(), Some("+49711"));

    // The phone's own list replaces the others as a whole. It is written as TOML.
    let own = mac.to_string();
    set(&bench, &["line_keys", "[{ key = 3, type = \"dnd\" }]", "--phone", &own]).await;
    phone.poll_once().await.unwrap();
    assert_eq!(kept("linekey.3.type").as_deref(), Some("5"));
    assert_eq!(kept("linekey.2.type"), None);

    let explained = json_of(&bench.gateway.command(&["render", "--mac", &own, "--explain", "--json"]));
    let lines = explained["lines"].as_array().unwrap();
    let line = lines.iter().find(|line| line["line"] == "linekey.3.type = 5").unwrap();
    let origin = format!("line_keys (key 3) from phone:{own}, beats instance 2 keys, beats default (empty)");
    assert_eq!(line["origins"][0], origin);
}

#[actix_rt::test]
async fn keys_a_phone_cannot_have_are_refused_with_the_reason() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.installed(mac, model::T46U, "user1").await;
    let own = mac.to_string();
    for (arguments, expected_text) in [
        (vec![r#"[{"key":28,"type":"dnd"}]"#, "--phone", &own], "line key 28 (dnd) is refused: T46U has 27 line keys"),
        (
            vec![r#"[{"key":3,"type":"dnd"}]"#, "--vendor", "yealink", "--model", "T31P"],
            "line key 3 (dnd) is refused: T31P has 2 line keys",
        ),
        (vec![r#"[{"type":"laser"}]"#], "entry 1: \"laser\" is no type of key: one of line, blf"),
        (vec!["blf 1002"], "write it like [{"),
    ] {
        let done = bench.gateway.command(&[&["settings", "set", "line_keys"][..], &arguments].concat());
        assert!(!done.status.success(), "{arguments:?}");
        assert!(err(&done).contains(expected_text), "{}", err(&done));
    }
    // The page offers the possible values, reports each error with its row, and rejects the same values.
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    let value = r#"[{"key":1,"type":"blf"},{"key":2,"type":"line"},{"key":28,"type":"dnd"}]"#;
    let answer = page.ask("LineKeys", json!({ "scope": format!("phone:{own}"), "value": value })).await;
    let rows: Vec<_> = answer["rows"].as_array().unwrap().iter().map(|one| one["row"].as_u64().unwrap()).collect();
    assert_eq!((rows, &answer["keys"], &answer["model"]), (vec![1, 3], &json!(27), &json!("T46U")), "{answer}");
    assert!(answer["types"].as_array().unwrap().contains(&json!({ "word": "blf", "value": "must" })), "{answer}");
    let all = page.ask("LineKeys", json!({ "scope": "instance", "value": value })).await;
    assert_eq!((all["rows"].as_array().unwrap().len(), &all["keys"]), (1, &Value::Null), "{all}");
    let list = r#"[{"key":28,"type":"dnd"}]"#;
    let params = json!({ "scope": format!("phone:{own}"), "values": { "line_keys": list } });
    let refused = page.ask("SettingsSet", params).await;
    let reason = refused["fields"]["line_keys"]["text"].as_str().unwrap();
    assert!(reason.contains("T46U has 27 line keys"), "{refused}");

    // A list for all phones may be longer than a phone supports. The gateway reports which keys it rejects.
    set(&bench, &["line_keys", r#"[{"key":1,"type":"line"},{"key":28,"type":"dnd"}]"#]).await;
    let file = json_of(&bench.gateway.command(&["render", "--mac", &own, "--json"]));
    let notes = file["notes"].to_string();
    assert!(notes.contains("line key 28 (dnd) is refused: T46U has 27 line keys"), "{notes}");
}

#[actix_rt::test]
async fn the_wanted_firmware_stands_beside_the_reported_one() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.installed(mac, model::T46U, "user1").await;
    let show = || json_of(&bench.gateway.command(&["phones", "show", &mac.to_string(), "--json"]));
    let reported = show()["firmware"].as_str().unwrap().to_owned();
    assert_eq!(show()["firmware_current"], Value::Null);
    set(&bench, &["firmware_version", &reported]).await;
    assert_eq!(show()["firmware_current"], true);
    set(&bench, &["firmware_url", "https://fw.example.com/T46U-108.99.0.1.rom"]).await;
    set(&bench, &["firmware_version", ""]).await;
    let answer = show();
    assert_eq!((&answer["firmware_wanted"], &answer["firmware_current"]), (&"108.99.0.1".into(), &false.into()));
}

#[actix_rt::test]
async fn programs_learn_what_a_setting_is() {
    let bench = Bench::start().await;
    set(&bench, &["sip_transport", "tcp", "--vendor", "yealink"]).await;
    let list = json_of(&bench.gateway.command(&["settings", "list", "--vendor", "yealink", "--json"]));
    let row = list.as_array().unwrap().iter().find(|row| row["name"] == "sip_transport").unwrap();
    for (field, value) in [
        ("type", Value::from("choice")),
        ("choices", serde_json::json!(["tls", "tcp"])),
        ("default", "tls".into()),
        ("scopes", serde_json::json!(["instance", "vendor", "model", "category", "phone"])),
        ("takes_effect", "at the phone's next request".into()),
        ("scope", "vendor:yealink".into()),
        ("value", "tcp".into()),
        ("set", true.into()),
    ] {
        assert_eq!(row[field], value, "{field}");
    }
}
