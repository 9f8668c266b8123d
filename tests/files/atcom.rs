//! Tests the files of all ATCOM models with an XML parser that is independent of the writer.

use crate::{
    golden,
    sample::{REGISTRY, add_account, file, layers, phone},
    xml,
};
use gangway::{phone::facet::Wanted, render::Stage};

fn text_at(file: &str, path: &str) -> Option<String> {
    let found: Vec<_> = xml::elements(file).into_iter().filter(|element| element.path == path).collect();
    assert!(found.len() <= 1, "{path} stands there {} times", found.len());
    found.into_iter().next().map(|element| element.text)
}

#[test]
fn golden_files_of_every_model() {
    golden::check("atcom", "xml");
}

#[test]
fn every_model_has_its_accounts_and_those_not_in_use_are_off() {
    let registry = REGISTRY.load();
    for model in &registry.vendor("atcom").unwrap().manifest.models {
        let file = file(&phone("atcom", &model.name), &layers(false, &[]), Stage::Personal).unwrap();
        let at = |path: &str| text_at(&file, &format!("PhoneConfig/{path}"));
        assert_eq!(at("Ext1/ProxyandRegistration/Proxy").as_deref(), Some("pbx.example.com"), "{}", model.name);
        for name in ["DisplayName", "UserID", "AuthID", "Password"] {
            let text = at(&format!("Ext1/SubscriberInformation/{name}")).unwrap();
            assert!(!text.is_empty(), "{}: {name}", model.name);
        }
        assert_eq!(at("System/STUN/UseStun").as_deref(), Some("Disable"), "{}", model.name);
        let states: Vec<(String, String)> = xml::elements(&file)
            .into_iter()
            .filter(|element| element.path.starts_with("PhoneConfig/Ext") && element.path.matches('/').count() == 1)
            .map(|element| (element.path.clone(), element.attributes[0].1.clone()))
            .collect();
        let wanted: Vec<(String, String)> = (1..=model.accounts)
            .map(|line| (format!("PhoneConfig/Ext{line}"), if line == 1 { "Enable" } else { "Disable" }.to_owned()))
            .collect();
        assert_eq!(states, wanted, "{}", model.name);
    }
}

#[test]
fn a_released_phone_has_no_account_left() {
    let mut phone = phone("atcom", "D26");
    phone.wanted = Wanted::Released;
    let file = file(&phone, &layers(false, &[]), Stage::Personal).unwrap();
    assert!(!file.contains("pbx.example.com") && !file.contains("Ext1 Enable=\"Enable\""), "{file}");
}

#[test]
fn hostile_names_add_no_element_and_no_attribute() {
    let plain = file(&phone("atcom", "D26"), &layers(false, &[]), Stage::Personal).unwrap();
    let shape = |text: &str| -> Vec<(String, usize)> {
        xml::elements(text).into_iter().map(|element| (element.path, element.attributes.len())).collect()
    };
    for (name, read) in [
        ("</DisplayName><Password>x</Password>", "</DisplayName><Password>x</Password>"),
        ("\" Enable=\"Enable", "\" Enable=\"Enable"),
        ("Jörg & Söhne <b>😀</b>", "Jörg & Söhne <b>😀</b>"),
        ("two\r\nlines", "twolines"),
        ("]]>&amp;%#", "]]>&amp;%#"),
    ] {
        let mut phone = phone("atcom", "D26");
        phone.accounts[0].cn = name.to_owned();
        let text = file(&phone, &layers(false, &[]), Stage::Personal).unwrap();
        assert_eq!(shape(&text), shape(&plain), "{name}");
        let displayed = text_at(&text, "PhoneConfig/Ext1/SubscriberInformation/DisplayName").unwrap();
        assert_eq!(displayed.split_whitespace().collect::<String>(), read.split_whitespace().collect::<String>());
    }
}

#[test]
fn a_further_user_has_the_next_account() {
    let mut phone = phone("atcom", "D21");
    add_account(&mut phone, "bob", "second.example.com");
    let file = file(&phone, &layers(false, &[]), Stage::Personal).unwrap();
    assert_eq!(text_at(&file, "PhoneConfig/Ext2/ProxyandRegistration/Proxy").as_deref(), Some("second.example.com"));
}
