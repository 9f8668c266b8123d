//! Tests that values that no phone's file can represent are rejected by every input path with an error message, and
//! that accepted values render for every vendor.

use std::sync::Arc;

use gangway::{
    catalog::{Basis, FileKind, Recognition, Registry, SharedRegistry},
    net::egress_policy::EgressPolicy,
    phone::public_url::PublicUrls,
    phone_config::{sample_layers, sample_phone},
    render::{FileRequest, Renderer, Stage},
    service::settings_check::SettingsCheck,
    settings::{Layers, Scope, SettingRow, TABLE, ValueKind},
    store::{Store, TokenScope},
};
use gangway_base::{clock::SystemClock, mac::Mac, secret::Secret, tasks::Tasks};
use gangway_sim::{users::ProvisionRequest, yealink_phone::model};
use gangway_wire::appws::{envelope::Envelope, provisioning::ProvisioningPhone, session_key::SessionKey};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::json;

use crate::support::{
    bench::{Bench, TITLE},
    mac,
    page::Page,
    script::{Script, body, problem},
};

/// The page, scripts and the command reject the same setting values and store nothing.
#[actix_rt::test]
async fn a_value_no_file_carries_is_refused_by_page_script_and_command() {
    let bench = Bench::start().await;
    let script = Script::new(&bench.gateway, "settings", TokenScope::Write).await;
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    let long = "x".repeat(5000);
    for (name, value) in [
        ("ldap_user", "a\u{fffe}b"),
        ("ldap_password", "a\u{ffff}b"),
        ("ldap_password", "a #b"),
        ("phone_admin_user", "\u{feff}admin"),
        ("ldap_base", "cn=\u{2028}x"),
        ("ntp_server_1", "a..b"),
        ("ntp_server_2", "$(id)"),
        ("registrar", "`id`"),
        ("ldap_server", "\"ldap\""),
        ("syslog_server", "log.example.com:65536"),
        ("outbound_proxy", long.as_str()),
        ("line_keys", "[{\"key\":2,\"type\":\"blf\",\"value\":\"10\u{2029}02\"}]"),
        ("firmware_url", "https://a..b/T46U.rom"),
    ] {
        let values = json!({ name: value });
        let refused = problem(&script.change("PATCH", "/settings", &json!({ "values": values })).await, 422);
        assert_eq!(refused["errors"][0]["field"], name, "{refused}");
        let sentence = refused["errors"][0]["detail"].as_str().unwrap().to_owned();
        let refused = page.ask("SettingsSet", json!({ "scope": "instance", "values": values })).await;
        assert!(refused["error"].is_string() && refused["fields"][name]["text"] == json!(sentence), "{refused}");
        let done = bench.gateway.command(&["settings", "set", name, value]);
        let output = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && output.contains(&sentence), "{name}: {output}");
        let stored = bench.records().store.settings().layers(bench.records().instance);
        assert!(stored.rows().iter().all(|row| row.name != name), "{name}");
    }
}

/// ProvisioningPhone answers with an error instead of `ok` and a phone that never gets a file.
#[actix_rt::test]
async fn users_is_told_what_cannot_be_given_to_the_phone() {
    let bench = Bench::start().await;
    let request = |patch: &[(&str, &str)]| {
        let mut request = ProvisionRequest::new(&mac(1).to_string(), "user1", TITLE);
        request.patch = patch.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        request
    };
    for (field, value, word) in [
        ("dns", "pbx.example.com\u{2028}", "dns"),
        ("dns", " pbx.example.com", "dns"),
        ("dns", "a..b", "dns"),
        ("dns", "pbx $(id)", "dns"),
        ("hwid", "0015\u{feff}65", "hwid"),
        ("hwid", "hw\u{ffff}id", "hwid"),
        ("hwid", "hw #id", "HW-ID"),
        ("hwid", "hwid ", "hwid"),
        ("usename", "#user", "user's name"),
    ] {
        let answer = bench.ask(request(&[(field, value)])).await;
        let error = answer.error.unwrap_or_default();
        assert!(!answer.ok && error.contains(word), "{field} {value:?}: {error}");
        assert!(bench.records().phone(mac(1)).is_none(), "{field} {value:?}");
    }
    // A display name is not used for authentication. The phone is put into service, and the characters that cannot be
    // written are removed from the name.
    let answer = bench.ask(request(&[("cn", "Anna\u{fffe}\u{2028} #1\nAtlantis\u{feff}")])).await;
    assert!(answer.ok, "{:?}", answer.error);
    let phone = bench.simulation.add_phone(mac(1), model::T46U);
    assert!(phone.boot().await.unwrap().registered);
    assert_eq!(bench.records().phone(mac(1)).unwrap().accounts[0].cn, "Anna #1 Atlantis");
}

/// The import of a table reports the line, the column and the reason.
#[actix_rt::test]
async fn a_table_names_the_line_that_no_file_carries() {
    let bench = Bench::start().await;
    let script = Script::new(&bench.gateway, "import", TokenScope::Write).await;
    let check = async |line: &str| {
        let table = format!("mac;user;name;password;hwid;pbx;vendor\n{line}\n");
        let answer =
            script.send("POST", "/import?dryRun=true", &[("Content-Type", "text/csv")], table.as_bytes()).await;
        body(&answer)
    };
    for (line, column, code) in [
        ("805ec0000001;u;n;pass\u{fffe}word;;;", "password", "import.control"),
        ("805ec0000001;u;n;pass #word;;;yealink", "password", "import.unwritable"),
        ("805ec0000001;u;n;p;h\u{2029}w;;", "hwid", "import.control"),
        ("805ec0000001;u;n;p;#hw;;yealink", "hwid", "import.unwritable"),
        ("805ec0000001;u;n;p;;a..b;", "pbx", "import.pbx"),
        ("805ec0000001;u;n;p;;$(id);", "pbx", "import.pbx"),
        ("805ec0000001;#u;n;p;;;yealink", "user", "import.unwritable"),
    ] {
        let reported = check(line).await;
        let error = &reported["errors"][0];
        assert_eq!((&error["field"], &error["text"]["key"]), (&json!(column), &json!(code)), "{line:?}: {reported}");
    }
    // A stored password belongs to its PBX and is not sent to another one.
    bench.provisioned(mac(1), "user1").await;
    let reported = check(&format!("{};user1;n;;;evil.example.net;", mac(1))).await;
    assert_eq!(reported["errors"][0]["text"]["key"], "import.password-of-pbx", "{reported}");
    let reported = check(&format!("{};user1;n;given;;other.example.net;", mac(1))).await;
    assert_eq!(reported["errors"], json!([]), "{reported}");
    // Values that this vendor's format can represent are accepted, and a name is cleaned.
    for line in ["000413000001;u;n;pass #word;;;snom", "805ec0000001;u;na\u{ffff}me;p;;;"] {
        let reported = check(line).await;
        assert_eq!(reported["errors"], json!([]), "{line:?}: {reported}");
    }
}

/// A value that was stored before it was rejected does not prevent the start, and it is reported.
#[actix_rt::test]
async fn a_value_of_earlier_times_is_remarked_and_stays() {
    let mut bench = Bench::start().await;
    let (store, instance) = (bench.records().store.clone(), bench.records().instance);
    for (name, value) in
        [("ntp_server_1", "$(id)"), ("ldap_password", "Canary #1"), ("redirect.gigaset.protocol", "none")]
    {
        store.settings().set_one(instance, &Scope::Instance, name, Some(&value.into())).await.unwrap();
    }
    drop(store);
    bench.gateway.stop();
    bench.gateway.start_again().await;
    let script = Script::new(&bench.gateway, "reader", TokenScope::Write).await;
    let notices = script.json("/notices").await.to_string();
    let checked = String::from_utf8(bench.gateway.command(&["check"]).stdout).unwrap();
    for name in ["ntp_server_1 of instance", "ldap_password of instance", "redirect.gigaset.protocol of instance"] {
        assert!(notices.contains(name) && checked.contains(name), "{name}: {notices} {checked}");
    }
    assert!(!notices.contains("Canary") && !checked.contains("Canary"));
    let layers = bench.records().store.settings().layers(bench.records().instance);
    assert_eq!(layers.get("ntp_server_1").unwrap().expose(), "$(id)");
    // After the values are removed, the remark disappears, even for a vendor that is not installed.
    let taken = json!({ "values": { "ntp_server_1": null, "ldap_password": null, "redirect.gigaset.protocol": null } });
    assert_eq!(script.change("PATCH", "/settings", &taken).await.status, 204);
    let begun = std::time::Instant::now();
    while script.json("/notices").await.to_string().contains("setting-wrong") {
        assert!(begun.elapsed() < crate::support::records::TIMEOUT, "the remarks stay");
        tokio::task::yield_now().await;
    }
}

/// Texts that include characters that can break files.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z#;/\\\\\"' =<>&%$()`\u{fffe}\u{ffff}\u{1ffff}\u{fdd0}\u{2028}\u{feff}\u{1b}\u{85}\u{a0}é]{0,12}",
        "[a-z0-9.:_\\[\\]-]{1,16}",
        "[ -~]{0,16}",
        any::<String>(),
    ]
}

struct Writer {
    registry: SharedRegistry,
    renderer: Renderer,
}

impl Writer {
    fn new() -> Self {
        let registry = Registry::load_shared(None).unwrap();
        Self { renderer: Renderer::new(Arc::clone(&registry), [7; 32], 0, Arc::new(SystemClock)), registry }
    }

    /// Returns the vendors for whose phones no file can be rendered with these values.
    fn without_file(
        &self,
        set: &[(&str, &str)],
        change: impl Fn(&gangway::catalog::Vendor, &mut gangway::phone::record::Phone) -> bool,
    ) -> Vec<String> {
        let mac: Mac = "805ec0123456".parse().unwrap();
        let mut rows = sample_layers().rows().to_vec();
        rows.extend(set.iter().map(|(name, value)| SettingRow {
            scope: Scope::Instance,
            name: (*name).to_owned(),
            value: Secret::new(*value),
        }));
        let layers = Layers::new(rows, 1);
        let registry = self.registry.load();
        let mut failed = Vec::new();
        for vendor in registry.vendors() {
            let model = vendor.manifest.models.first().map(|model| model.name.as_str());
            let provider = vendor.provider_of(model).unwrap();
            let mut phone = sample_phone(&provider.name, &vendor.name, model, None, mac);
            if !change(vendor, &mut phone) {
                continue;
            }
            let recognition = Recognition {
                vendor: Some(Arc::clone(&vendor.name)),
                model: model.map(Arc::from),
                firmware: None,
                mac: Some(mac),
                agent_mac: None,
                kind: FileKind::Personal,
                name: None,
                file_vendor: None,
                basis: Basis::Agent,
            };
            let urls = PublicUrls::of("/example.com/gangway", "https://gw.example.com".parse().unwrap());
            let request = FileRequest {
                phone: Some(&phone),
                recognition: &recognition,
                stage: Stage::Personal,
                urls: &urls,
                token: None,
                layers: &layers,
            };
            if let Err(error) = self.renderer.file(&request) {
                failed.push(format!("{}: {error}", vendor.name));
            }
        }
        failed
    }
}

#[actix_rt::test]
async fn every_setting_that_is_accepted_renders_for_every_vendor() {
    let dir = tempfile::tempdir().unwrap();
    let tasks = Tasks::new();
    let store = Store::open(dir.path(), Arc::new(SystemClock), &tasks).await.unwrap();
    let instance = store.instance("example.com", "gangway").await.unwrap();
    let writer = Writer::new();
    let (registry, reach) = (writer.registry.load_full(), EgressPolicy::everywhere());
    let judge = SettingsCheck { registry: &registry, reach: &reach, store: &store, instance };
    let free =
        |kind: ValueKind| matches!(kind, ValueKind::Text(_) | ValueKind::Host | ValueKind::Url | ValueKind::LineKeys);
    let names: Vec<&str> = TABLE.iter().filter(|setting| free(setting.kind)).map(|setting| setting.name).collect();
    let mut accepted = 0;
    let mut runner = TestRunner::new(Config::with_cases(400));
    let accepted_in = std::cell::Cell::new(0);
    let values = (proptest::sample::select(names), hostile());
    let outcome = runner.run(&values, |(name, value)| {
        if let Ok(value) = judge.value(name, &value, &Scope::Instance) {
            accepted_in.set(accepted_in.get() + 1);
            let failed = writer.without_file(&[(name, &value)], |_, _| true);
            prop_assert!(failed.is_empty(), "{name} = {value:?}: {failed:?}");
        }
        Ok(())
    });
    outcome.unwrap();
    accepted += accepted_in.get();
    assert!(accepted > 50, "{accepted} of 400 were accepted: too few to tell");
    tasks.finish(std::time::Duration::from_secs(5)).await;
}

#[test]
fn every_request_that_is_accepted_renders_for_its_vendor() {
    let writer = Writer::new();
    let key = SessionKey::derive("0123456789abcdef", &Secret::new("pwd"));
    let seed = "10046478319880090512700";
    let accepted = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config::with_cases(400));
    let values = (0..5_usize, hostile());
    let outcome = runner.run(&values, |(place, value)| {
        let mut fields = [("hwid", "hw"), ("usename", "user"), ("cn", "Anna"), ("password", "secret"), ("dns", "pbx")];
        fields[place].1 = &value;
        let mut message = json!({ "mt": "ProvisioningPhone", "mac": "805ec0123456", "code": "1", "seed1": seed, "domain": "example.com" });
        for (name, value) in fields {
            message[name] = if name == "password" { json!(key.encrypt(seed, value)) } else { json!(value) };
        }
        let envelope = Envelope::parse(&message.to_string(), 99_999).unwrap();
        let Ok(read) = ProvisioningPhone::parse(&envelope, &key) else { return Ok(()) };
        let failed = writer.without_file(&[], |vendor, phone| {
            let exact = [&read.hwid, &read.username, read.password.expose(), &read.dns];
            let account = &mut phone.accounts[0];
            (account.hwid, account.username, account.cn) = (read.hwid.clone(), read.username.clone(), read.cn.clone());
            (account.password, account.dns) = (read.password.clone(), read.dns.clone());
            accepted.set(accepted.get() + 1);
            // The same check as at intake for the phone's vendor.
            exact.iter().all(|value| vendor.cannot_carry(value).is_none())
        });
        prop_assert!(failed.is_empty(), "{:?} = {:?}: {:?}", fields[place].0, value, failed);
        Ok(())
    });
    outcome.unwrap();
    assert!(accepted.get() > 100, "{} were accepted: too few to tell", accepted.get());
}
