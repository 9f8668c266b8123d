//! Every model of the Yealink manifest in every generation of its family: compared with golden files, read back as a
//! phone reads it, and checked against the PBX vendor's requirements for third-party phones.

use std::collections::BTreeMap;

use gangway_base::mac::Mac;

use super::{Bench, layers, read, value};
use crate::{
    catalog::{
        family::{Family, Generation},
        model::Model,
    },
    phone::record::{Account, Phone, PhoneId},
    phone_config::{sample_layers, sample_phone},
    render::Stage,
    settings::Layers,
};

/// A phone with two users, if the model supports them.
fn phone(model: &Model, family: &Family) -> Phone {
    let provider = if family.name == "desk" { "yealink" } else { "yealink-dect" };
    let mac: Mac = "805ec0123456".parse().unwrap();
    let mut phone = sample_phone(provider, "yealink", Some(&model.name), None, mac);
    // Not cached, because the same phone is rendered as many models.
    phone.id = PhoneId(0);
    if model.accounts > 1 {
        let mut second = Account::sample(2, "berta", phone.created);
        second.dns = "pbx2.example.com".to_owned();
        phone.accounts.push(second);
    }
    phone
}

/// Calls `each` for every model with every generation of its family and a firmware of that generation.
fn all(bench: &Bench, mut each: impl FnMut(&Model, &Family, &Generation, &str)) {
    let registry = bench.registry.load();
    let manifest = &registry.vendor("yealink").unwrap().manifest;
    for model in &manifest.models {
        let family = manifest.family(model.family.as_deref()).unwrap();
        for generation in manifest.generations_of(family) {
            let second = generation.second_number.map_or(85, |range| range.to.min(86));
            let first = model.firmware.first().copied().unwrap_or(1);
            let agent = format!("Yealink SIP-{} {first}.{second}.0.10 80:5e:c0:12:34:56", model.name);
            each(model, family, generation, &agent);
        }
    }
}

type Lines = Vec<(String, String)>;

fn with(bench: &Bench, phone: &Phone, agent: &str, layers: &Layers) -> Lines {
    read(&bench.render(phone, agent, Stage::Personal, layers).unwrap())
}

/// One golden file for all models that get the same bytes. The index lists the models.
#[test]
fn files_of_all_models_as_kept() {
    let bench = Bench::new();
    let mut kept: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    let mut models = 0;
    all(&bench, |model, family, generation, agent| {
        models += 1;
        let text = bench.render(&phone(model, family), agent, Stage::Personal, &Layers::default()).unwrap();
        let name = format!("{}-{}-accounts.cfg", generation.name, model.accounts);
        let (known, names) = kept.entry(name.clone()).or_insert_with(|| (text.clone(), Vec::new()));
        assert_eq!(*known, text, "{}: {name} is another file for {}", model.name, names.join(", "));
        names.push(model.name.clone());
    });
    assert!(models > 150, "only {models} models and generations");
    let index: BTreeMap<&String, &Vec<String>> = kept.iter().map(|(name, (_, models))| (name, models)).collect();
    let index = serde_json::to_string_pretty(&index).unwrap() + "\n";
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/models/yealink");
    let files = kept.iter().map(|(name, (text, _))| (name.as_str(), text)).chain([("index.json", &index)]);
    for (name, text) in files {
        if std::env::var_os("GANGWAY_UPDATE_FIXTURES").is_some() {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let found = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(found == *text, "{name} differs; GANGWAY_UPDATE_FIXTURES=1 writes it anew");
    }
    let there = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(there, kept.len() + 1, "files of no model in {}", folder.display());
}

/// Parameter names that differ between the generations.
struct Names {
    /// Prefix of all parameters of the phone itself.
    prefix: &'static str,
    /// Parameters of account or template 1.
    transport: &'static str,
    server: &'static str,
    port: &'static str,
    pcma: &'static str,
    pcmu: &'static str,
    /// Whether ICE, TURN and encrypted LDAP can be written.
    is_late: bool,
    has_proxy: Option<&'static str>,
}

fn names(family: &Family, generation: &Generation) -> Names {
    let late = Names {
        prefix: "static.",
        transport: "account.1.sip_server.1.transport_type",
        server: "account.1.sip_server.1.address",
        port: "account.1.sip_server.1.port",
        pcma: "account.1.codec.pcma.enable",
        pcmu: "account.1.codec.pcmu.enable",
        is_late: true,
        has_proxy: Some("account.1.outbound_proxy.1.address"),
    };
    match (family.name.as_str(), generation.name.rsplit('-').next().unwrap()) {
        ("system", _) => Names {
            transport: "template.1.sip_server.1.transport_type",
            server: "template.1.sip_server.1.address",
            port: "template.1.sip_server.1.port",
            has_proxy: None,
            ..late
        },
        (_, "v70") => Names {
            prefix: "",
            transport: "account.1.transport",
            server: "account.1.sip_server_host",
            port: "account.1.sip_server_port",
            pcma: "account.1.codec.2.enable",
            pcmu: "account.1.codec.1.enable",
            is_late: false,
            has_proxy: Some("account.1.outbound_host"),
        },
        (_, "v80") => Names { prefix: "", ..late },
        _ => late,
    }
}

#[test]
fn every_model_is_told_what_third_party_phones_must_do() {
    let bench = Bench::new();
    all(&bench, |model, family, generation, agent| {
        let phone = phone(model, family);
        let names = names(family, generation);
        let here = format!("{} {}", model.name, generation.name);
        let lines = with(&bench, &phone, agent, &Layers::default());
        let get = |key: &str| value(&lines, key);
        // TLS or TCP, never UDP, with the matching port.
        assert_eq!((get(names.transport), get(names.port)), (Some("2"), Some("5061")), "{here}");
        assert_eq!(get(names.server), Some("pbx.example.com"), "{here}");
        let tcp = with(&bench, &phone, agent, &layers(&[("sip_transport", "tcp")]));
        assert_eq!((value(&tcp, names.transport), value(&tcp, names.port)), (Some("1"), Some("5060")), "{here}");
        // Everything needed for digest authentication.
        assert_eq!(get("account.1.enable"), Some("1"), "{here}");
        for (key, expected) in [
            ("account.1.user_name", "yealink-805ec0123456"),
            ("account.1.auth_name", "yealink-805ec0123456"),
            ("account.1.password", "sample-user-password"),
            ("account.1.display_name", "Anna Atlantis"),
        ] {
            assert_eq!(get(key), Some(expected), "{here} {key}");
        }
        // RFC 2833; SRTP with SDES or off; both G.711 codecs.
        assert_eq!(get("account.1.dtmf.type"), Some("1"), "{here}");
        assert!(matches!(get("account.1.srtp_encryption"), Some("0" | "1" | "2")), "{here}");
        assert_eq!((get(names.pcma), get(names.pcmu)), (Some("1"), Some("1")), "{here}");
        // With media relay no ICE, STUN or TURN; without it the values from Devices.
        let open = with(&bench, &phone, agent, &layers(&[("media_relay", "false")]));
        let stun = format!("{}sip.nat_stun.enable", names.prefix);
        assert_eq!((get(&stun), value(&open, &stun)), (Some("0"), Some("1")), "{here}");
        for key in ["static.ice.enable", "static.sip.nat_turn.enable"] {
            let expected = names.is_late.then_some(("0", "1"));
            assert_eq!(get(key).zip(value(&open, key)), expected, "{here} {key}");
        }
        // The proxy as configured, if the firmware has a parameter for it.
        let proxied = with(&bench, &phone, agent, &layers(&[("outbound_proxy", "proxy.example.com")]));
        if let Some(key) = names.has_proxy {
            assert_eq!(value(&proxied, key), Some("proxy.example.com"), "{here}");
        }
        // The phone's own login for files, and no competing provisioning.
        for (name, expected) in [
            ("auto_provision.server.username", "805ec0123456"),
            ("auto_provision.server.password", "SamplePhonePassword1"),
            ("auto_provision.pnp_enable", "0"),
            ("auto_provision.dhcp_option.enable", "0"),
            ("zero_touch.enable", "0"),
        ] {
            assert_eq!(get(&format!("{}{name}", names.prefix)), Some(expected), "{here} {name}");
        }
        // No call feature is disabled and no remote control enabled.
        let forbidden = ["call_waiting.enable", "features.action_uri", "features.dnd", "features.fwd", "transfer."];
        for (key, _) in &lines {
            assert!(!forbidden.iter().any(|name| key.starts_with(name)), "{here} {key}");
        }
    });
}

#[test]
fn every_model_finds_the_directory_and_tells_nobody_its_password() {
    let bench = Bench::new();
    all(&bench, |model, family, generation, agent| {
        let phone = phone(model, family);
        let here = format!("{} {}", model.name, generation.name);
        let is_late = names(family, generation).is_late;
        let encrypted = with(&bench, &phone, agent, &sample_layers());
        let mut rows = sample_layers().rows().to_vec();
        rows.extend(layers(&[("ldap_tls", "off"), ("ldap_port", "389")]).rows().to_vec());
        let plain = with(&bench, &phone, agent, &Layers::new(rows, 77));
        assert_eq!(value(&encrypted, "ldap.enable"), Some(if is_late { "1" } else { "0" }), "{here}");
        assert_eq!(value(&encrypted, "ldap.tls_mode"), is_late.then_some("2"), "{here}");
        let written = if is_late { &encrypted } else { &plain };
        for (key, expected) in [
            ("ldap.enable", "1"),
            ("ldap.host", "pbx.example.com"),
            ("ldap.base", "cn=PBX0"),
            ("ldap.user", "pbx.example.com\\atlantis"),
            ("ldap.password", "sample-ldap-password"),
            ("ldap.name_filter", "(|(sn=*%*)(cn=*%*))"),
            ("ldap.number_filter", "(e164=%)"),
            ("ldap.name_attr", "cn sn"),
            ("ldap.numb_attr", "e164"),
            ("ldap.display_name", "%cn"),
        ] {
            assert_eq!(value(written, key), Some(expected), "{here} {key}");
        }
        if !is_late {
            assert_eq!(value(&encrypted, "ldap.password"), Some("%NULL%"), "{here}: it would go out readable");
        }
    });
}

#[test]
fn every_base_gives_each_user_a_handset() {
    let bench = Bench::new();
    let mut bases = 0;
    all(&bench, |model, family, generation, agent| {
        if family.name == "desk" {
            return;
        }
        bases += 1;
        let here = format!("{} {}", model.name, generation.name);
        let phone = phone(model, family);
        let lines = with(&bench, &phone, agent, &layers(&[("language", "de")]));
        let get = |key: &str| value(&lines, key);
        assert_eq!((get("account.2.enable"), get("account.2.user_name")), (Some("1"), Some("hw-berta")), "{here}");
        assert_eq!(get("account.3.enable"), Some("0"), "{here}");
        assert_eq!(get(&format!("account.{}.enable", model.accounts)), Some("0"), "{here}");
        assert_eq!(get("handset.2.name"), Some("berta"), "{here}");
        assert_eq!((get("lang.wui"), get("custom.handset.language")), (Some("German"), Some("2")), "{here}");
        assert_eq!(get("lang.gui"), None, "{here}: a base has no display");
        let is_old = generation.name == "dect-v70";
        let switch = if is_old { "" } else { "static." };
        assert_eq!(get(&format!("{switch}auto_provision.handset_configured.enable")), Some("1"), "{here}");
        if family.name == "system" {
            assert_eq!(get("template.1.sip_server.1.address"), Some("pbx.example.com"), "{here}");
            assert_eq!(get("template.2.sip_server.1.address"), Some("pbx2.example.com"), "{here}");
            assert_eq!(
                (get("account.1.sip_server.template"), get("account.2.sip_server.template")),
                (Some("1"), Some("2"))
            );
            assert_eq!(get("account.1.sip_server.1.address"), None, "{here}");
        } else {
            for key in ["handset.2.incoming_lines", "handset.2.dial_out_lines", "handset.2.dial_out_default_line"] {
                assert_eq!(get(key), Some("2"), "{here} {key}");
            }
            assert_eq!(get("handset.3.incoming_lines"), Some("%NULL%"), "{here}");
            let server = if is_old { "account.2.sip_server_host" } else { "account.2.sip_server.1.address" };
            assert_eq!(get(server), Some("pbx2.example.com"), "{here}");
            assert_eq!(get("account.1.sip_server.template"), None, "{here}");
        }
    });
    assert!(bases >= 18);
}

#[test]
fn an_account_that_is_written_off_leaves_the_others_alone() {
    let bench = Bench::new();
    let mut phone = Phone::sample_base(&["anna", "berta"], jiff::Timestamp::UNIX_EPOCH);
    phone.device_config.received = Some(jiff::Timestamp::UNIX_EPOCH);
    let agent = "Yealink W70B 146.87.0.15 80:5e:c0:12:34:56";
    let both = with(&bench, &phone, agent, &Layers::default());
    assert_eq!(value(&both, "account.1.user_name"), Some("hw-anna"));
    phone.accounts[0].withheld = Some(jiff::Timestamp::UNIX_EPOCH);
    let text = bench.render(&phone, agent, Stage::Personal, &Layers::default()).unwrap();
    let lines = read(&text);
    assert_eq!((value(&lines, "account.1.enable"), value(&lines, "account.1.password")), (Some("0"), Some("%NULL%")));
    assert_eq!(
        (value(&lines, "account.2.enable"), value(&lines, "account.2.user_name")),
        (Some("1"), Some("hw-berta"))
    );
    assert!(!text.contains("anna"));
}

/// Users may send the base's own address for every user. The address cannot identify the registering handset then.
#[test]
fn handsets_that_share_a_hwid_register_by_name() {
    let bench = Bench::new();
    let mut phone = Phone::sample_base(&["anna", "berta"], jiff::Timestamp::UNIX_EPOCH);
    phone.device_config.received = Some(jiff::Timestamp::UNIX_EPOCH);
    for (hwids, expected) in [
        (["805ec0123456", "805ec0123456"], ["anna", "berta"]),
        (["80-5E-C0-12-34-56", "handset-2"], ["anna", "handset-2"]),
        (["same", "same"], ["anna", "berta"]),
        (["handset-1", "handset-2"], ["handset-1", "handset-2"]),
    ] {
        for (account, hwid) in phone.accounts.iter_mut().zip(hwids) {
            account.hwid = hwid.to_owned();
        }
        let lines = with(&bench, &phone, "Yealink W70B 146.87.0.15", &Layers::default());
        let found = [1, 2].map(|line| value(&lines, &format!("account.{line}.user_name")).unwrap().to_owned());
        assert_eq!(found, expected, "{hwids:?}");
    }
}
