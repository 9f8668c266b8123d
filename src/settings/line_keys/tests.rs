use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<String, String> {
    LineKeys::read(text).map(|keys| keys.to_string()).map_err(|error| error.to_string())
}

#[test]
fn lists_are_brought_into_form() {
    for (typed, kept) in [
        ("", "[]"),
        (" [] ", "[]"),
        (r#"[{"type":"line"}]"#, r#"[{"key":1,"type":"line","account":1}]"#),
        (
            r#"[{"key":3,"type":"blf","value":1002,"label":" Bob ","pickup":"*8"}, {"type":"Speed-Dial","value":"+49711"}]"#,
            r#"[{"key":3,"type":"blf","value":"1002","label":"Bob","account":1,"pickup":"*8"},{"key":4,"type":"speed_dial","value":"+49711","account":1}]"#,
        ),
        (
            "[\n  { key = 2, type = \"dnd\" },\n  { key = 1, type = \"blf\", value = \"1002\", account = 2 },\n]",
            r#"[{"key":1,"type":"blf","value":"1002","account":2},{"key":2,"type":"dnd","account":1}]"#,
        ),
        (
            r#"[{"type":"url","value":"https://x.example/a b#c"}]"#,
            r#"[{"key":1,"type":"url","value":"https://x.example/a b#c","account":1}]"#,
        ),
    ] {
        assert_eq!(read(typed).as_deref(), Ok(kept), "{typed}");
    }
}

#[test]
fn every_fault_is_reported_with_its_row() {
    let codes = BTreeMap::from([(KeyType::Line, "15".to_owned()), (KeyType::Blf, "16".to_owned())]);
    let room = KeyLimits { model: "T31P", keys: 2, accounts: 2, codes: &codes };
    let list =
        r#"[{"type":"blf"},{"type":"line"},{"key":1,"type":"line"},{"key":9,"type":"line"},{"key":2,"type":"dnd"}]"#;
    let rows = |room| LineKeys::faults(list, room).unwrap().into_iter().map(|(row, _)| row).collect::<Vec<_>>();
    // The second key gets number 1, because the key before it is invalid and has no number.
    assert_eq!(rows(None), [1, 3]);
    assert_eq!(rows(Some(&room)), [1, 3, 4, 5]);
    assert_eq!(LineKeys::faults("[]", Some(&room)), Ok(Vec::new()));
    assert!(LineKeys::faults("blf 1002", None).is_err());
}

#[test]
fn a_wrong_list_is_refused_with_entry_and_cure() {
    let many = format!("[{}]", vec![r#"{"type":"line"}"#; 401].join(","));
    for (typed, expected_text) in [
        ("blf 1002", "write it like [{"),
        ("{\"type\":\"line\"}", "write [ ... ] around the keys"),
        ("[] \nregistrar = \"x\"", "it is no list"),
        ("[1]", "entry 1: it is no key"),
        (r#"[{"type":"line"},{"type":"line","lable":"x"}]"#, "entry 2: a key has no 'lable'; it has key, type,"),
        (r#"[{"value":"1"}]"#, "its type is missing: one of line, blf"),
        (r#"[{"type":"laser"}]"#, "\"laser\" is no type of key: one of line, blf"),
        (r#"[{"type":"blf"}]"#, "needs a value"),
        (r#"[{"type":"dnd","value":"1"}]"#, "has no value"),
        (r#"[{"type":"line","key":0}]"#, "its key 0 is no number from 1 to 400"),
        (r#"[{"type":"line","account":"two"}]"#, "its account \"two\" is no number"),
        (r#"[{"type":"line","key":2},{"type":"dnd","key":2}]"#, "entry 2: key 2 stands in entry 1 already"),
        (r#"[{"type":"line","key":400},{"type":"line"}]"#, "entry 2: no phone has a key 401"),
        (r#"[{"type":"blf","value":"10 02"}]"#, "holds a blank"),
        (r##"[{"type":"speed_dial","value":"#31#"}]"##, "begins a comment"),
        (r#"[{"type":"line","label":"a\nlinekey.9.type = 16"}]"#, "no phone's file can carry (U+000A)"),
        (r#"[{"type":"line","label":["x"]}]"#, "is no text"),
        (r#"[{"type":"line","pickup":"*8"}]"#, "only a key of type blf has a pickup code"),
        (r#"[{"type":"url","value":"ftp://x"}]"#, "must start with https://"),
        (&many, "it has 401 entries"),
    ] {
        let error = read(typed).unwrap_err();
        assert!(error.contains(expected_text), "{typed}: {error}");
    }
}

#[test]
fn what_a_model_lacks_is_reported() {
    let codes = BTreeMap::from([(KeyType::Line, "15".to_owned()), (KeyType::Blf, "16".to_owned())]);
    let room = KeyLimits { model: "a T31P", keys: 2, accounts: 2, codes: &codes };
    let refused = |text: &str| room.refuses(&LineKeys::read(text).unwrap().keys()[0]);
    assert_eq!(refused(r#"[{"key":2,"type":"blf","value":"1"}]"#), None);
    assert_eq!(
        refused(r#"[{"key":3,"type":"line"}]"#).as_deref(),
        Some("line key 3 (line) is refused: a T31P has 2 line keys")
    );
    assert_eq!(
        refused(r#"[{"type":"line","account":3}]"#).as_deref(),
        Some("line key 1 (line) is refused: a T31P has no account 3, only 2")
    );
    assert_eq!(
        refused(r#"[{"type":"dnd"}]"#).as_deref(),
        Some("line key 1 is refused: a T31P has no keys of type dnd; it has line, blf")
    );
}

fn entry() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        proptest::sample::select(KeyType::ALL.map(KeyType::word).to_vec()).prop_map(str::to_owned),
        "[a-z_]{0,8}"
    ];
    let text = prop_oneof!["[0-9*+]{0,6}", ".{0,12}"].prop_map(Value::from);
    let number = prop_oneof![(0..500_u64).prop_map(Value::from), Just(Value::Null), Just(Value::from("7"))];
    (word, text.clone(), text.clone(), text, number.clone(), number).prop_map(
        |(word, value, label, pickup, key, account)| {
            serde_json::json!({"type": word, "value": value, "label": label, "pickup": pickup, "key": key, "account": account})
        },
    )
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = LineKeys::read(&text);
    }

    #[test]
    fn no_likely_text_panics(text in r#"\[?(\{?("?(type|key|value)"? ?[:=] ?"?[a-z0-9#\n]{0,6}"?,? ?){0,4}\}?,?){0,3}\]?"#) {
        let _ = LineKeys::read(&text);
    }

    /// The canonical form parses to the same list, is on one line and contains no control characters.
    #[test]
    fn the_usual_form_is_stable(entries in proptest::collection::vec(entry(), 0..6)) {
        if let Ok(keys) = LineKeys::read(&Value::from(entries).to_string()) {
            let text = keys.to_string();
            prop_assert!(!text.chars().any(char::is_control));
            prop_assert_eq!(LineKeys::read(&text).unwrap(), keys.clone());
            prop_assert!(keys.keys().windows(2).all(|pair| pair[0].key < pair[1].key));
            prop_assert!(keys.keys().iter().all(|key| key.key >= 1 && key.account >= 1));
        }
    }
}
