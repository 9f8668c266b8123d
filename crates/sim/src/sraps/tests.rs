//! Tests the simulator over HTTP with requests signed by the crate `hawk`, which is independent of the gateway's client
//! and of the simulator's code.

use std::time::UNIX_EPOCH;

use serde_json::Value;

use super::*;
use crate::{
    fetch,
    host::SimHost,
    snom_phone::{SnomPhone, model},
    yealink_phone::SipNetwork,
};

const MAC: &str = "000413aabbcc";

fn authorization(method: &str, url: &url::Url, secret: &str, kind: &str, body: &[u8], ahead: i64) -> String {
    let hash = ::hawk::PayloadHasher::hash(kind, ::hawk::SHA256, body).unwrap();
    let key = ::hawk::Key::new(secret.as_bytes(), ::hawk::SHA256).unwrap();
    let credentials = ::hawk::Credentials { id: "me".into(), key };
    let request = ::hawk::RequestBuilder::from_url(method, url).unwrap().hash(hash.as_slice()).request();
    let at = SystemClock.now().as_second() + ahead;
    let at = UNIX_EPOCH + std::time::Duration::from_secs(u64::try_from(at).unwrap());
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let nonce = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("Hawk {}", request.make_header_full(&credentials, at, format!("n{nonce}")).unwrap())
}

async fn get(handle: &HostHandle, url: String, secret: &'static str, ahead: i64) -> (u16, Value, String, String) {
    let work = move |_| async move {
        let at = url::Url::parse(&url).unwrap();
        let authorization = authorization("GET", &at, secret, "", b"", ahead);
        let answer = fetch::get(&url, &[("Authorization", &authorization)]).await.unwrap();
        let json = serde_json::from_slice(&answer.body).unwrap_or_default();
        let header = |name| answer.header(name).to_owned();
        (answer.status, json, header("link"), header("www-authenticate"))
    };
    handle.run(work).await.unwrap()
}

#[actix_rt::test]
async fn a_foreign_client_finds_its_way() {
    let host = SimHost::start().unwrap();
    let handle = host.handle();
    let sraps = Sraps::start(&handle, "me", "secret").await.unwrap();
    let api = sraps.api_url();
    let (status, token, ..) = get(&handle, format!("{api}tokens/me"), "secret", 0).await;
    assert_eq!(status, 200);
    let company = token["links"]["company"].as_str().unwrap().to_owned();
    let (_, company, ..) = get(&handle, company, "secret", 0).await;
    let endpoints = company["links"]["endpoints"].as_str().unwrap().to_owned();
    assert_eq!(get(&handle, format!("{endpoints}{MAC}"), "secret", 0).await.0, 404);
    let mut next = Some(format!("{api}settings/?page_size=1000"));
    let (mut pages, mut found) = (0, Vec::new());
    while let Some(url) = next {
        let (_, settings, link, _) = get(&handle, url, "secret", 0).await;
        pages += 1;
        for setting in settings.as_array().unwrap() {
            if setting["param_name"] == "setting_server" {
                found.push(setting["section"].as_str().unwrap().to_owned());
            }
        }
        next = link
            .split(", ")
            .find(|link| link.ends_with("rel=\"next\""))
            .map(|link| link.trim_start_matches('<').split('>').next().unwrap().to_owned());
    }
    assert_eq!((pages, found), (2, vec!["gui-languages".to_owned(), "phone-settings".to_owned()]));

    let (status, _, _, challenge) = get(&handle, format!("{api}tokens/me"), "wrong", 0).await;
    assert_eq!((status, challenge.as_str()), (401, "Hawk error=\"Bad mac\""));
    let (status, _, _, challenge) = get(&handle, format!("{api}tokens/me"), "secret", -61).await;
    assert!(status == 401 && challenge.contains("tsm=\"") && challenge.contains("Stale timestamp"), "{challenge}");
    assert_eq!(sraps.board().read(|state| state.refused.clone()), ["Bad mac", "Stale timestamp"]);

    let mac: Mac = MAC.parse().unwrap();
    sraps.add_foreign_phone(mac, "https://elsewhere.example/");
    let (status, body, ..) = get(&handle, format!("{endpoints}{MAC}"), "secret", 0).await;
    assert_eq!((status, body["message"].as_str()), (403, Some("User lacks permission to endpoint")));
}

#[actix_rt::test]
async fn a_fresh_phone_is_told_its_settings_url() {
    let host = SimHost::start().unwrap();
    let sraps = Sraps::start(&host.handle(), "me", "secret").await.unwrap();
    let mac: Mac = MAC.parse().unwrap();
    let phone = |mac| SnomPhone::new(&host.handle(), mac, model::D785, Some(sraps.phone_url()), SipNetwork::default());
    let lost = phone(mac);
    lost.boot().await.unwrap();
    assert_eq!(lost.board().read(|flash| flash.settings.get("setting_server").map(str::to_owned)), None);
    sraps.board().change(|state| {
        let entry = state.endpoint("our-company", "http://127.0.0.1:9/a/?x=1&y=2");
        state.endpoints.insert(MAC.into(), entry);
    });
    let led = phone(mac);
    led.boot().await.unwrap();
    let known = led.board().read(|flash| flash.settings.get("setting_server").map(str::to_owned));
    assert_eq!(known.as_deref(), Some("http://127.0.0.1:9/a/?x=1&y=2"));
    assert_eq!(sraps.target(mac), known);
}
