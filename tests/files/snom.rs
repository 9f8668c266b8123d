//! Tests every Snom model against the guideline for phones at an innovaphone PBX (SIP over TCP or TLS, RFC 2833, G.711
//! in both laws, digest, directory, ICE off under media relay). The files are parsed with an XML parser and as the
//! phone parses them.

use std::collections::HashMap;

use gangway::{
    phone::{facet::Wanted, record::Phone},
    render::Stage,
};
use gangway_sim::snom_phone::{SnomAccount, SnomKind, SnomModel, SnomPhone, SnomSettings};

use crate::{
    golden,
    sample::{HTTPS, REGISTRY, add_account, file, layers, phone},
    xml,
};

/// Returns the family of a model.
pub fn kind(model: &str) -> SnomKind {
    match model {
        "M300" | "M400" | "M430" | "M700" | "M900" => SnomKind::Rtx,
        _ if model.starts_with('M') => SnomKind::Vtech,
        _ => SnomKind::Desk,
    }
}

/// Returns the names and account numbers of all models.
fn models() -> Vec<(String, u32)> {
    let registry = REGISTRY.load();
    let models = &registry.vendor("snom").unwrap().manifest.models;
    models.iter().map(|model| (model.name.clone(), u32::from(model.accounts))).collect()
}

/// Returns the text of every element without children, by its path below the block, with indices in brackets.
pub fn settings(text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    for element in xml::elements(text).into_iter().filter(|element| element.is_leaf) {
        let path = element.path.strip_prefix("settings/").unwrap_or(&element.path);
        let path = path.trim_start_matches("phone-settings/").to_owned();
        assert_eq!(found.insert(path.clone(), element.text), None, "{path} stands there twice");
    }
    found
}

/// Parses a file as the device does.
fn read(name: &str, accounts: u32, text: &str) -> (SnomSettings, Vec<SnomAccount>) {
    let model = SnomModel { name: "", firmware: "", platform: "", accounts, kind: kind(name) };
    SnomPhone::read(model, text).unwrap()
}

fn render(phone: &Phone, set: &[(&str, &str)]) -> String {
    file(phone, &layers(false, set), Stage::Personal).unwrap()
}

#[test]
fn golden_files_of_every_model() {
    golden::check("snom", "xml");
}

#[test]
fn every_model_registers_as_the_guidelines_want_it() {
    for (name, accounts) in models() {
        for (transport, port) in [("tls", 5061), ("tcp", 5060)] {
            let text = render(&phone("snom", &name), &[("sip_transport", transport)]);
            let (_, found) = read(&name, accounts, &text);
            assert_eq!(found.len(), 1, "{name}");
            let account = &found[0];
            assert_eq!((account.transport.as_str(), account.port), (transport, port), "{name}");
            assert_eq!(account.server, "pbx.example.com", "{name}");
            assert_eq!(account.target, "pbx.example.com", "{name}");
            for part in [&account.user_name, &account.auth_name, &account.password, &account.display_name] {
                assert!(!part.is_empty(), "{name}: {account:?}");
            }
            assert!(!text.contains("udp"), "{name}");
        }
    }
}

#[test]
fn every_model_offers_g711_and_rfc_2833() {
    for (name, _) in models() {
        let found = settings(&render(&phone("snom", &name), &[]));
        match kind(&name) {
            SnomKind::Desk | SnomKind::Rtx => {
                let codecs: Vec<&str> = found["codec_priority_list[1]"].split(',').collect();
                assert_eq!(codecs.first(), Some(&"g722"), "{name}");
                for codec in ["pcma", "pcmu", "telephone-event"] {
                    assert!(codecs.contains(&codec), "{name}: {codecs:?}");
                }
                assert_eq!(found["user_dtmf_info[1]"], "off", "{name}");
            }
            SnomKind::Vtech => {
                let codec = |place| found.get(&format!("sip_account/idx[1]/codec_priority/idx[{place}]"));
                let codecs: Vec<&str> = (1..=7).filter_map(|place| codec(place).map(String::as_str)).collect();
                assert!(codecs.contains(&"g711a") && codecs.contains(&"g711u"), "{name}: {codecs:?}");
                assert_eq!(found["sip_account/idx[1]/dtmf_transport_method"], "rfc2833", "{name}");
            }
        }
    }
}

#[test]
fn ice_and_stun_are_off_exactly_under_media_relay() {
    for (name, _) in models() {
        for (relay, stun, ice) in [("true", "", "off"), ("false", "stun.example.com:3478", "on")] {
            let found = settings(&render(&phone("snom", &name), &[("media_relay", relay)]));
            match kind(&name) {
                SnomKind::Desk => {
                    assert_eq!(found["user_ice[1]"], ice, "{name}");
                    assert_eq!(found["stun_server[1]"], stun, "{name}");
                }
                SnomKind::Rtx => assert_eq!(found["stun_server"], stun.trim_end_matches(":3478"), "{name}"),
                SnomKind::Vtech => {
                    let enabled = if stun.is_empty() { "0" } else { "1" };
                    assert_eq!(found["sip_account/idx[1]/nat_traversal_stun_enable"], enabled, "{name}");
                }
            }
        }
    }
}

#[test]
fn accounts_not_in_use_are_written_off() {
    for (name, accounts) in models() {
        let found = settings(&render(&phone("snom", &name), &[]));
        let active = |line: u32| match kind(&name) {
            SnomKind::Desk | SnomKind::Rtx => found.get(&format!("user_active[{line}]")).cloned(),
            SnomKind::Vtech => found.get(&format!("sip_account/idx[{line}]/sip_account_enable")).cloned(),
        };
        assert!(matches!(active(1).as_deref(), Some("on" | "1")), "{name}");
        for line in 2..=accounts {
            assert!(matches!(active(line).as_deref(), Some("off" | "0")), "{name}: {line}");
        }
        assert_eq!(active(accounts + 1), None, "{name}");
        let mut released = phone("snom", &name);
        released.wanted = Wanted::Released;
        let text = render(&released, &[]);
        assert!(read(&name, accounts, &text).1.is_empty() && !text.contains("sample-user-password"), "{name}");
    }
}

#[test]
fn every_model_keeps_its_own_credentials_and_url_and_polls() {
    for (name, accounts) in models() {
        let of = |set: &[(&str, &str)]| read(&name, accounts, &render(&phone("snom", &name), set)).0;
        let kept = of(&[]);
        let (url, user, password) = match kind(&name) {
            SnomKind::Desk => ("setting_server", "http_client_user", "http_client_pass"),
            SnomKind::Rtx => ("setting_server", "http_client_user", "http_client_password"),
            SnomKind::Vtech => {
                ("provisioning/server_address", "provisioning/server_username", "provisioning/server_access_password")
            }
        };
        assert_eq!(kept.get(url), Some(HTTPS), "{name}");
        assert_eq!(kept.get(user), Some("000413aabbcc"), "{name}");
        assert_eq!(kept.get(password), Some("SamplePhonePassword1"), "{name}");
        assert!(kept.get(user).unwrap().len() <= 20 && kept.get(password).unwrap().len() <= 20, "{name}");
        assert_eq!(kept.polling_seconds(kind(&name)), Some(86_400), "{name}");
        assert_eq!(of(&[("update_interval_minutes", "60")]).polling_seconds(kind(&name)), Some(3600), "{name}");
        assert_eq!(of(&[("update_interval_minutes", "0")]).polling_seconds(kind(&name)), None, "{name}");
    }
}

/// The directory settings of the innovaphone page: 14 on a desk phone, 15 on a base, in the cloud and on site.
#[test]
fn the_directory_in_the_cloud_and_on_site() {
    const DESK: [&str; 14] = [
        "ldap_search_filter",
        "ldap_number_filter",
        "ldap_search_filter_during_call",
        "ldap_number_filter_during_call",
        "ldap_server",
        "ldap_port",
        "ldap_base",
        "ldap_username",
        "ldap_password",
        "ldap_name_attributes",
        "ldap_number_attributes",
        "ldap_display_name",
        "ldap_over_tls",
        "ldap_sort_mode",
    ];
    const RTX: [&str; 15] = [
        "ldap_username",
        "ldap_search_filter",
        "ldap_home_number",
        "ldap_mobile_number",
        "ldap_work_number",
        "ldap_name_attributes",
        "ldap_number_attributes",
        "ldap_password",
        "ldap_port",
        "ldap_base",
        "ldap_server",
        "ldap_sort_attribute",
        "ldap_tls",
        "ldap_use_ext_nbr_to_ldap_bind",
        "ldap_virtual_lists",
    ];
    let login = [("ldap_server", "pbx.example.com"), ("ldap_user", "pbx.example.com\\ldap"), ("ldap_password", "key")];
    let on_site = [("ldap_port", "389"), ("ldap_tls", "off")];
    for (name, _) in models() {
        let cloud = settings(&render(&phone("snom", &name), &login));
        let local = settings(&render(&phone("snom", &name), &[&login[..], &on_site[..]].concat()));
        let off = settings(&render(&phone("snom", &name), &[]));
        match kind(&name) {
            SnomKind::Desk => {
                assert!(DESK.iter().all(|key| !cloud[*key].is_empty() && !local[*key].is_empty()), "{name}");
                assert_eq!((cloud["ldap_port"].as_str(), cloud["ldap_over_tls"].as_str()), ("636", "on"));
                assert_eq!((local["ldap_port"].as_str(), local["ldap_over_tls"].as_str()), ("389", "off"));
                for (key, value) in [
                    ("ldap_search_filter", "(|(sn=*%*)(cn=*%*))"),
                    ("ldap_number_filter", "dn=%"),
                    ("ldap_name_attributes", "dn cn sn"),
                    ("ldap_number_attributes", "e164"),
                    ("ldap_display_name", "%dn"),
                    ("ldap_sort_mode", "client"),
                    ("ldap_base", "cn=PBX0"),
                    ("ldap_username", "pbx.example.com\\ldap"),
                ] {
                    assert_eq!(cloud[key], value, "{name}: {key}");
                }
                assert_eq!((off["ldap_server"].as_str(), off["ldap_password"].as_str()), ("", ""));
            }
            SnomKind::Rtx => {
                assert!(RTX.iter().all(|key| !cloud[*key].is_empty() && !local[*key].is_empty()), "{name}");
                assert_eq!((cloud["ldap_port"].as_str(), cloud["ldap_tls"].as_str()), ("636", "on"));
                assert_eq!((local["ldap_port"].as_str(), local["ldap_tls"].as_str()), ("389", "off"));
                for (key, value) in [
                    ("ldap_search_filter", "(|(e164=%*)(cn=%*))"),
                    ("ldap_number_attributes", "telephoneNumber mobile e164"),
                    ("ldap_home_number", "e164"),
                    ("ldap_work_number", "telephoneNumber"),
                    ("ldap_mobile_number", "mobile"),
                    ("ldap_use_ext_nbr_to_ldap_bind", "disabled"),
                    ("ldap_virtual_lists", "off"),
                ] {
                    assert_eq!(cloud[key], value, "{name}: {key}");
                }
            }
            SnomKind::Vtech => {
                let ldap = |found: &HashMap<String, String>, key: &str| found[&format!("remoteDir/ldap_{key}")].clone();
                assert_eq!(
                    (ldap(&cloud, "port").as_str(), ldap(&cloud, "authentication_type").as_str()),
                    ("636", "ssl")
                );
                assert_eq!(ldap(&local, "authentication_type"), "simple");
                assert_eq!((ldap(&off, "enable").as_str(), ldap(&off, "access_password").as_str()), ("0", ""));
            }
        }
    }
    // A mode that the phones do not support must not expose the password in cleartext.
    let starttls = render(&phone("snom", "D785"), &[&login[..], &[("ldap_tls", "starttls")]].concat());
    assert_eq!(settings(&starttls)["ldap_over_tls"], "on");
}

#[test]
fn handsets_of_a_base_keep_to_their_own_pbx() {
    for (name, accounts) in models().into_iter().filter(|(name, _)| kind(name) != SnomKind::Desk) {
        let mut base = phone("snom-dect", &name);
        base.vendor = "snom".to_owned();
        add_account(&mut base, "bob", "other.example.com:5071");
        add_account(&mut base, "carl", "pbx.example.com");
        let text = render(&base, &[]);
        let (_, found) = read(&name, accounts, &text);
        let seen: Vec<(&str, &str, u16)> =
            found.iter().map(|one| (one.display_name.as_str(), one.target.as_str(), one.port)).collect();
        let expected = [
            ("Anna Atlantis", "pbx.example.com", 5061),
            ("Long bob", "other.example.com", 5071),
            ("Long carl", "pbx.example.com", 5061),
        ];
        assert_eq!(seen, expected, "{name}");
        assert!(found.iter().all(|one| one.handset.is_some() && one.transport == "tls"), "{name}");
        if kind(&name) == SnomKind::Rtx {
            let found = settings(&text);
            assert_eq!(found["user_host[2]"], "other.example.com");
            assert_eq!(found.get("user_host[3]"), None, "a server stands there once");
            assert_eq!(
                (found["subscr_dect_ac_code[1]"].as_str(), found["subscr_sip_hs_idx[3]"].as_str()),
                ("0001", "3")
            );
            assert!(!text.contains("subscr_dect_ipui"), "the handset that was registered stays");
        }
    }
}

#[test]
fn an_outbound_proxy_and_srtp_reach_the_file() {
    for (name, accounts) in models() {
        let set = [("outbound_proxy", "rp.example.com:5071"), ("sip_account", "username")];
        let (_, found) = read(&name, accounts, &render(&phone("snom", &name), &set));
        assert_eq!((found[0].target.as_str(), found[0].port), ("rp.example.com", 5071), "{name}");
        assert_eq!((found[0].server.as_str(), found[0].user_name.as_str()), ("pbx.example.com", "atlantis"), "{name}");
    }
    for (srtp, on, mode) in [("off", "off", "off"), ("optional", "on", "optional"), ("required", "on", "mandatory")] {
        let mut desk = phone("snom", "D785");
        desk.device_config.items.remove("PHONE");
        let found = settings(&render(&desk, &[("srtp", srtp)]));
        assert_eq!((found["user_srtp[1]"].as_str(), found["user_savp[1]"].as_str()), (on, mode));
    }
}

#[test]
fn clock_language_tones_and_logins_of_a_desk_phone() {
    let mut desk = phone("snom", "D865");
    let found =
        settings(&render(&desk, &[("language", "de"), ("location", "AT"), ("phone_admin_password", "Web-1234")]));
    for (key, value) in [
        ("ntp_server", "ntp1.example.com"),
        ("utc_offset", "3600"),
        ("dst", "3600 03.05.07 02:00:00 10.05.07 03:00:00"),
        ("language", "Deutsch"),
        ("web_language", "Deutsch"),
        ("tone_scheme", "AUT"),
        ("http_user", "admin"),
        ("http_pass", "Web-1234"),
        ("webserver_admin_name", "admin"),
        ("webserver_admin_password", "Web-1234"),
        ("admin_mode_password", "Web-1234"),
    ] {
        assert_eq!(found[key], value, "{key}");
    }
    desk.device_config.items.remove("NTP");
    let found = settings(&render(&desk, &[("timezone", "Asia/Kathmandu")]));
    assert_eq!((found["utc_offset"].as_str(), found["dst"].as_str()), ("20700", ""));
    let firmware = settings(&render(&desk, &[("firmware_url", "https://fw.example.com/d865.swu")]));
    assert_eq!(firmware["firmware"], "https://fw.example.com/d865.swu");
    assert_eq!(firmware["update_policy"], "auto_update");
    assert_eq!(found["update_policy"], "settings_only");
}

#[test]
fn function_keys_of_a_desk_phone() {
    let keys = r#"[{"key": 1, "type": "blf", "value": "1002", "label": "Bob & Co", "pickup": "*8"},
                   {"key": 3, "type": "speed_dial", "value": "0123", "label": "Taxi"}]"#;
    let text = render(&phone("snom", "D717"), &[("line_keys", keys)]);
    let (kept, _) = read("D717", 6, &text);
    let found: Vec<(u32, &str, &str, &str)> =
        kept.keys().map(|key| (key.index, key.context.as_str(), key.label.as_str(), key.action.as_str())).collect();
    let expected = [
        (0, "1", "Bob & Co", "blf <sip:1002@pbx.example.com>|*8"),
        (1, "active", "", "line"),
        (2, "1", "Taxi", "speed 0123"),
        (3, "active", "", "line"),
        (4, "active", "", "line"),
    ];
    assert_eq!(found, expected);
    // Without a list, the user's own keys are kept.
    assert_eq!(read("D717", 6, &render(&phone("snom", "D717"), &[])).0.keys().count(), 0);
}

#[test]
fn syslog_and_wallpaper_reach_the_file() {
    let set = [("syslog_server", "log.example.com"), ("wallpaper_url", "https://w.example.com/bg.png")];
    let found = settings(&render(&phone("snom", "D785"), &set));
    assert_eq!(found["syslog_server"], "log.example.com:514");
    assert_eq!(found["custom_bg_image_url"], "https://w.example.com/bg.png");
    assert_eq!(settings(&render(&phone("snom", "M900"), &set))["syslog_server"], "log.example.com");
    assert_eq!(settings(&render(&phone("snom", "M500"), &set))["log/syslog_server_address"], "log.example.com");
}

#[test]
fn the_open_stage_holds_no_secret() {
    for (name, accounts) in models() {
        let text = file(&phone("snom", &name), &layers(true, &[]), Stage::Open).unwrap();
        let (kept, found) = read(&name, accounts, &text);
        assert!(found.is_empty(), "{name}");
        for secret in ["sample-user-password", "SamplePhonePassword1", "sample-ldap-password"] {
            assert!(!text.contains(secret), "{name}");
        }
        let url = kept.get("setting_server").or(kept.get("provisioning/server_address"));
        assert_eq!(url, Some(format!("{HTTPS}sampletokensampletokensam/").as_str()), "{name}");
        assert_eq!(kept.polling_seconds(kind(&name)), Some(60), "{name}");
    }
}
