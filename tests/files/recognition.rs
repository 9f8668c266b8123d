//! Tests recognition: every recorded User-Agent and file name of Snom's devices is recognised, and none of other
//! vendors.

use gangway::catalog::FileKind;
use serde::{Deserialize, de::DeserializeOwned};

use crate::sample::REGISTRY;

#[derive(Deserialize)]
struct Case {
    id: String,
    user_agent: Option<String>,
    path: Option<String>,
    model: Option<String>,
    firmware: Option<String>,
    mac: Option<String>,
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Name {
    name: String,
    kind: String,
    mac: Option<String>,
    model: Option<String>,
}

#[derive(Deserialize)]
struct Foreign {
    id: String,
    user_agent: Option<String>,
    path: Option<String>,
    whose: Option<String>,
}

fn fixture<T: DeserializeOwned>(text: &str) -> Vec<T> {
    let cases: Vec<T> = serde_json::from_str(text).unwrap();
    assert!(cases.len() > 10);
    cases
}

#[test]
fn snom_devices() {
    let registry = REGISTRY.load();
    for case in fixture::<Case>(include_str!("../../fixtures/recognition/snom.json")) {
        let found = registry.recognise(case.user_agent.as_deref(), case.path.as_deref());
        assert_eq!(found.vendor.as_deref(), Some("snom"), "{}", case.id);
        assert_eq!(found.model.as_deref(), case.model.as_deref(), "{}", case.id);
        assert_eq!(found.firmware.as_deref(), case.firmware.as_deref(), "{}", case.id);
        assert_eq!(found.mac.map(|mac| mac.to_string()), case.mac, "{}", case.id);
        if let Some(kind) = &case.kind {
            assert_eq!(found.kind, FileKind::from_word(kind), "{}", case.id);
        }
    }
}

#[test]
fn snom_file_names() {
    let registry = REGISTRY.load();
    for case in fixture::<Name>(include_str!("../../fixtures/recognition/snom-files.json")) {
        // A name that is wrong for one phone is still a valid name. Whether this phone may have the file is not decided
        // here.
        if case.kind == "reject" {
            continue;
        }
        let found = registry.recognise(None, Some(&case.name));
        let mac = found.mac.map(|mac| mac.to_string());
        if case.kind == "mac-extraction" {
            assert_eq!((found.kind, mac), (FileKind::Personal, case.mac), "{}", case.name);
            continue;
        }
        assert_eq!(found.kind, FileKind::from_word(&case.kind), "{}", case.name);
        assert_eq!(mac, case.mac, "{}", case.name);
        if let Some(model) = case.model.filter(|_| case.kind != "unknown") {
            let read = found.model.as_deref().unwrap_or_default().replace(' ', "");
            assert!(read.eq_ignore_ascii_case(&model), "{}: {read}", case.name);
        }
    }
}

#[test]
fn other_user_agents_are_not_recognised_as_snom() {
    let registry = REGISTRY.load();
    for case in fixture::<Foreign>(include_str!("../../fixtures/recognition/not-snom.json")) {
        let found = registry.recognise(case.user_agent.as_deref(), case.path.as_deref());
        assert_ne!(found.vendor.as_deref(), Some("snom"), "{}", case.id);
        let expected = case.whose.as_deref().filter(|whose| *whose == "yealink");
        if expected.is_some() {
            assert_eq!(found.vendor.as_deref(), expected, "{}", case.id);
        }
    }
}

/// A device of an unknown model is assigned to its vendor and does not get another model's file.
#[test]
fn an_unknown_model_has_no_more_than_one_account() {
    let registry = REGISTRY.load();
    let agent = "Mozilla/4.0 (compatible; snomD999-SIP 11.0.0.1 2010.12 000413922D24)";
    let found = registry.recognise(Some(agent), Some("/snomD999-000413922D24.htm"));
    assert_eq!((found.vendor.as_deref(), found.model.as_deref()), (Some("snom"), Some("D999")));
    assert!(registry.vendor("snom").unwrap().model("D999").is_none());
}
