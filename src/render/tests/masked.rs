//! Masking depends on where a secret is written, not on its text.

use super::*;
use crate::phone_config::sample_layers;

fn masked(bench: &Bench, phone: &Phone, layers: &Layers, vendor: &str, firmware: &str) -> Vec<String> {
    let registry = bench.registry.load();
    let vendor = registry.vendor(vendor).unwrap();
    let recognition = recognised(vendor, phone.model.as_deref(), firmware, FileKind::Personal);
    let file = bench.renderer.masked(&whole(phone, &recognition, layers)).unwrap();
    file.lines.into_iter().map(|line| line.text).collect()
}

/// Every secret is a single letter that also occurs in many names.
fn short(vendor: &str, model: &str, letter: &str) -> Phone {
    let mut phone = sample_phone(vendor, vendor, Some(model), None, "805ec0123456".parse().unwrap());
    phone.own.password = Secret::new(letter);
    phone.accounts[0].password = Secret::new(letter);
    phone.device_config.items.get_mut("MEDIA").unwrap()["turnPassword"] = json!(letter);
    phone
}

#[test]
fn a_short_secret_shows_in_no_name_and_tells_nothing() {
    let bench = Bench::new();
    for (vendor, model, firmware) in [("yealink", "T46U", "108.86.0.90"), ("snom", "D785", "10.1.184.14")] {
        let shown = |letter: &str| {
            let mut rows = sample_layers().rows().to_vec();
            rows.extend(layers(&[("ldap_password", letter), ("phone_admin_password", letter)]).rows().to_vec());
            masked(&bench, &short(vendor, model, letter), &Layers::new(rows, 9), vendor, firmware)
        };
        let lines = shown("a");
        // The masked file does not depend on the secrets.
        assert_eq!(lines, shown("e"), "{vendor}");
        assert_eq!(lines, shown("Another, longer <secret>"), "{vendor}");
        let text = lines.join("\n");
        let whole_names = match vendor {
            "snom" => "<http_client_pass perm=\"R\">***</http_client_pass>",
            _ => "account.1.password = ***",
        };
        assert!(text.contains(whole_names) && text.contains("Anna Atlantis"), "{text}");
    }
}

#[test]
fn a_secret_within_a_value_is_hidden_there_alone() {
    let bench = Bench::new();
    let lines = masked(&bench, &phone(), &sample_layers(), "yealink", "108.86.0.90");
    // The password of the web page follows the user in one value. A key whose name contains "password" is masked
    // completely.
    let line = lines.iter().find(|line| line.contains("security.user_password")).unwrap();
    assert_eq!(line, "static.security.user_password = ***");
    assert!(lines.iter().any(|line| line == "static.sip.nat_turn.username = turner"), "{lines:#?}");
    assert!(lines.iter().any(|line| line == "static.sip.nat_turn.password = ***"), "{lines:#?}");
}

#[test]
fn the_token_of_the_bootstrap_url_is_hidden_in_the_open_stage() {
    let bench = Bench::new();
    let (phone, layers) = (phone(), sample_layers());
    let registry = bench.registry.load();
    let recognition = recognised(registry.vendor("yealink").unwrap(), Some("T46U"), "108.86.0.90", FileKind::Personal);
    let request = FileRequest { stage: Stage::Open, token: Some(TOKEN), ..whole(&phone, &recognition, &layers) };
    let lines = bench.renderer.masked(&request).unwrap().lines;
    let url = lines.iter().find(|line| line.secret).unwrap();
    assert!(url.text.ends_with("/phone/***/") && !format!("{lines:?}").contains(TOKEN), "{lines:?}");
}

#[test]
fn the_keys_of_a_vendor_are_told_apart_by_what_stands_behind_them() {
    let bench = Bench::new();
    let keys = bench.renderer.keys("yealink", crate::catalog::Format::YealinkCfg);
    for secret in ["account.1.password", "account.16.password", "ldap.password", "static.sip.nat_turn.password"] {
        assert!(!keys.may_show(secret), "{secret}");
    }
    for plain in ["account.3.label", "ldap.host", "local_time.ntp_server1", "lang.gui"] {
        assert!(keys.may_show(plain), "{plain}");
    }
    assert!(!keys.may_show("nobody.knows"));
    let keys = bench.renderer.keys("snom", crate::catalog::Format::Xml);
    assert!(!keys.may_show("user_pass") && !keys.may_show("http_client_pass") && keys.may_show("user_realname"));
}
