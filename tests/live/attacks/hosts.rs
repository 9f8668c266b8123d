//! Tests that a stored secret is sent only to the host it was set for, even if a client configures another host in any
//! way.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
};

use gangway::{phone::facet::RedirectState, settings::Scope, store::TokenScope};
use gangway_sim::{simulation::Simulation, yealink_phone::model};
use serde_json::{Value, json};

use crate::support::{
    bench::{Bench, comes_up},
    mac,
    page::Page,
    records::TIMEOUT,
    script::{Script, body, problem},
};

/// A server of the attacker that records what it receives.
struct Thief {
    url: String,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Thief {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/xmlrpc", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let keeps = Arc::clone(&received);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut bytes = [0; 4096];
                let count = stream.read(&mut bytes).unwrap_or_default();
                keeps.lock().unwrap().extend_from_slice(&bytes[..count]);
                let _ = stream.write_all(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        Self { url, received }
    }

    fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().unwrap()).into_owned()
    }
}

const URL: &str = "redirect.yealink.url";
const PASSWORD: &str = "redirect.yealink.password";

async fn restore(bench: &Bench) {
    let (store, instance) = (&bench.records().store, bench.records().instance);
    let url = bench.simulation.rps.xmlrpc_url();
    for (name, value) in [(URL, url.as_str()), (PASSWORD, Simulation::RPS_PASSWORD)] {
        store.settings().set_one(instance, &Scope::Instance, name, Some(&value.into())).await.unwrap();
    }
}

fn stored(bench: &Bench, name: &str) -> Option<String> {
    let layers = bench.records().store.settings().layers(bench.records().instance);
    layers.rows().iter().find(|row| row.name == name).map(|row| row.value.expose().to_owned())
}

/// Sets another URL and tests the account. The attacker must not receive `Authorization: Basic ...`.
#[actix_rt::test]
async fn a_redirect_account_does_not_follow_its_url_to_another_host() {
    let bench = Bench::start().await;
    let thief = Thief::new();
    let script = Script::new(&bench.gateway, "thief", TokenScope::Write).await;
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    let values = json!({ URL: thief.url });
    let lost = json!([{ "scope": "instance", "name": PASSWORD }]);

    let answer = script.change("PATCH", "/settings", &json!({ "values": values })).await;
    assert_eq!((answer.status, &body(&answer)["emptied"]), (200, &lost), "{}", answer.text());
    let tested = script.change("POST", "/vendors/yealink/redirect-test", &json!({})).await;
    assert_ne!(tested.status, 200, "{}", tested.text());
    assert_eq!((stored(&bench, URL), stored(&bench, PASSWORD)), (Some(thief.url.clone()), None));

    restore(&bench).await;
    let answer = page.ask("SettingsSet", json!({ "scope": "instance", "values": values })).await;
    assert_eq!(answer["emptied"], lost, "{answer}");
    let tested = page.ask("RedirectTest", json!({ "vendor": "yealink" })).await;
    assert_eq!(tested["code"]["key"], "no-redirect-account", "{tested}");

    restore(&bench).await;
    let done = bench.gateway.command(&["settings", "set", URL, &thief.url]);
    let output = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success() && output.contains(&format!("{PASSWORD} of instance is emptied")), "{output}");
    until_stored(&bench, PASSWORD, None).await;

    // Settings that belong to the protocol are emptied with it. Removing the URL counts as a change of address, too.
    restore(&bench).await;
    let answer = page.ask("SettingsSet", json!({ "scope": "instance", "values": { URL: null } })).await;
    assert_eq!(answer["emptied"], lost, "{answer}");

    // The same host, or a new password in the same change, keeps the password.
    restore(&bench).await;
    let path = bench.simulation.rps.xmlrpc_url().replace("/xmlrpc", "/other");
    let answer = page.ask("SettingsSet", json!({ "scope": "instance", "values": { URL: path } })).await;
    assert_eq!(answer["emptied"], json!([]), "{answer}");
    let both = json!({ URL: thief.url, PASSWORD: "for-the-new-host" });
    let answer = page.ask("SettingsSet", json!({ "scope": "instance", "values": both })).await;
    assert_eq!(answer["emptied"], json!([]), "{answer}");
    let _tested = page.ask("RedirectTest", json!({ "vendor": "yealink" })).await;

    // The attacker received the password that was set for its server, and never the other one.
    let received = thief.received();
    assert!(received.contains("POST /xmlrpc"), "{received}");
    let basic = |password: &str| {
        use base64::{Engine as _, prelude::BASE64_STANDARD};
        BASE64_STANDARD.encode(format!("{}:{password}", Simulation::RPS_USER))
    };
    assert!(
        !received.contains(&basic(Simulation::RPS_PASSWORD)) && !received.contains(Simulation::RPS_PASSWORD),
        "{received}"
    );
    let audit = script.json("/audit?limit=500").await.to_string();
    assert!(audit.contains(&format!("empty {PASSWORD} of instance")), "{audit}");
}

/// Waits until the serving process has read what a command wrote.
async fn until_stored(bench: &Bench, name: &str, wanted: Option<&str>) {
    let mut changes = bench.records().store.settings().changes();
    while stored(bench, name).as_deref() != wanted {
        let change = tokio::time::timeout(TIMEOUT, changes.recv()).await;
        assert!(change.is_ok(), "{name} is {:?} and not {wanted:?}", stored(bench, name));
    }
}

/// A client that may change values for one phone or vendor sets its own LDAP server there.
#[actix_rt::test]
async fn an_ldap_password_stays_with_its_server_in_every_layer() {
    let bench = Bench::start().await;
    let (own, other) = (mac(1), mac(2));
    let script = Script::new(&bench.gateway, "thief", TokenScope::Write).await;
    let set = async |scope: &str, values: Value| {
        let answer = script.change("PATCH", &format!("/settings?scope={scope}"), &json!({ "values": values })).await;
        match answer.status {
            204 => json!({ "emptied": [], "remarks": [] }),
            _ => body(&answer),
        }
    };
    set("instance", json!({ "ldap_server": "ldap.example.com", "ldap_password": "CanaryLdap1" })).await;
    let phones = [bench.installed(own, model::T46U, "user1").await, bench.installed(other, model::T46U, "user2").await];
    let held = |place: usize, key: &str| {
        phones[place].board().read(|flash| flash.settings.get(key).unwrap_or_default().to_owned())
    };
    let fetch = async || {
        for phone in &phones {
            phone.poll_once().await.unwrap();
        }
    };
    assert_eq!((held(0, "ldap.password"), held(1, "ldap.password")), ("CanaryLdap1".into(), "CanaryLdap1".into()));

    // Narrower layer: the phone gets the new server but not the password of the other one.
    let answer = set(&format!("phone:{own}"), json!({ "ldap_server": "evil.example.net" })).await;
    assert_eq!(answer["emptied"], json!([]), "what others have stays: {answer}");
    fetch().await;
    assert_eq!((held(0, "ldap.host"), held(0, "ldap.password")), ("evil.example.net".into(), String::new()));
    assert_eq!((held(1, "ldap.host"), held(1, "ldap.password")), ("ldap.example.com".into(), "CanaryLdap1".into()));
    let notes = script.json(&format!("/phones/{own}/config")).await["notes"].to_string();
    assert!(notes.contains("set for another server"), "{notes}");

    // Port and encryption are part of the address.
    set(&format!("phone:{own}"), json!({ "ldap_server": null })).await;
    for (name, value) in [("ldap_port", "6360"), ("ldap_tls", "off")] {
        set(&format!("phone:{own}"), json!({ name: value })).await;
        fetch().await;
        assert_eq!(held(0, "ldap.password"), "", "{name}");
        set(&format!("phone:{own}"), json!({ name: null })).await;
    }
    fetch().await;
    assert_eq!(held(0, "ldap.password"), "CanaryLdap1");

    // In the layer of the secret, the secret is emptied, and also in a narrower layer that had one for the same server.
    set(&format!("phone:{own}"), json!({ "ldap_password": "CanaryLdap2" })).await;
    let answer = set("vendor:yealink", json!({ "ldap_server": "evil.example.net" })).await;
    assert_eq!(answer["emptied"], json!([{ "scope": format!("phone:{own}"), "name": "ldap_password" }]));
    fetch().await;
    assert_eq!((held(0, "ldap.password"), held(1, "ldap.password")), (String::new(), String::new()));
    let answer = set("instance", json!({ "ldap_server": "evil.example.net" })).await;
    assert_eq!(answer["emptied"], json!([{ "scope": "instance", "name": "ldap_password" }]));
    assert_eq!(stored(&bench, "ldap_password"), None);
}

/// The phone's first request reveals its model, and the model's layer has another address.
#[actix_rt::test]
async fn a_phones_own_password_does_not_follow_a_model_learned_later() {
    let bench = Bench::start().await;
    let (own, records) = (mac(1), bench.records());
    let script = Script::new(&bench.gateway, "thief", TokenScope::Write).await;
    let set = async |scope: &str, values: Value| {
        let answer = script.change("PATCH", &format!("/settings?scope={scope}"), &json!({ "values": values })).await;
        assert_eq!(answer.status, 204, "{scope}: {}", answer.text());
    };
    bench.provisioned(own, "user1").await;
    records.wait_redirect(own, RedirectState::Redirected).await;
    assert_eq!(records.store.phones().by_mac(records.instance, own).unwrap().model, None);
    set("instance", json!({ "ldap_server": "ldap.example.com" })).await;
    set(&format!("phone:{own}"), json!({ "ldap_password": "CanaryLdap1" })).await;
    // The gateway does not know yet that this applies to the phone, so it empties nothing.
    set("model:yealink/T46U", json!({ "ldap_server": "evil.example.net" })).await;

    let phone = bench.simulation.add_phone(own, model::T46U);
    comes_up(&phone).await;
    records.wait_done(own).await;
    let held = |key: &str| phone.board().read(|flash| flash.settings.get(key).unwrap_or_default().to_owned());
    assert_eq!((held("ldap.host"), held("ldap.password")), ("evil.example.net".into(), String::new()));
    let notes = script.json(&format!("/phones/{own}/config")).await["notes"].to_string();
    assert!(notes.contains("set it again for this phone"), "{notes}");

    // The address for which the password was set is restored.
    set("model:yealink/T46U", json!({ "ldap_server": "LDAP.example.com" })).await;
    phone.poll_once().await.unwrap();
    assert_eq!(held("ldap.password"), "CanaryLdap1");
    set("model:yealink/T46U", json!({ "ldap_server": null, "ldap_port": "636" })).await;
    phone.poll_once().await.unwrap();
    assert_eq!((held("ldap.host"), held("ldap.password")), ("ldap.example.com".into(), "CanaryLdap1".into()));
}

/// Page, scripts and command apply the same rules to addresses.
#[actix_rt::test]
async fn three_ways_judge_an_address_alike() {
    let bench = Bench::start().await;
    let script = Script::new(&bench.gateway, "ssrf", TokenScope::Write).await;
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    let before = stored(&bench, URL);
    for url in [
        "http://rps.example.com/xmlrpc",
        "https://10.0.0.1/",
        "https://169.254.169.254/",
        "https://168.63.129.16/",
        "https://100.100.100.200/",
        "https://192.0.0.192/",
        "https://[fd00:ec2::254]/",
        "https://[64:ff9b::a83f:8110]/",
        "https://localhost/",
        "https://metadata.google.internal/",
    ] {
        let values = json!({ URL: url });
        let refused = problem(&script.change("PATCH", "/settings", &json!({ "values": values })).await, 422);
        assert_eq!(refused["errors"][0]["code"], "url-not-allowed", "{url}: {refused}");
        let sentence = refused["errors"][0]["detail"].as_str().unwrap().to_owned();
        let refused = page.ask("SettingsSet", json!({ "scope": "instance", "values": values })).await;
        assert!(refused.to_string().contains("url-not-allowed"), "{url}: {refused}");
        let done = bench.gateway.command(&["settings", "set", URL, url]);
        let output = String::from_utf8(done.stderr).unwrap();
        assert!(!done.status.success() && output.contains(&sentence), "{url}: {output}");
    }
    assert_eq!(stored(&bench, URL), before);
    // A vendor that is not installed has no account.
    let values = json!({ "redirect.gigaset.protocol": "gigaset-grape" });
    let refused = problem(&script.change("PATCH", "/settings", &json!({ "values": values })).await, 422);
    assert_eq!(refused["errors"][0]["code"], "unknown-vendor", "{refused}");
    let done = bench.gateway.command(&["settings", "set", "redirect.gigaset.protocol", "gigaset-grape"]);
    assert!(!done.status.success() && String::from_utf8_lossy(&done.stderr).contains("no vendor 'gigaset'"));
}

/// Contradictory settings that leave phones without a file or a password are reported when they are set and when they
/// are viewed.
#[actix_rt::test]
async fn contradictions_are_remarked_where_they_are_set_and_where_people_look() {
    let bench = Bench::start().await;
    let script = Script::new(&bench.gateway, "settings", TokenScope::Write).await;
    // The bench serves plain HTTP.
    let values = json!({ "values": { "require_certificate": "true" } });
    let answer = script.change("PATCH", "/settings?scope=vendor:yealink", &values).await;
    let remarks = body(&answer)["remarks"].to_string();
    assert!(remarks.contains("notice.certificate-without-tls") && remarks.contains("vendor:yealink"), "{remarks}");
    // A known contradiction is not reported again with every change.
    let answer = script.change("PATCH", "/settings", &json!({ "values": { "language": "de" } })).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    let done = bench.gateway.command(&["settings", "set", "phone_admin_password", "from-devices"]);
    let output = String::from_utf8(done.stderr).unwrap();
    assert!(output.contains("warning: phone_admin_password is from-devices"), "{output}");

    until_stored(&bench, "phone_admin_password", Some("from-devices")).await;
    let notices = async || script.json("/notices").await.to_string();
    let checked = String::from_utf8(bench.gateway.command(&["check"]).stdout).unwrap();
    for (key, words) in [
        ("certificate-without-tls", "require_certificate and provisioning_scheme http contradict"),
        ("domain-password", "administrative password of the domain"),
        ("url-unreachable", "an address of this machine or its link"),
    ] {
        assert!(checked.contains(words), "{key}: {checked}");
        let begun = std::time::Instant::now();
        while !notices().await.contains(&format!("\"{key}\"")) {
            assert!(begun.elapsed() < TIMEOUT, "{key}: {}", notices().await);
            tokio::task::yield_now().await;
        }
    }
}
