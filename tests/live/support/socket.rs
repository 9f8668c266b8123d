//! An AppWebsocket driven message by message, for clients that may use a false identity.

use data_encoding::HEXLOWER;
use gangway_sim::{session::AppSession, simulation::Simulation};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Opens a socket without logging in and requests the challenge.
pub async fn challenged(simulation: &Simulation, url: &str) -> (AppSession, String) {
    let mut socket = AppSession::open_without_login(&simulation.host(), url).await.unwrap();
    assert!(socket.send(&json!({ "mt": "AppChallenge" })).await);
    let answer = socket.next_of("AppChallengeResult").await.expect("a challenge");
    (socket, answer["challenge"].as_str().unwrap().to_owned())
}

/// The GUID in hand-made logins.
const GUID: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";

/// An `AppLogin` with exactly this text as its info object. According to the SDK page "AppWebsocket", the digest covers
/// the text as sent.
pub fn login_text(app: &str, sip: &str, info: &str, pbx_obj: Option<&str>, challenge: &str, password: &str) -> String {
    let digest = Sha256::digest(format!("{app}:example.com:{sip}:{GUID}::{info}:{challenge}:{password}"));
    let digest = HEXLOWER.encode(&digest);
    let granted = pbx_obj.map(|name| format!(",\"pbxObj\":\"{name}\"")).unwrap_or_default();
    format!(
        "{{\"mt\":\"AppLogin\",\"app\":\"{app}\",\"domain\":\"example.com\",\"sip\":\"{sip}\",\"guid\":\"{GUID}\",\
         \"dn\":\"\",\"info\":{info},\"digest\":\"{digest}\"{granted}}}"
    )
}

/// Returns all messages until the socket is closed.
pub async fn until_closed(socket: &mut AppSession) -> Vec<Value> {
    let mut seen = Vec::new();
    let listening = async {
        while let Some(message) = socket.next().await {
            seen.push(message);
        }
    };
    tokio::time::timeout(super::records::TIMEOUT, listening).await.expect("the gateway closes the socket");
    seen
}
