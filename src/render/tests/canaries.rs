//! Checks that no stage contains a secret it must not. Every secret is a marked value, and every template of every
//! vendor, family and generation is rendered for every model and stage.

use std::collections::BTreeSet;

use super::*;
use crate::{
    catalog::{FileKind, Vendor, family::Generation},
    phone::{facet::Wanted, record::Credentials},
};

/// Secrets that only the phone itself may receive.
const OWN: &[&str] = &["OwnCanary", "UserCanary1", "LdapCanary", "AdminCanary", "TurnCanary"];
/// Secrets that must not be in any file.
const NOBODYS: &[&str] = &[
    "TokenCanary",
    "BootCanary",
    "SharedCanary",
    "RedirectCanary",
    "SysclientCanary",
    "CodeCanary",
    "SpentCanary",
    "FormerCanary",
    "EntryCanary",
    "LogCanary",
    "DeployedCanary",
    "OtherOwn",
    "OtherUser",
    "OtherToken",
];

fn marked(vendor: &Vendor, model: Option<&str>, firmware: &str) -> Phone {
    let mac: Mac = "805ec0123456".parse().unwrap();
    let provider = vendor.provider_of(model).map_or(&*vendor.name, |provider| provider.name.as_str());
    let mut phone = sample_phone(provider, &vendor.name, model, Some(firmware), mac);
    phone.id = PhoneId(1);
    phone.token = Secret::new("TokenCanary");
    phone.own.password = Secret::new("OwnCanary");
    phone.former = Some(Secret::new("FormerCanary"));
    phone.bootstrap = Some(Credentials { user: "boot".to_owned(), password: Secret::new("BootCanary"), proven: None });
    phone.code = Some(Secret::new("CodeCanary"));
    phone.sysclient.password = Some(Secret::new("SysclientCanary"));
    phone.sysclient.spent.add(Secret::new("SpentCanary"));
    phone.device_config.admin_password = Some(Secret::new("DeployedCanary"));
    for account in &mut phone.accounts {
        account.password = Secret::new(format!("UserCanary{}", account.line));
    }
    for item in phone.device_config.items.values_mut() {
        if let Some(password) = item.get_mut("turnPassword") {
            *password = json!("TurnCanary");
        }
    }
    phone
        .device_config
        .items
        .insert("ALARM_SERVER".to_owned(), json!({"type": "ALARM_SERVER", "logPassword": "LogCanary"}));
    phone.redirect_entry = Some(crate::phone::record::RedirectEntry {
        url: Secret::new("https://EntryCanary.example.com/"),
        server_name: None,
        at: jiff::Timestamp::UNIX_EPOCH,
    });
    phone
}

fn settings(vendor: &str) -> Layers {
    let mut values: Vec<(String, String)> = [
        ("provisioning_user", "SharedCanary"),
        ("provisioning_password", "SharedCanary"),
        ("phone_admin_password", "AdminCanary"),
        ("ldap_password", "LdapCanary"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for part in ["url", "user", "password", "server_name"] {
        values.push((format!("redirect.{vendor}.{part}"), "RedirectCanary".to_owned()));
    }
    let kept = sample_layers();
    let rows = kept.rows().iter().map(|row| (row.name.clone(), row.value.expose().to_owned()));
    let mut all: Vec<(String, String)> = rows.filter(|(name, _)| values.iter().all(|(set, _)| set != name)).collect();
    all.append(&mut values);
    let pairs: Vec<(&str, &str)> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    layers(&pairs)
}

/// A firmware version of that generation.
pub(super) fn version(generation: &Generation) -> String {
    let number = |range: Option<crate::catalog::family::Range>| range.map_or(1, |range| range.from);
    format!("{}.{}.0.1", number(generation.first_number), number(generation.second_number))
}

fn holds(text: &str, canaries: &[&str]) -> Vec<String> {
    canaries.iter().filter(|canary| text.contains(**canary)).map(|canary| (*canary).to_owned()).collect()
}

#[test]
fn no_stage_holds_a_secret_of_another() {
    let bench = Bench::new();
    let registry = bench.registry.load();
    let (mut chosen, mut all, mut seen, mut files) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), 0);
    for vendor in registry.vendors() {
        let layers = settings(&vendor.name);
        for family in &vendor.manifest.families {
            for generation in vendor.manifest.generations_of(family) {
                all.insert((vendor.name.to_string(), family.name.clone(), generation.name.clone()));
                let firmware = version(generation);
                for model in vendor.manifest.models.iter().map(|model| Some(model.name.as_str())).chain([None]) {
                    let phone = marked(vendor, model, &firmware);
                    if let Some((family, generation)) = vendor.choose(model, Some(&phone.provider), Some(&firmware)) {
                        chosen.insert((vendor.name.to_string(), family.name.clone(), generation.name.clone()));
                    }
                    let mut other = marked(vendor, model, &firmware);
                    other.id = PhoneId(2);
                    other.mac = "805ec0123457".parse().unwrap();
                    other.token = Secret::new("OtherToken");
                    other.own.password = Secret::new("OtherOwn");
                    other.accounts.iter_mut().for_each(|account| account.password = Secret::new("OtherUser"));
                    let render = |phone: Option<&Phone>, kind, stage, token| {
                        let recognition = recognised(vendor, model, &firmware, kind);
                        let request = FileRequest {
                            phone,
                            recognition: &recognition,
                            stage,
                            urls: &URLS,
                            token,
                            layers: &layers,
                        };
                        let file = bench.renderer.file(&request);
                        file.map(|file| String::from_utf8(file.body.to_vec()).unwrap())
                    };
                    let place = format!("{} {} {model:?} {firmware}", vendor.name, family.name);
                    // Another phone's file is rendered first. Its cached values must not appear in this one.
                    let others = render(Some(&other), FileKind::Personal, Stage::Personal, None).unwrap();
                    assert!(others.contains("OtherUser"), "{place}");
                    let personal = render(Some(&phone), FileKind::Personal, Stage::Personal, Some(TOKEN)).unwrap();
                    assert_eq!(holds(&personal, NOBODYS), [""; 0], "{place}, personal");
                    assert!(!personal.contains(TOKEN), "{place}: the token is no way to come back");
                    assert!(personal.contains("UserCanary1"), "{place}");
                    let recognition = recognised(vendor, model, &firmware, FileKind::Personal);
                    let request = FileRequest { token: Some(TOKEN), ..whole(&phone, &recognition, &layers) };
                    let masked = bench.renderer.masked(&request).unwrap();
                    let shown = format!("{masked:?}");
                    assert_eq!(holds(&shown, OWN), [""; 0], "{place}, as people may see it");
                    assert_eq!(masked.lines.len(), personal.lines().count(), "{place}");
                    for (line, raw) in masked.lines.iter().zip(personal.lines()) {
                        assert_eq!(line.secret, line.text != raw, "{place}: {}", line.text);
                    }
                    seen.extend(holds(&personal, OWN));
                    for token in [None, Some(TOKEN)] {
                        for (phone, kind) in [
                            (Some(&phone), FileKind::Personal),
                            (None, FileKind::Personal),
                            (Some(&phone), FileKind::Common),
                            (None, FileKind::Common),
                        ] {
                            for stage in [Stage::Open, Stage::Personal] {
                                if (kind, stage) == (FileKind::Personal, Stage::Personal) {
                                    continue;
                                }
                                let Ok(open) = render(phone, kind, stage, token) else { continue };
                                assert_eq!(holds(&open, OWN), [""; 0], "{place}, {kind:?}");
                                assert_eq!(holds(&open, NOBODYS), [""; 0], "{place}, {kind:?}");
                                assert!(token.is_some() || !open.contains(TOKEN), "{place}");
                                files += 1;
                            }
                        }
                    }
                    let mut released = phone.clone();
                    (released.wanted, released.revision) = (Wanted::Released, 2);
                    let released = render(Some(&released), FileKind::Personal, Stage::Personal, None).unwrap();
                    assert_eq!(holds(&released, NOBODYS), [""; 0], "{place}, released");
                    assert!(!released.contains("UserCanary"), "{place}: a released phone has no user");
                }
            }
        }
    }
    assert_eq!(chosen, all, "every generation was rendered");
    assert_eq!(seen.len(), OWN.len(), "the canaries sing where they should: {seen:?}");
    assert!(files > 100, "{files}");
}
