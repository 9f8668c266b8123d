//! Line keys in files, read back by a separate parser of this test.

use std::{collections::BTreeMap, sync::Arc};

use gangway_base::{clock::ManualClock, secret::Secret};

use super::{tests::whole, *};
use crate::{
    catalog::{Registry, SharedRegistry},
    phone::record::Phone,
    phone_config::sample_phone,
    settings::{Layers, Scope, SettingRow, validate},
};

const T46U: &str = "Yealink SIP-T46U 108.86.0.90 80:5e:c0:12:34:56";
const T31P: &str = "Yealink SIP-T31P 124.86.0.40 80:5e:c0:12:34:56";
const T46G: &str = "Yealink SIP-T46G 28.72.0.1 80:5e:c0:12:34:56";
const CP920: &str = "Yealink SIP-CP920 78.85.0.5 80:5e:c0:12:34:56";

struct Bench {
    renderer: Renderer,
    registry: SharedRegistry,
    phone: Phone,
}

impl Bench {
    fn new() -> Self {
        let registry = Registry::load_shared(None).unwrap();
        let clock = Arc::new(ManualClock::new("2026-11-21T12:00:00Z".parse().unwrap()));
        let mut phone = sample_phone("yealink", "yealink", None, None, "805ec0123456".parse().unwrap());
        phone.category = Some("Sales".to_owned());
        Self { renderer: Renderer::new(Arc::clone(&registry), [7; 32], 0, clock), registry, phone }
    }

    fn with<T>(&self, agent: &str, lists: &[(&str, &str)], act: impl Fn(&FileRequest<'_>) -> T) -> T {
        let row = |(scope, list): &(&str, &str)| {
            let scope: Scope = scope.parse().unwrap();
            let value = validate("line_keys", list, &scope).unwrap();
            SettingRow { scope, name: "line_keys".to_owned(), value: Secret::new(value) }
        };
        let layers = Layers::new(lists.iter().map(row).collect(), 1);
        let recognition = self.registry.load().recognise(Some(agent), Some("/805ec0123456.cfg"));
        act(&whole(&self.phone, &recognition, &layers))
    }

    /// The keys of the file, `number.parameter` -> value, and the notes about them.
    fn keys(&self, agent: &str, lists: &[(&str, &str)]) -> (BTreeMap<String, String>, Vec<String>) {
        self.with(agent, lists, |request| {
            let file = self.renderer.file(request).unwrap();
            let text = String::from_utf8(file.body.to_vec()).unwrap();
            let keys = text.lines().filter_map(|line| line.strip_prefix("linekey.")?.split_once(" = "));
            let notes = file.notes.iter().filter(|note| note.contains("line key")).cloned().collect();
            (keys.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(), notes)
        })
    }
}

#[test]
fn a_list_reaches_the_phone() {
    let bench = Bench::new();
    let list = r#"[{"key":2,"type":"blf","value":"1002","label":"Bob & Söhne","account":1,"pickup":"*8"},
        {"type":"speed_dial","value":"+4971112345"},{"key":27,"type":"directory"}]"#;
    let (keys, notes) = bench.keys(T46U, &[("instance", list)]);
    assert_eq!(notes, Vec::<String>::new());
    for (key, value) in [
        ("2.type", "16"),
        ("2.line", "1"),
        ("2.value", "1002"),
        ("2.label", "Bob & Söhne"),
        ("2.extension", "*8"),
        ("3.type", "13"),
        ("3.value", "+4971112345"),
        ("27.type", "61"),
        // Keys that the list leaves out are the phone's own.
        ("1.type", "%NULL%"),
        ("4.value", "%NULL%"),
    ] {
        assert_eq!(keys.get(key).map(String::as_str), Some(value), "{key}");
    }
    assert_eq!(keys.len(), 27 * 5);
    let (old, _) = bench.keys(T46G, &[("instance", list)]);
    assert_eq!((old["2.type"].as_str(), old["2.pickup_value"].as_str()), ("16", "*8"));
}

#[test]
fn without_a_list_keys_are_left_alone() {
    let bench = Bench::new();
    assert_eq!(bench.keys(T46U, &[]).0.len(), 0);
    let (keys, _) = bench.keys(T46U, &[("instance", "[]")]);
    assert!(keys.len() == 27 * 5 && keys.values().all(|value| value == "%NULL%"));
}

#[test]
fn the_narrowest_list_counts_as_a_whole() {
    let bench = Bench::new();
    let list = |number: u32| format!(r#"[{{"key":{number},"type":"blf","value":"{number}"}}]"#);
    let set = [
        ("instance", list(1)),
        ("vendor:yealink", list(2)),
        ("model:yealink/T46U", list(3)),
        ("category:Sales", list(4)),
        ("phone:805ec0123456", list(5)),
        ("category:Lab", list(9)),
        ("phone:805ec0aaaaaa", list(9)),
    ];
    for layers in 1..=5 {
        let lists: Vec<(&str, &str)> =
            set[..layers].iter().chain(&set[5..]).map(|(scope, list)| (*scope, list.as_str())).collect();
        let (keys, _) = bench.keys(T46U, &lists);
        let blf: Vec<&String> = keys.iter().filter(|(_, value)| *value == "16").map(|(key, _)| key).collect();
        assert_eq!(blf, [&format!("{layers}.type")], "{lists:?}");
    }
}

#[test]
fn keys_a_model_lacks_are_refused_aloud() {
    let bench = Bench::new();
    let list = r#"[{"key":2,"type":"blf","value":"1002"},{"key":3,"type":"line"},{"key":1,"type":"line","account":3}]"#;
    let (keys, notes) = bench.keys(T31P, &[("category:Sales", list)]);
    assert_eq!(keys["2.type"], "16");
    assert_eq!(keys["1.type"], "%NULL%");
    assert_eq!(keys.len(), 2 * 5);
    assert_eq!(
        notes,
        [
            "line key 1 (line) is refused: T31P has no account 3, only 2",
            "line key 3 (line) is refused: T31P has 2 line keys"
        ]
    );
    let (keys, notes) = bench.keys(CP920, &[("category:Sales", list)]);
    assert_eq!((keys.len(), notes.len()), (0, 3));
    assert!(notes[1].ends_with("CP920 has no line keys"), "{notes:?}");
}

#[test]
fn every_key_has_its_origin() {
    let bench = Bench::new();
    let lists = [
        ("instance", r#"[{"type":"line"},{"type":"dnd"}]"#),
        ("category:Sales", r#"[{"key":2,"type":"blf","value":"1002"},{"key":3,"type":"dnd"}]"#),
    ];
    let lines = bench.with(T46U, &lists, |request| bench.renderer.explain(request).unwrap());
    let of = |line: &str| {
        let found = lines.iter().find(|one| one.line == line).unwrap_or_else(|| panic!("{line}"));
        found.origins.join("; ")
    };
    let beats = "from category:Sales, beats instance 2 keys, beats default (empty)";
    assert_eq!(of("linekey.2.value = 1002"), format!("line_keys (key 2) {beats}"));
    assert_eq!(of("linekey.3.type = 5"), format!("line_keys (key 3) {beats}"));
    assert_eq!(of("linekey.1.type = %NULL%"), format!("line_keys (not in the list) {beats}"));
}

#[test]
fn snom_phones_get_function_keys() {
    const SNOM: &str =
        "Mozilla/4.0 (compatible; snomD735-SIP 10.1.33.33 2010.12-00004-g9ba52f5 000413123456 SXM:0 UXM:0)";
    let mut bench = Bench::new();
    bench.phone = sample_phone("snom", "snom", None, None, "000413123456".parse().unwrap());
    bench.phone.accounts[0].dns = "pbx.example.com".to_owned();
    let file = |list: &str| {
        let row = SettingRow {
            scope: Scope::Instance,
            name: "line_keys".to_owned(),
            value: Secret::new(validate("line_keys", list, &Scope::Instance).unwrap()),
        };
        let recognition = bench.registry.load().recognise(Some(SNOM), Some("/snomD735-000413123456.htm"));
        let file = bench.renderer.file(&whole(&bench.phone, &recognition, &Layers::new(vec![row], 1)));
        let file = file.unwrap();
        (String::from_utf8(file.body.to_vec()).unwrap(), file.notes.clone())
    };
    let (text, notes) = file(
        r#"[{"key":2,"type":"blf","value":"1002","label":"Bob \"<b>\" & Söhne","pickup":"*8"},
            {"key":3,"type":"blf","value":"bob@other.example.com"},{"key":4,"type":"dnd"},
            {"key":5,"type":"speed_dial","value":"+49711"},{"key":6,"type":"line"},{"key":7,"type":"voice_mail"},
            {"key":200,"type":"line"}]"#,
    );
    let document = roxmltree::Document::parse(&text).unwrap();
    let keys: BTreeMap<u32, (String, String, String)> = document
        .descendants()
        .filter(|node| node.has_tag_name("fkey"))
        .map(|node| {
            assert_eq!(
                (node.parent().unwrap().tag_name().name(), node.attribute("perm")),
                ("functionKeys", Some("RW"))
            );
            let of = |name| node.attribute(name).unwrap().to_owned();
            (of("idx").parse().unwrap(), (of("context"), of("label"), node.text().unwrap().to_owned()))
        })
        .collect();
    for (index, context, label, text) in [
        (0, "active", "", "line"),
        (1, "1", "Bob \"<b>\" & Söhne", "blf <sip:1002@pbx.example.com>|*8"),
        (2, "1", "", "blf <sip:bob@other.example.com>"),
        (3, "1", "", "keyevent F_DND"),
        (4, "1", "", "speed +49711"),
        (5, "1", "", "line"),
        (6, "active", "", "line"),
    ] {
        assert_eq!(keys[&index], (context.to_owned(), label.to_owned(), text.to_owned()), "{index}");
    }
    let refused: Vec<&String> = notes.iter().filter(|note| note.contains("is refused")).collect();
    assert_eq!(refused.len(), 2, "{notes:?}");
    assert!(refused[0].contains("D735 has no keys of type voice_mail"), "{refused:?}");
    assert!(refused[1].starts_with("line key 200 (line) is refused: D735 has"), "{refused:?}");
    assert!(!file("").0.contains("<fkey"));
}
