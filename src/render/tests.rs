//! Reads rendered files back with a separate parser, to check what the phone would understand.

mod canaries;
mod injection;
mod masked;
mod urls;
mod yealink_models;

use std::sync::{Arc, LazyLock};

use gangway_base::{
    clock::{ManualClock, SharedClock},
    mac::Mac,
    secret::Secret,
};
use serde_json::json;

use super::*;
use crate::{
    catalog::{Basis, FileKind, Recognition, Registry, SharedRegistry, Vendor},
    phone::{
        facet::Wanted,
        public_url::PublicUrls,
        record::{Phone, PhoneId},
    },
    phone_config::{sample_layers, sample_phone},
    settings::{Layers, SettingRow},
};

const BASE: &str = "http://gw.example.com/example.com/gangway/phone/";
const HTTPS: &str = "https://gw.example.com/example.com/gangway/phone/";
pub(super) static URLS: LazyLock<PublicUrls> =
    LazyLock::new(|| PublicUrls::of("/example.com/gangway", "https://gw.example.com".parse().unwrap()));
const TOKEN: &str = "abcdefghijklmnopqrstuvwxyz";

/// Golden files are rendered for a fixed day.
fn clock() -> SharedClock {
    Arc::new(ManualClock::new("2026-11-21T12:00:00Z".parse().unwrap()))
}

struct Bench {
    registry: SharedRegistry,
    renderer: Renderer,
}

impl Bench {
    fn new() -> Self {
        let registry = Registry::load_shared(None).unwrap();
        Self { renderer: Renderer::new(Arc::clone(&registry), [7; 32], 1 << 20, clock()), registry }
    }

    fn seen(&self, agent: Option<&str>, path: &str) -> Recognition {
        self.registry.load().recognise(agent, Some(path))
    }

    fn render(&self, phone: &Phone, agent: &str, stage: Stage, layers: &Layers) -> Result<String, RenderError> {
        let recognition = self.seen(Some(agent), &format!("/{}.cfg", phone.mac));
        let request = FileRequest { stage, token: Some(TOKEN), ..whole(phone, &recognition, layers) };
        let rendered = self.renderer.file(&request)?;
        Ok(String::from_utf8(rendered.body.to_vec()).unwrap())
    }
}

const NEW: &str = "Yealink SIP-T46U 108.86.0.90 80:5e:c0:12:34:56";
const OLD: &str = "Yealink SIP-T46G 28.72.0.1 80:5e:c0:12:34:56";

/// A request for the complete file, as after successful authentication.
pub(super) fn whole<'a>(phone: &'a Phone, recognition: &'a Recognition, layers: &'a Layers) -> FileRequest<'a> {
    FileRequest { phone: Some(phone), recognition, stage: Stage::Personal, urls: &URLS, token: None, layers }
}

/// A fully recognised request: this model with this firmware, by its User-Agent.
fn recognised(vendor: &Vendor, model: Option<&str>, firmware: &str, kind: FileKind) -> Recognition {
    Recognition {
        vendor: Some(Arc::clone(&vendor.name)),
        model: model.map(Arc::from),
        firmware: Some(Arc::from(firmware)),
        mac: Some("805ec0123456".parse().unwrap()),
        agent_mac: None,
        kind,
        name: None,
        file_vendor: None,
        basis: Basis::Agent,
    }
}

fn phone() -> Phone {
    let mac: Mac = "805ec0123456".parse().unwrap();
    let mut phone = sample_phone("yealink", "yealink", Some("T46U"), None, mac);
    phone.id = PhoneId(1);
    phone
}

fn layers(values: &[(&str, &str)]) -> Layers {
    let row = |(name, value): &(&str, &str)| SettingRow {
        scope: "instance".parse().unwrap(),
        name: (*name).to_owned(),
        value: Secret::new(*value),
    };
    // A revision derived from the content; the store also changes it with every change.
    let revision =
        values.iter().map(|(a, b)| a.len() * 31 + b.len() + 1).sum::<usize>() as u64 + values.len() as u64 * 1000;
    Layers::new(values.iter().map(row).collect(), revision)
}

/// Parses the file line by line, as a phone does.
fn read(text: &str) -> Vec<(String, String)> {
    let mut lines = text.split(['\n', '\r', '\u{2028}', '\u{2029}', '\u{b}', '\u{c}', '\u{85}']);
    assert_eq!(lines.next(), Some("#!version:1.0.0.1"));
    lines
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("no assignment: {line:?}"));
            let value = value.split(" #").next().unwrap_or_default();
            (key.trim().to_owned(), value.trim().to_owned())
        })
        .collect()
}

fn value<'a>(lines: &'a [(String, String)], key: &str) -> Option<&'a str> {
    lines.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
}

fn fixture(name: &str, text: &str) {
    let path = format!("{}/fixtures/render/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("GANGWAY_UPDATE_FIXTURES").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "{name} differs; GANGWAY_UPDATE_FIXTURES=1 writes it anew:\n{text}");
}

#[test]
fn files_as_kept() {
    let bench = Bench::new();
    for (name, agent, stage, values) in [
        ("t46u-personal.cfg", NEW, Stage::Personal, sample_layers()),
        ("t46u-open.cfg", NEW, Stage::Open, sample_layers()),
        ("t46g-v72-personal.cfg", OLD, Stage::Personal, sample_layers()),
        ("t46g-v72-open.cfg", OLD, Stage::Open, sample_layers()),
        ("t31p-defaults.cfg", "Yealink SIP-T31P 124.86.0.40", Stage::Personal, Layers::default()),
        ("w70b-defaults.cfg", "Yealink W70B 146.85.0.20", Stage::Personal, Layers::default()),
        ("cp920-defaults.cfg", "Yealink SIP-CP920 78.85.0.5", Stage::Personal, Layers::default()),
    ] {
        fixture(name, &bench.render(&phone(), agent, stage, &values).unwrap());
    }
}

#[test]
fn hostile_names_stay_one_value() {
    let bench = Bench::new();
    let plain = read(&bench.render(&phone(), NEW, Stage::Personal, &Layers::default()).unwrap());
    for (name, expected) in [
        ("Anna\nlinekey.9.type = 16", "Annalinekey.9.type = 16"),
        ("Anna\r\naccount.1.password = x", "Annaaccount.1.password = x"),
        ("Anna \"the\" Great", "Anna \"the\" Great"),
        ("Müller & Söhne <b>", "Müller & Söhne <b>"),
        ("100 % #1", "100 % ＃1"),
        ("#1", "＃1"),
        ("C#", "C#"),
        ("  padded  ", "padded"),
        ("😀 Grüße\u{2028}x\u{feff}", "😀 Grüßex"),
        ("a\0b\u{7f}c\u{85}d", "abcd"),
        ("{{ admin.password }}", "{{ admin.password }}"),
        ("%NULL", "%NULL"),
        ("a = b", "a = b"),
    ] {
        for agent in [NEW, OLD] {
            let mut phone = phone();
            phone.accounts[0].cn = name.to_owned();
            phone.revision += name.len() as u64 * 100 + name.bytes().map(u64::from).sum::<u64>();
            let lines = read(&bench.render(&phone, agent, Stage::Personal, &Layers::default()).unwrap());
            assert_eq!(value(&lines, "account.1.display_name"), Some(expected), "{name:?}");
            assert_eq!(lines.iter().filter(|(key, _)| key.starts_with("linekey")).count(), 0);
            if agent == NEW {
                assert_eq!(lines.len(), plain.len(), "{name:?}");
            }
        }
    }
}

#[test]
fn a_password_the_format_cannot_carry_is_refused_and_not_bent() {
    let bench = Bench::new();
    for password in ["#secret", "a #b", " a", "a\nb"] {
        let mut phone = phone();
        phone.id = PhoneId(0);
        phone.accounts[0].password = Secret::new(password);
        let error = bench.render(&phone, NEW, Stage::Personal, &Layers::default()).unwrap_err();
        assert!(matches!(error, RenderError::Unwritable { .. }), "{password}");
        assert!(!error.to_string().contains("secret"));
    }
}

#[test]
fn the_open_stage_holds_no_secret() {
    let bench = Bench::new();
    for agent in [NEW, OLD, "Yealink W70B 146.85.0.20"] {
        let mut phone = phone();
        phone.own.password = Secret::new("CANARYown");
        phone.accounts[0].password = Secret::new("CANARYuser");
        phone.device_config.admin_password = Some(Secret::new("CANARYadmin"));
        phone.token = Secret::new("CANARYtoken");
        let all =
            layers(&[("ldap_password", "CANARYldap"), ("phone_admin_password", "CANARYset"), ("ldap_server", "x")]);
        let open = bench.render(&phone, agent, Stage::Open, &all).unwrap();
        assert!(!open.contains("CANARY"), "{open}");
        assert!(open.contains(&format!("{HTTPS}{TOKEN}/")));
        let recognition = bench.seen(None, "/y000000000108.cfg");
        let request = FileRequest { token: Some(TOKEN), ..whole(&phone, &recognition, &all) };
        let common = bench.renderer.file(&request).unwrap();
        assert_eq!(&common.body[..], b"#!version:1.0.0.1\n");
        let personal = bench.render(&phone, agent, Stage::Personal, &all).unwrap();
        assert!(personal.contains("CANARYuser") && personal.contains("CANARYown"));
        assert!(!personal.contains("CANARYtoken") && !personal.contains(TOKEN));
    }
}

#[test]
fn same_inputs_same_bytes_and_a_keyed_tag() {
    let (one, two) = (Bench::new(), Bench::new());
    let recognition = one.seen(Some(NEW), "/805ec0123456.cfg");
    let phone = phone();
    let layers = sample_layers();
    let request = whole(&phone, &recognition, &layers);
    let first = one.renderer.file(&request).unwrap();
    let again = two.renderer.file(&request).unwrap();
    assert_eq!((&first.body, &first.etag), (&again.body, &again.etag));
    assert!(Arc::ptr_eq(&first, &one.renderer.file(&request).unwrap()));
    assert!(one.renderer.cached_bytes() > 0);
    let other = Renderer::new(Arc::clone(&one.registry), [8; 32], 0, clock()).file(&request).unwrap();
    assert_ne!(first.etag, other.etag);
    assert!(first.etag.starts_with('"') && first.etag.ends_with('"'));
}

#[test]
fn switches_reach_the_file() {
    let bench = Bench::new();
    let with = |values: &[(&str, &str)]| {
        let mut phone = phone();
        phone.id = PhoneId(0);
        read(&bench.render(&phone, NEW, Stage::Personal, &layers(values)).unwrap())
    };
    let lines = with(&[]);
    for (key, expected) in [
        ("account.1.sip_server.1.transport_type", "2"),
        ("account.1.sip_server.1.port", "5061"),
        ("account.1.sip_server.1.address", "pbx.example.com"),
        ("account.1.user_name", "yealink-805ec0123456"),
        ("account.1.srtp_encryption", "1"),
        ("account.1.codec.pcma.enable", "1"),
        ("account.1.codec.pcmu.enable", "1"),
        ("static.ice.enable", "0"),
        ("static.sip.nat_stun.enable", "0"),
        ("static.sip.nat_turn.enable", "0"),
        ("account.1.nat.nat_traversal", "0"),
        ("static.auto_provision.repeat.enable", "1"),
        ("static.auto_provision.repeat.minutes", "1440"),
        ("static.auto_provision.server.url", HTTPS),
        ("static.auto_provision.pnp_enable", "0"),
        ("local_time.ntp_server1", "ntp1.example.com"),
        ("local_time.time_zone", "+1"),
        ("local_time.start_time", "3/5/7/2"),
        ("account.2.enable", "0"),
        ("account.16.enable", "0"),
    ] {
        assert_eq!(value(&lines, key), Some(expected), "{key}");
    }
    assert_eq!(value(&lines, "static.security.trust_certificates"), None);
    assert_eq!(value(&lines, "account.17.enable"), None);
    let tcp = with(&[("sip_transport", "tcp"), ("sip_account", "username"), ("provisioning_scheme", "http")]);
    assert_eq!(value(&tcp, "account.1.sip_server.1.transport_type"), Some("1"));
    assert_eq!(value(&tcp, "account.1.sip_server.1.port"), Some("5060"));
    assert_eq!(value(&tcp, "account.1.user_name"), Some("atlantis"));
    assert_eq!(value(&tcp, "static.auto_provision.server.url"), Some(BASE));
    let ice = with(&[("media_relay", "false")]);
    assert_eq!(value(&ice, "static.ice.enable"), Some("1"));
    assert_eq!(value(&ice, "static.sip.nat_turn.port"), Some("3479"));
    let off = with(&[("update_interval_minutes", "0"), ("registrar", "proxy.example.com:5071"), ("srtp", "required")]);
    assert_eq!(value(&off, "static.auto_provision.repeat.enable"), Some("0"));
    assert_eq!(value(&off, "account.1.sip_server.1.port"), Some("5071"));
}

#[test]
fn zones_as_phones_are_told_elsewhere() {
    #[derive(serde::Deserialize)]
    struct Case {
        iana: String,
        expect: Vec<String>,
    }
    let bench = Bench::new();
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../fixtures/recognition/time-zones.json")).unwrap();
    for case in cases {
        let mut phone = phone();
        phone.id = PhoneId(0);
        phone.device_config.items.remove("NTP");
        let file = bench.render(&phone, NEW, Stage::Personal, &layers(&[("timezone", &case.iana)])).unwrap();
        for line in &case.expect {
            assert!(file.lines().any(|known| known == line), "{}: {line}", case.iana);
        }
    }
}

#[test]
fn srtp_numbers_swap_their_meaning_between_generations() {
    let bench = Bench::new();
    for (agent, srtp, number) in [
        (NEW, "required", "2"),
        (NEW, "optional", "1"),
        (OLD, "required", "1"),
        (OLD, "optional", "2"),
        (NEW, "off", "0"),
        (OLD, "off", "0"),
    ] {
        let mut phone = phone();
        phone.id = PhoneId(0);
        phone.device_config.items.remove("PHONE");
        let lines = read(&bench.render(&phone, agent, Stage::Personal, &layers(&[("srtp", srtp)])).unwrap());
        assert_eq!(value(&lines, "account.1.srtp_encryption"), Some(number), "{agent} {srtp}");
    }
}

#[test]
fn a_released_phone_is_told_to_forget_its_accounts() {
    let bench = Bench::new();
    let mut phone = phone();
    phone.wanted = Wanted::Released;
    let text = bench.render(&phone, NEW, Stage::Personal, &Layers::default()).unwrap();
    let lines = read(&text);
    assert_eq!(value(&lines, "account.1.enable"), Some("0"));
    assert_eq!(value(&lines, "account.1.password"), Some("%NULL%"));
    assert!(!text.contains("sample-user-password"));
}

#[test]
fn nothing_half_is_rendered() {
    let bench = Bench::new();
    let mut early = phone();
    early.device_config = crate::phone::record::DeviceConfig::default();
    early.id = PhoneId(0);
    let error = bench.render(&early, NEW, Stage::Personal, &Layers::default()).unwrap_err();
    assert!(matches!(error, RenderError::NoConfiguration(_)));
    assert!(bench.render(&early, NEW, Stage::Open, &Layers::default()).is_ok());
    let recognition = bench.seen(Some(NEW), "/805ec0123456.boot");
    let none = Layers::default();
    let request = FileRequest { stage: Stage::Open, ..whole(&early, &recognition, &none) };
    assert!(matches!(bench.renderer.file(&request), Err(RenderError::Kind("boot-personal"))));
}

#[test]
fn every_line_has_its_origin() {
    let bench = Bench::new();
    let mut phone = phone();
    phone.device_config.items.insert("NTP".to_owned(), json!({"ntp1": "devices.example.com"}));
    let recognition = bench.seen(Some(NEW), "/805ec0123456.cfg");
    let set = layers(&[
        ("sip_transport", "tcp"),
        ("ntp_server_1", "mine"),
        ("ldap_server", "l"),
        ("ldap_password", "CANARY"),
    ]);
    let request = whole(&phone, &recognition, &set);
    let lines = bench.renderer.explain(&request).unwrap();
    let of = |key: &str| {
        let line = lines.iter().find(|line| line.line.starts_with(&format!("{key} ="))).unwrap();
        line.origins.join("; ")
    };
    assert_eq!(of("account.1.sip_server.1.transport_type"), "sip_transport from instance, beats default tls");
    assert!(of("local_time.ntp_server1").contains("ntp_server_1 from Devices, beats instance mine"));
    assert_eq!(of("account.1.display_name"), "account 1: long name");
    assert!(of("account.1.password").contains("account 1: password"));
    assert_eq!(of("account.1.dtmf.type"), "template");
    assert!(
        of("static.auto_provision.server.url").contains("provisioning_scheme")
            || of("static.auto_provision.server.url").contains("URL")
    );
    let all = format!("{lines:?}");
    for secret in ["CANARY", "sample-user-password", "SamplePhonePassword1"] {
        assert!(!all.contains(secret), "{secret}");
    }
    let open = bench.renderer.explain(&FileRequest { stage: Stage::Open, token: Some(TOKEN), ..request }).unwrap();
    assert!(!format!("{open:?}").contains(TOKEN));
}
