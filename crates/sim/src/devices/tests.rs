//! Tests the service with hand-written clients that use raw bytes instead of the gateway's types.

use std::{sync::Arc, time::Duration};

use awc::ws::{Frame, Message};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use gangway_base::clock::{Clock, ManualClock, SystemClock};
use serde_json::{Value, json};

use super::*;
use crate::{crypt, fetch, host::SimHost, login::LoginForm, session::AppSession};

async fn start() -> (SimHost, Devices, ManualClock) {
    let host = SimHost::start().unwrap();
    let clock = ManualClock::new(SystemClock.now());
    let devices = Devices::start(&host.handle(), "example.com", "pw", Arc::new(clock.clone())).await.unwrap();
    (host, devices, clock)
}

trait Socket: Stream<Item = Result<Frame, Self::Broken>> + Sink<Message> + Unpin {
    type Broken: std::fmt::Debug;
}

impl<T, E: std::fmt::Debug> Socket for T
where
    T: Stream<Item = Result<Frame, E>> + Sink<Message> + Unpin,
{
    type Broken = E;
}

async fn connect(devices: Devices) -> impl Socket {
    let url = devices.app_object().websocket_url() + "/sysclients";
    fetch::client().ws(url).connect().await.unwrap().1
}

async fn identify(socket: &mut impl Socket, extra: Value) {
    let mut content = json!({ "id": "805ec0112233", "product": "T54W", "version": "96.86", "other": true,
        "platform": { "type": "PHONE" } });
    for (name, value) in extra.as_object().unwrap() {
        content[name.as_str()] = value.clone();
    }
    let mut frame = vec![1, 0, 0];
    frame.extend_from_slice(content.to_string().as_bytes());
    assert!(socket.send(Message::Binary(frame.into())).await.is_ok());
}

/// Returns number and content of the next administrative message; `None` if the connection ends.
async fn next(socket: &mut impl Socket) -> Option<(u8, Value)> {
    loop {
        match tokio::time::timeout(Duration::from_secs(10), socket.next()).await.unwrap()? {
            Ok(Frame::Binary(bytes)) => {
                assert_eq!(bytes[..2], [1, 0]);
                return Some((bytes[2], serde_json::from_slice(&bytes[3..]).unwrap()));
            }
            Ok(Frame::Close(_)) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

async fn provision(devices: Devices) -> (impl Socket, String) {
    let mut socket = connect(devices.clone()).await;
    identify(&mut socket, json!({ "provisioningCode": devices.make_code(1, false) })).await;
    let (kind, content) = next(&mut socket).await.unwrap();
    assert_eq!(kind, 1);
    let password = content["password"].as_str().unwrap().to_owned();
    assert_eq!(password.len(), 32);
    (socket, password)
}

#[actix_rt::test]
async fn a_code_gives_a_password_and_the_configuration() {
    let (_host, devices, _) = start().await;
    devices.set_admin_password("admin!");
    devices.push_item(&ConfigItem {
        categories: vec![1],
        content: json!({ "type": "MEDIA", "turnServer": "t", "turnPassword": "p\u{e4}ss" }),
    });
    let (mut socket, password) = provision(devices.clone()).await;
    let (kind, content) = next(&mut socket).await.unwrap();
    assert_eq!(kind, 3);
    let text = |content: &Value, name: &str| content[name].as_str().unwrap().to_owned();
    let plain = crypt::decrypt(&text(&content, "seed"), &password, &text(&content, "pwd"));
    assert_eq!(plain.unwrap(), "admin!");
    let (kind, content) = next(&mut socket).await.unwrap();
    assert_eq!((kind, &content["config"]["type"], content.get("last")), (6, &json!("NTP"), None));
    let (_, content) = next(&mut socket).await.unwrap();
    assert_eq!(content["last"], true);
    let media = &content["config"];
    let plain = crypt::decrypt(&text(media, "turnSeed"), &password, &text(media, "turnPassword"));
    assert_eq!(plain.unwrap(), "p\u{e4}ss");
    devices.wait_configured("805ec0112233").await.unwrap();
    devices.push_item(&ConfigItem { categories: Vec::new(), content: json!({ "type": "NTP", "ntp1": "new" }) });
    assert_eq!(next(&mut socket).await.unwrap().1["config"]["ntp1"], "new");
    devices.forget("805ec0112233");
    assert_eq!(next(&mut socket).await, None);
}

#[actix_rt::test]
async fn a_reconnect_proves_itself_by_digest() {
    let (_host, devices, _) = start().await;
    let (first, password) = provision(devices.clone()).await;
    let mut socket = connect(devices.clone()).await;
    identify(&mut socket, json!({})).await;
    let (kind, content) = next(&mut socket).await.unwrap();
    assert_eq!(kind, 2);
    assert_eq!(devices.count("805ec0112233", Station::Duplicate), 1);
    let challenge = content["challenge"].as_str().unwrap();
    let digest = crypt::hash(&["805ec0112233", "T54W", "96.86", challenge, &password]);
    identify(&mut socket, json!({ "digest": digest })).await;
    assert_eq!(next(&mut socket).await.unwrap().0, 6);
    // The challenge is used up, so the same digest is no longer accepted.
    identify(&mut socket, json!({ "digest": digest })).await;
    let refused = |state: &DevicesState| (state.count("805ec0112233", Station::DigestRefused) == 1).then_some(());
    devices.board().wait("a refusal", refused).await.unwrap();
    drop(first);
}

#[actix_rt::test]
async fn expired_unknown_and_used_codes_meet_silence() {
    let (_host, devices, clock) = start().await;
    let (short, long) = (devices.make_code(1, false), devices.make_code(1, true));
    clock.advance(Duration::from_secs(16 * 60));
    let mut socket = connect(devices.clone()).await;
    for code in [short.as_str(), "000000000000"] {
        identify(&mut socket, json!({ "provisioningCode": code })).await;
    }
    let refused = |count: usize| {
        move |state: &DevicesState| (state.count("805ec0112233", Station::CodeRefused) == count).then_some(())
    };
    devices.board().wait("two refusals", refused(2)).await.unwrap();
    identify(&mut socket, json!({ "provisioningCode": long })).await;
    assert_eq!(next(&mut socket).await.unwrap().0, 1);
    identify(&mut socket, json!({ "provisioningCode": long })).await;
    devices.board().wait("a third refusal", refused(3)).await.unwrap();
    devices.adopt("805ec0112233", 1);
    while next(&mut socket).await.unwrap().0 != 1 {}
}

#[actix_rt::test]
async fn gates_hold_each_station() {
    let (_host, devices, _) = start().await;
    let id = "805ec0112233";
    devices.gates().arm("password");
    devices.gates().arm("last:805ec0112233");
    let mut socket = connect(devices.clone()).await;
    identify(&mut socket, json!({ "provisioningCode": devices.make_code(1, false) })).await;
    devices.gates().wait_until_held("password").await.unwrap();
    assert_eq!(devices.count(id, Station::PasswordSent), 0);
    devices.gates().release("password");
    assert_eq!(next(&mut socket).await.unwrap().0, 1);
    devices.gates().wait_until_held("last:805ec0112233").await.unwrap();
    assert_eq!(devices.count(id, Station::LastSent), 0);
    devices.gates().release("last:805ec0112233");
    assert_eq!(next(&mut socket).await.unwrap().1["last"], true);
}

#[actix_rt::test]
async fn the_tunnel_carries_a_request() {
    let (_host, devices, _) = start().await;
    let (mut socket, _) = provision(devices.clone()).await;
    while next(&mut socket).await.unwrap().1["last"] != true {}
    let web = async {
        let mut answers = vec!["HTTP/1.0 200 OK\r\n\r\n", "hello", ""].into_iter();
        loop {
            let Some(Ok(Frame::Binary(frame))) = socket.next().await else { return };
            let (session, event) = (&frame[1..5], frame[8]);
            let answer = |event: u8, data: &[u8]| {
                let mut bytes = vec![2];
                bytes.extend_from_slice(session);
                bytes.extend_from_slice(&[0, 0, 0, event]);
                bytes.extend_from_slice(data);
                Message::Binary(bytes.into())
            };
            let reply = match event {
                0 => answer(3, &[]),
                1 => answer(2, answers.next().unwrap().as_bytes()),
                _ => answer(4, &[]),
            };
            let ends = event == 4;
            assert!(socket.send(reply).await.is_ok());
            if ends {
                return;
            }
        }
    };
    let (answer, ()) = tokio::join!(devices.tunnel_request("805ec0112233", b"GET / HTTP/1.0\r\n\r\n"), web);
    assert_eq!(answer.unwrap(), b"HTTP/1.0 200 OK\r\n\r\nhello");
    assert_eq!(devices.tunnel_request("000000000000", b"").await, Err(TunnelError::NotConnected));
}

#[actix_rt::test]
async fn it_goes_away_and_comes_back() {
    let (_host, mut devices, _) = start().await;
    let (mut socket, _) = provision(devices.clone()).await;
    devices.stop().await;
    while next(&mut socket).await.is_some() {}
    let url = devices.app_object().websocket_url() + "/sysclients";
    assert!(fetch::client().ws(&url).connect().await.is_err());
    devices.start_again().await.unwrap();
    assert!(fetch::client().ws(&url).connect().await.is_ok());
    devices.move_path("example.com/devices2");
    assert!(fetch::client().ws(&url).connect().await.is_err());
    let _socket = connect(devices.clone()).await;
}

#[actix_rt::test]
async fn the_api_answers_after_a_login_and_tells_of_changes() {
    let (host, devices, _) = start().await;
    let url = devices.app_object().websocket_url();
    let form = LoginForm { app: "innovaphone-devices-api".into(), password: "wrong".into(), ..LoginForm::default() };
    assert!(AppSession::open(&host.handle(), &url, form.clone()).await.is_err());
    let form = LoginForm { password: "pw".into(), info: Some(json!({ "appobj": "x/y" })), ..form };
    let mut session = AppSession::open(&host.handle(), &url, form).await.unwrap();
    session.send(&json!({ "mt": "GetProvisioningCategories", "src": "1", "type": "PHONE" })).await;
    let answer = session.next_of("GetProvisioningCategoriesResult").await.unwrap();
    assert_eq!((&answer["categories"][0]["name"], &answer["src"]), (&json!("Phones"), &json!("1")));
    session.send(&json!({ "mt": "GetProvisioningCode", "category": "Phones" })).await;
    let code = session.next_of("GetProvisioningCodeResult").await.unwrap()["code"].clone();
    assert_eq!(code.as_str().unwrap().len(), 12);
    session.send(&json!({ "mt": "GetDevices", "src": "d", "recvUpdates": true })).await;
    assert_eq!(session.next_of("GetDevicesResult").await.unwrap()["last"], true);
    let (_socket, _) = provision(devices.clone()).await;
    let reported = session.next_of("DeviceProvisioned").await.unwrap();
    assert_eq!((&reported["device"]["hwId"], &reported["src"]), (&json!("805ec0112233"), &json!("d")));
    devices.forget("805ec0112233");
    assert!(session.next_of("DeviceRemoved").await.is_some());
    devices.switch(|switches| switches.only_login_info = true);
    session.send(&json!({ "mt": "GetUserInfo", "src": "u" })).await;
    session.send(&json!({ "mt": "GetLoginInfo", "src": "l" })).await;
    assert_eq!(session.next().await.unwrap()["src"], "l");
}

/// The api page: "string category: The category name", "ulong64 domainId: The domain ID (optional)".
#[actix_rt::test]
async fn a_code_is_asked_for_with_the_name_of_a_provisioning_category_and_its_domain() {
    let (host, devices, _) = start().await;
    let other = devices.add_domain("second.example");
    let twin = devices.add_category(other, "Phones", true);
    let lab = devices.add_category(other, "Lab", true);
    let url = devices.app_object().websocket_url();
    let form = LoginForm { app: "innovaphone-devices-api".into(), password: "pw".into(), ..LoginForm::default() };
    let mut session = AppSession::open(&host.handle(), &url, form).await.unwrap();
    session.send(&json!({ "mt": "GetProvisioningCategories", "type": "PHONE", "domainId": other })).await;
    let listed = session.next_of("GetProvisioningCategoriesResult").await.unwrap()["categories"].clone();
    let ids: Vec<u64> = listed.as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [twin, lab]);
    for (members, category) in [
        (json!({ "category": "Phones" }), Some(1)),
        (json!({ "category": "Phones", "domainId": other }), Some(twin)),
        (json!({ "category": "Lab", "domainId": other }), Some(lab)),
        (json!({ "category": "Lab" }), None),
        (json!({ "category": "1" }), None),
        (json!({ "category": 1 }), None),
        (json!({ "category": lab.to_string(), "domainId": other }), None),
        (json!({ "category": "Nightly updates" }), None),
        (json!({}), None),
    ] {
        let mut message = members.clone();
        message["mt"] = "GetProvisioningCode".into();
        session.send(&message).await;
        let answer = session.next_of("GetProvisioningCodeResult").await.unwrap();
        let made = answer["code"].as_str().map(|code| devices.board().read(|state| state.codes[code].category));
        assert_eq!(made, category, "{members}: {answer}");
        assert_eq!(answer["error"].is_string(), category.is_none(), "{members}: {answer}");
    }
}
