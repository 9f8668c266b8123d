//! Tests injection through field values, by all interfaces for users and services.

use gangway::phone::facet::RedirectState;
use gangway_sim::users::ProvisionRequest;
use serde_json::json;

use crate::support::{
    bench::{Bench, TITLE, simulation},
    http, mac,
    options::Options,
};

const AGENT: &str = "Yealink SIP-T46U 108.86.0.20 80:5e:c0:12:34:01";
const LINES: &str = "Anna\r\nsecurity.user_password = admin:pwned\nsecurity.evil = 1";

#[actix_rt::test]
async fn what_users_sends_adds_no_line_to_a_file() {
    let bench = Bench::start_in(simulation().users(9).start().await.unwrap(), Options::default()).await;
    for (number, field) in ["cn", "h323", "hwid", "dns", "domain", "pwd"].into_iter().enumerate() {
        let mac = mac(u8::try_from(number).unwrap() + 1);
        let mut request = ProvisionRequest::new(&mac.to_string(), &format!("user{}", number + 1), TITLE);
        request.write_device = false;
        request.patch.insert(field.to_owned(), json!(LINES));
        let answer = bench.simulation.users.provision(request).await.expect("an answer");
        let Some(record) = bench.records().phone(mac) else {
            assert!(!answer.ok && answer.error.is_some(), "{field}: refused without a reason");
            continue;
        };
        let url = format!("{}/phone/{}/{mac}.cfg", bench.gateway.instance_url(), record.token.expose());
        let file = http::get(&url, AGENT);
        let hostile = |line: &str| {
            line.trim_start().starts_with("security.user_password = admin:pwned")
                || line.trim_start().starts_with("security.evil")
        };
        assert!(!file.text().lines().any(hostile), "{field}: {}", file.text());
    }
}

#[actix_rt::test]
async fn an_invalid_mac_creates_no_record() {
    let bench = Bench::start().await;
    for mac in [
        "../evil",
        "805ec0123401/../x",
        "805ec01234",
        "ffffffffffff",
        "015ec0123401",
        "805ec0123401\r\nx",
        "' OR 1=1 --",
        "{{ 7*7 }}",
        "",
    ] {
        let mut request = ProvisionRequest::new("805ec0123401", "user1", TITLE);
        request.write_device = false;
        request.patch.insert("mac".to_owned(), json!(mac));
        request.patch.insert("hwid".to_owned(), json!(mac));
        let answer = bench.simulation.users.provision(request).await.expect("an answer");
        assert!(!answer.ok, "{mac:?} was taken");
    }
    let records = bench.records();
    assert!(records.store.phones().in_instance(records.instance).is_empty());
}

#[actix_rt::test]
async fn settings_take_no_line_and_no_template() {
    let bench = Bench::start().await;
    for (name, value) in [
        ("ntp_server_1", "ntp.example.com\nevil.key = 1"),
        ("ldap_user", "anna\r\nevil.key = 1"),
        ("ldap_password", "x\u{1}y"),
        ("firmware_url", "http://fw.example.com/a.rom\nevil = 1"),
        ("timezone", "../../etc/passwd"),
        ("window_days", "8"),
        ("window_days", "0"),
        ("window_days", "4294967303"),
    ] {
        let output = bench.gateway.command(&["settings", "set", name, value]);
        assert!(!output.status.success() && !output.stderr.is_empty(), "{name} = {value:?} was taken");
    }
    // Text in template syntax is treated like any other text.
    let mac = mac(1);
    let mut request = ProvisionRequest::new(&mac.to_string(), "user1", TITLE);
    request.patch.insert("cn".to_owned(), json!("{{ 7*191 }}{% include \"personal.cfg\" %}"));
    assert!(bench.ask(request).await.ok);
    bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    let file = http::get(&format!("{}{mac}.cfg", bench.phone_url(mac)), AGENT);
    assert_eq!(file.status, 200);
    assert!(file.text().contains("{{ 7*191 }}") && !file.text().contains("1337"), "{}", file.text());
}
