//! Tests that a client without the shared password gets nothing from an AppWebsocket and learns nothing.

use std::time::Instant;

use gangway_sim::session::AppSession;
use serde_json::{Value, json};

use crate::support::{
    bench::Bench,
    options::PASSWORD,
    socket::{challenged, login_text, until_closed},
};

/// The info object of a PBX's own connection.
fn info(app: &str, url: &str) -> String {
    json!({ "appobj": app, "appdn": app, "appurl": format!("{url}/{app}"), "pbx": "pbx", "cn": app }).to_string()
}

/// Logs in manually; returns all messages until the socket was closed.
async fn refused(bench: &Bench, app: &str, password: &str) -> Vec<Value> {
    let (mut socket, challenge) = challenged(&bench.simulation, &bench.gateway.socket_url()).await;
    let info = info(app, &bench.gateway.instance_url());
    let since = Instant::now();
    assert!(socket.send_text(login_text(app, app, &info, None, &challenge, password)).await);
    let answer = socket.next_of("AppLoginResult").await.expect("an answer");
    assert_eq!(answer.get("ok"), None, "{answer}");
    let mut messages = vec![answer];
    // Later messages are not answered, including a second login with the correct password.
    socket.send_text(login_text(app, app, &info, None, &challenge, PASSWORD)).await;
    messages.extend(until_closed(&mut socket).await);
    assert!(since.elapsed().as_millis() >= 900, "closed after a pause, not at once: {:?}", since.elapsed());
    messages
}

#[actix_rt::test]
async fn a_wrong_password_is_answered_without_ok_and_the_socket_closed_after_a_pause() {
    let bench = Bench::start().await;
    let messages = refused(&bench, "gangway-yealink", "wrong").await;
    assert_eq!(messages.len(), 1, "{messages:?}");
}

#[actix_rt::test]
async fn an_unknown_app_is_refused_like_a_wrong_password() {
    let bench = Bench::start().await;
    let unknown = refused(&bench, "gangway-toaster", PASSWORD).await;
    let wrong = refused(&bench, "gangway-toaster", "wrong").await;
    assert_eq!(unknown, wrong);
}

#[actix_rt::test]
async fn an_oversized_message_before_login_ends_the_socket() {
    let bench = Bench::start().await;
    let (mut socket, _) = challenged(&bench.simulation, &bench.gateway.socket_url()).await;
    assert!(socket.send(&json!({ "mt": "AppChallenge", "padding": "x".repeat(5000) })).await);
    assert_eq!(until_closed(&mut socket).await, Vec::<Value>::new());
}

#[actix_rt::test]
async fn nothing_but_the_login_is_answered_before_it() {
    let bench = Bench::start().await;
    let mut socket =
        AppSession::open_without_login(&bench.simulation.host(), &bench.gateway.socket_url()).await.unwrap();
    for message in [
        json!({ "mt": "AppInfo", "app": "gangway-yealink" }),
        json!({ "mt": "ProvisioningPhone", "mac": "805ec0123401", "src": "1" }),
        json!({ "mt": "PbxInfo", "apis": ["PbxAdminApi"] }),
        json!({ "mt": "Nonsense" }),
    ] {
        assert!(socket.send(&message).await);
    }
    assert!(socket.send_text("{ not json".into()).await);
    // The gateway sends only the answer to the challenge and closes the socket after ten seconds.
    assert!(socket.send(&json!({ "mt": "AppChallenge" })).await);
    let messages = until_closed(&mut socket).await;
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(messages[0]["mt"], "AppChallengeResult");
}

#[actix_rt::test]
async fn the_digest_covers_the_info_object_as_it_was_sent() {
    let bench = Bench::start().await;
    let url = bench.gateway.instance_url();
    let odd = format!(
        "{{  \"appobj\" :\"gangway-yealink\",\r\n\t\"pbx\":\"p\\u0062x\" , \"appdn\": \"Y\\/Z\",\"cn\":\"\u{fc}\", \
         \"appurl\" : \"{url}/gangway-yealink\" , \"n\": 1.0e2 }}"
    );
    let (mut socket, challenge) = challenged(&bench.simulation, &bench.gateway.socket_url()).await;
    let login = login_text("gangway-yealink", "gangway-yealink", &odd, None, &challenge, PASSWORD);

    assert!(socket.send_text(login).await);

    let answer = socket.next_of("AppLoginResult").await.expect("an answer");
    assert_eq!(answer["ok"], true, "{answer}");
    assert_eq!(answer["app"], "gangway-yealink");
    assert!(socket.send(&json!({ "mt": "AppInfo", "app": "gangway-yealink", "src": "a" })).await);
    let info = socket.next_of("AppInfoResult").await.expect("AppInfoResult");
    assert_eq!(info["src"], "a");
    assert_eq!(info["serviceInfo"]["apis"]["com.innovaphone.provisioning"]["title"], "Yealink");
    assert!(socket.send(&json!({ "mt": "KeepAlive" })).await);
    assert!(socket.next_of("KeepAlive").await.is_some());
}

/// A client that is called a system client would take over an App Platform's system functions.
#[actix_rt::test]
async fn no_admin_is_reported_as_a_system_client() {
    let bench = Bench::start().await;
    let mut messages = refused(&bench, "gangway-yealink", "wrong").await;
    let recorded = bench.simulation.pbx.board().read(|pbx| pbx.recorded.clone());
    messages.extend(recorded.into_iter().map(|recorded| recorded.message));
    let (mut socket, challenge) = challenged(&bench.simulation, &bench.gateway.socket_url()).await;
    let info = info("gangway-admin", &bench.gateway.instance_url());
    socket.send_text(login_text("gangway-admin", "gangway-admin", &info, None, &challenge, PASSWORD)).await;
    messages.extend(socket.next_of("AppLoginResult").await);
    assert!(messages.len() > 4);
    assert!(messages.iter().all(|message| !message.to_string().contains("sysClient")), "{messages:?}");
}

/// A challenge is valid once, and only on its own socket.
#[actix_rt::test]
async fn a_recorded_login_is_worth_nothing_on_another_socket() {
    let bench = Bench::start().await;
    let url = bench.gateway.socket_url();
    let info = info("gangway-yealink", &bench.gateway.instance_url());
    let (mut first, challenge) = challenged(&bench.simulation, &url).await;
    let login = login_text("gangway-yealink", "gangway-yealink", &info, None, &challenge, PASSWORD);
    assert!(first.send_text(login.clone()).await);
    assert_eq!(first.next_of("AppLoginResult").await.unwrap()["ok"], true);

    let (mut second, fresh) = challenged(&bench.simulation, &url).await;
    assert_ne!(fresh, challenge);
    assert!(second.send_text(login).await);

    assert_eq!(second.next_of("AppLoginResult").await.unwrap().get("ok"), None);
}

/// ProvisioningPhone is only for services. A PBX's own connection and the admin app reject it.
#[actix_rt::test]
async fn only_a_service_login_may_provision() {
    let bench = Bench::start().await;
    for app in ["gangway-yealink", "gangway-admin"] {
        let (mut socket, challenge) = challenged(&bench.simulation, &bench.gateway.socket_url()).await;
        let info = info(app, &bench.gateway.instance_url());
        assert!(socket.send_text(login_text(app, app, &info, None, &challenge, PASSWORD)).await);
        assert_eq!(socket.next_of("AppLoginResult").await.unwrap()["ok"], true);
        let request = json!({
            "mt": "ProvisioningPhone", "src": "1", "mac": "805ec0123401", "code": "123", "hwid": "805ec0123401",
            "usename": "user1", "cn": "User 1", "seed1": "1", "password": "00", "domain": "example.com", "dns": "pbx",
        });
        assert!(socket.send(&request).await);
        assert!(socket.send(&json!({ "mt": "KeepAlive" })).await);
        loop {
            let message = socket.next().await.expect("an answer to KeepAlive");
            assert_ne!(message["mt"], "ProvisioningPhoneResult", "{message}");
            if message["mt"] == "KeepAlive" {
                break;
            }
        }
    }
    assert_eq!(bench.records().store.phones().len(), 0);
}

/// AppCheckLogin checks the instance password without a login, with a challenge chosen by the client. It must not allow
/// faster guessing than logins: each wrong password occupies one of its source's places for two seconds, even after its
/// socket is closed, and the next one waits for a place.
#[actix_rt::test]
async fn passwords_are_tried_no_faster_by_checks_than_by_logins() {
    let bench = Bench::start().await;
    let (host, url) = (bench.simulation.host(), bench.gateway.socket_url());
    let wrong = json!({ "mt": "AppCheckLogin", "app": "gangway-admin", "challenge": "1234", "digest": "0".repeat(64) });
    let (began, mut tried) = (Instant::now(), 0);
    while tried < 40 {
        // The client may have given up waiting.
        let Ok(mut socket) = AppSession::open_without_login(&host, &url).await else { continue };
        assert!(socket.send(&wrong).await);
        let answer = socket.next_of("AppCheckLoginResult").await.expect("an answer");
        assert_eq!(answer["ok"], false);
        tried += 1;
    }
    assert!(began.elapsed().as_secs() >= 4, "16 places, two seconds each: {:?}", began.elapsed());
}
