//! Tests weaknesses of other servers: administration without login, default passwords, tokens of one stage accepted in
//! another.

use gangway::phone::facet::RedirectState;
use gangway_sim::yealink_phone::model;
use serde_json::json;

use crate::support::{
    bench::{Bench, simulation},
    http, mac,
    options::Options,
    page::{Page, typed},
    socket,
};

const AGENT: &str = "Yealink SIP-T46U 108.86.0.20 80:5e:c0:12:34:01";

#[actix_rt::test]
async fn nothing_is_administered_without_login() {
    let bench = Bench::start().await;
    bench.installed(mac(1), model::T46U, "user1").await;
    let base = bench.gateway.instance_url();
    for path in ["api/v1/phones", "api/v1/settings", "api/v1/history", "api/v1/phones/805ec0123401", "api/v1/tokens"] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let answer = http::request(method, &format!("{base}/{path}"), &[("User-Agent", "curl")], b"");
            assert!((400..500).contains(&answer.status), "{method} {path}: {}", answer.status);
            assert!(!answer.text().contains("805ec0123401"), "{method} {path}");
        }
    }
    for path in ["metrics", "debug", "readyz", "gangway.toml", "admin/../data", "phone/", "phone"] {
        let answer = http::get(&format!("{base}/{path}"), "curl");
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.status);
    }
    let mut sockets = Vec::new();
    for message in [
        json!({ "mt": "Phones", "api": "gangway", "src": "1" }),
        json!({ "mt": "Act", "api": "gangway", "mac": "805ec0123401", "action": "remove" }),
        json!({ "mt": "SettingsSet", "api": "gangway", "scope": "instance", "values": { "ntp_server_1": "evil.example" } }),
        json!({ "mt": "ProvisioningPhone", "api": "com.innovaphone.provisioning", "mac": "805ec0123409" }),
    ] {
        let (socket, _challenge) = socket::challenged(&bench.simulation, &bench.gateway.socket_url()).await;
        socket.send_text(message.to_string()).await;
        sockets.push((message, socket));
    }
    for (message, mut socket) in sockets {
        let seen = socket::until_closed(&mut socket).await;
        let name = format!("{}Result", message["mt"].as_str().unwrap());
        assert!(seen.iter().all(|answer| answer["mt"] != name), "{message}: {seen:?}");
    }
    assert_eq!(bench.records().store.phones().in_instance(bench.records().instance).len(), 1);
}

#[actix_rt::test]
async fn there_is_no_default_password() {
    for configured in ["", "admin_password_login = true"] {
        let options = Options { instance: configured.into(), ..Options::default() };
        let bench = Bench::start_in(simulation().start().await.unwrap(), options).await;
        for password in
            ["", "admin", "password", "gangway", "innovaphone", "ip411", "0000", "1234", "default", "example.com"]
        {
            let opened = Page::open_as(&bench.simulation, &bench.gateway.socket_url(), typed(password)).await;
            assert!(opened.is_err(), "'{password}' opens the admin app ({configured})");
        }
    }
}

/// The first stage never reveals the credentials of the next one.
#[actix_rt::test]
async fn no_stage_gives_away_the_next_one() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.provisioned(mac, "user1").await;
    bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    let record = bench.records().phone(mac).unwrap();
    let secrets = [record.token.expose(), record.own.password.expose(), "secret-1", "secret-"];
    let phones = format!("{}/phone", bench.gateway.instance_url());
    for name in [
        format!("{mac}.cfg"),
        format!("{}.cfg", mac.to_string().to_uppercase()),
        "y000000000108.cfg".into(),
        format!("{mac}.boot"),
    ] {
        let answer = http::get(&format!("{phones}/{name}"), AGENT);
        let all = format!("{:?}{}", answer.headers, answer.text());
        assert!(secrets.iter().all(|secret| !all.contains(secret)), "{name}: {all}");
    }
    // One phone's token is not accepted for another phone.
    bench.provisioned(crate::support::mac(2), "user2").await;
    let other = http::get(&format!("{}805ec0123402.cfg", bench.phone_url(mac)), AGENT);
    assert_eq!((other.status, other.body.len()), (404, 0));
}
