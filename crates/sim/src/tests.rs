//! Tests the PBX and Users with a minimal gateway. It accepts their logins, publishes a provider, looks for Devices,
//! marks the device of every phone it is asked to provision, and answers ok.

use std::time::Duration;

use actix_web::{HttpRequest, web};
use actix_ws::AggregatedMessage;
use gangway_base::{mac::Mac, tasks::Tasks};
use serde_json::{Value, json};

use crate::{
    board::Board,
    login::LoginRequest,
    server::SimServer,
    session::AppSession,
    simulation::Simulation,
    users::{ProvisionRequest, Src},
};

const CHALLENGE: &str = "0123456789";

/// Recorded logins and messages, in order.
#[derive(Debug, Default)]
struct Seen {
    logins: Vec<Value>,
    messages: Vec<Value>,
    ended: usize,
}

async fn gateway(simulation: &Simulation) -> (SimServer, Board<Seen>) {
    let seen = Board::<Seen>::default();
    let (board, password) = (seen.clone(), simulation.password().to_owned());
    let server = SimServer::start(&simulation.host(), move |services| {
        let (board, password) = (board.clone(), password.clone());
        services.default_service(web::to(move |request: HttpRequest, body: web::Payload| {
            let (board, password) = (board.clone(), password.clone());
            async move {
                assert_eq!(request.path(), "/example.com/gangway");
                let (response, session, stream) = actix_ws::handle(&request, body)?;
                Tasks::new()
                    .spawn_local("gateway", converse(board, password, session, stream.aggregate_continuations()));
                Ok::<_, actix_web::Error>(response)
            }
        }));
    })
    .await
    .unwrap();
    (server, seen)
}

async fn converse(
    board: Board<Seen>,
    password: String,
    mut session: actix_ws::Session,
    mut stream: actix_ws::AggregatedMessageStream,
) {
    while let Some(Ok(message)) = stream.recv().await {
        let AggregatedMessage::Text(text) = message else { continue };
        let message: Value = serde_json::from_str(&text).unwrap();
        let mut answers = Vec::new();
        match message["mt"].as_str().unwrap() {
            "AppChallenge" => answers.push(json!({ "mt": "AppChallengeResult", "challenge": CHALLENGE })),
            "AppLogin" => {
                let login: LoginRequest = serde_json::from_str(&text).unwrap();
                let ok = login.proves(CHALLENGE, &password);
                board.change(|seen| seen.logins.push(message.clone()));
                answers.push(json!({ "mt": "AppLoginResult", "ok": ok }));
            }
            "PbxInfo" if message["apis"].as_array().is_some_and(|apis| apis.iter().any(|api| api == "Services")) => {
                answers.push(json!({ "api": "Services", "mt": "SubscribeServices", "src": "s" }));
            }
            "AppInfo" => {
                let app = message["app"].as_str().unwrap();
                let provider = (app == "gangway-yealink").then(|| json!({ "title": "Yealink" }));
                let apis = provider.map_or(json!({}), |api| json!({ "com.innovaphone.provisioning": api }));
                answers.push(json!({ "mt": "AppInfoResult", "app": app, "info": {}, "serviceInfo": { "apis": apis } }));
            }
            "ProvisioningPhone" => {
                let mut answer = json!({ "mt": "ProvisioningPhoneResult", "result": "ok" });
                if message["usename"].is_null() {
                    answer = json!({ "mt": "ProvisioningPhoneResult", "result": "failed", "error": "no user" });
                }
                if let Some(src) = message.get("src") {
                    answer["src"] = src.clone();
                }
                answers.push(answer);
            }
            _ => {}
        }
        board.change(|seen| seen.messages.push(message));
        for answer in answers {
            if session.text(answer.to_string()).await.is_err() {
                break;
            }
        }
    }
    board.change(|seen| seen.ended += 1);
}

fn find(seen: &Seen, mt: &str, count: usize) -> Option<Value> {
    seen.messages.iter().filter(|message| message["mt"] == mt).nth(count - 1).cloned()
}

#[actix_rt::test]
async fn the_pbx_connects_its_apps_and_tells_of_services() {
    let simulation = Simulation::builder().start().await.unwrap();
    let (server, seen) = gateway(&simulation).await;
    simulation.connect_gateway(&server.base());
    simulation.wait_gateway().await.unwrap();
    let logins = seen.read(|seen| seen.logins.clone());
    assert_eq!(logins.len(), 2);
    for login in &logins {
        assert_eq!((login["sip"].clone(), login.get("pbxObj")), (login["info"]["appobj"].clone(), None));
    }
    assert_eq!(simulation.pbx.wait_provider("Yealink").await.unwrap(), "gangway-yealink");
    let info = seen.board_wait("PbxInfo", 1).await;
    assert_eq!((&info["domain"], &info["apis"]), (&json!("example.com"), &json!(["PbxAdminApi", "Services"])));
    let first = seen.board_wait("ServicesInfo", 1).await;
    assert_eq!(first["services"][0]["url"], simulation.devices.app_url());
    simulation.devices.move_away().await.unwrap();
    simulation.pbx.add_app(simulation.devices.app_object());
    let moved = simulation.devices.app_url();
    let has_address = |seen: &Seen| {
        let lists = seen.messages.iter().filter(|message| message["mt"] == "ServicesInfo");
        let there = |list: &&Value| list["services"][0]["url"] == moved;
        (lists.filter(there).count() >= 2).then_some(())
    };
    seen.wait("both subscribers to hear of the new address", has_address).await.unwrap();
}

#[actix_rt::test]
async fn users_provision_with_and_without_src_and_at_once() {
    let simulation = Simulation::builder().start().await.unwrap();
    let (server, seen) = gateway(&simulation).await;
    simulation.connect_gateway(&server.base());
    simulation.wait_gateway().await.unwrap();
    let mac: Mac = "805ec0112233".parse().unwrap();
    let answer = simulation.provision(mac, "user1", "Yealink").await.unwrap();
    assert!(answer.ok && answer.error.is_none());
    let device = simulation.pbx.device("805ec0112233").unwrap();
    assert_eq!((&device["tls"], &device["trusted"], device.get("mr")), (&json!(true), &json!(true), None));
    let login = seen.read(|seen| seen.logins.last().cloned()).unwrap();
    assert_eq!(
        (&login["app"], &login["sip"], &login["pbxObj"]),
        (&json!("gangway-yealink"), &json!("profile"), &json!("gangway-yealink"))
    );
    let sent = seen.board_wait("ProvisioningPhone", 1).await;
    let key = crate::crypt::session_key(CHALLENGE, simulation.password());
    let field = |name: &str| sent[name].as_str().unwrap().to_owned();
    assert_eq!(crate::crypt::decrypt(&field("seed1"), &key, &field("password")).unwrap(), "secret-1");
    assert_eq!((field("usename"), field("code").len()), ("user1".to_owned(), 12));

    let request = |number: u8| ProvisionRequest::new(&format!("805ec01122{number:02x}"), "user2", "Yealink");
    let unnamed = ProvisionRequest { src: Src::None, ..request(1) };
    let broken = request(2).with("usename", Value::Null);
    let (one, two, three) = tokio::join!(
        simulation.users.provision(unnamed),
        simulation.users.provision(broken),
        simulation.users.provision(request(3))
    );
    assert!(one.unwrap().ok && three.unwrap().ok);
    assert_eq!(two.unwrap().error.as_deref(), Some("no user"));
    assert_eq!(seen.read(|seen| seen.logins.len()), 3, "one connection for all");
}

#[actix_rt::test]
async fn connections_come_back_after_restarts_on_either_side() {
    let simulation = Simulation::builder().start().await.unwrap();
    let (server, seen) = gateway(&simulation).await;
    simulation.connect_gateway(&server.base());
    simulation.wait_gateway().await.unwrap();
    simulation.pbx.set_reconnect(Duration::from_millis(5), Duration::from_millis(20));
    simulation.pbx.restart();
    let logins = |count: usize| move |seen: &Seen| (seen.logins.len() >= count).then_some(());
    seen.wait("two more logins", logins(4)).await.unwrap();
    simulation.wait_gateway().await.unwrap();
    server.stop().await;
    let lost = |state: &crate::pbx::PbxState| state.links["gangway-yealink"].last_error.clone();
    simulation.pbx.board().wait("a failed attempt", lost).await.unwrap();
    server.start_again().await.unwrap();
    seen.wait("two more logins", logins(6)).await.unwrap();
    simulation.pbx.go_away();
    let down = |state: &crate::pbx::PbxState| (!state.links["gangway-yealink"].connected).then_some(());
    simulation.pbx.board().wait("the link to go down", down).await.unwrap();
    simulation.pbx.come_back();
    seen.wait("two more logins", logins(8)).await.unwrap();
    simulation.pbx.edit_app("gangway-yealink", |app| app.password = "another".into());
    simulation.pbx.drop_link("gangway-yealink");
    let refused = |state: &crate::pbx::PbxState| {
        state.links["gangway-yealink"].last_error.clone().filter(|error| error.contains("refused"))
    };
    simulation.pbx.board().wait("a refused login", refused).await.unwrap();
}

#[actix_rt::test]
async fn a_gate_holds_one_answer_and_lets_the_others_pass() {
    let simulation = Simulation::builder().start().await.unwrap();
    let (server, seen) = gateway(&simulation).await;
    simulation.pbx.gates().arm("SubscribeServicesResult");
    simulation.connect_gateway(&server.base());
    simulation.pbx.gates().wait_until_held("SubscribeServicesResult").await.unwrap();
    simulation.wait_gateway().await.unwrap();
    assert_eq!(seen.read(|seen| find(seen, "SubscribeServicesResult", 1)), None);
    simulation.pbx.gates().release("SubscribeServicesResult");
    seen.board_wait("ServicesInfo", 2).await;
    // A restart ends the connection even while an answer is held.
    simulation.pbx.gates().arm("SubscribeServices");
    simulation.pbx.restart();
    simulation.pbx.gates().wait_until_held("SubscribeServices").await.unwrap();
    // The gate holds one of the two links. The other one may still be on its way.
    seen.wait("two more logins", |seen| (seen.logins.len() >= 4).then_some(())).await.unwrap();
    simulation.pbx.restart();
    seen.wait("the first connections to end", |seen| (seen.ended >= 4).then_some(())).await.unwrap();
}

#[actix_rt::test]
async fn a_second_pbx_connects_to_the_same_gateway() {
    let simulation = Simulation::builder().start().await.unwrap();
    let (server, seen) = gateway(&simulation).await;
    simulation.connect_gateway(&server.base());
    let slave = simulation.add_pbx("slave").await.unwrap();
    simulation.connect_gateway_at(&slave, &server.base());
    slave.wait_connected("gangway-yealink").await.unwrap();
    simulation.wait_gateway().await.unwrap();
    let names = seen.read(|seen| seen.logins.iter().map(|login| login["info"]["pbx"].clone()).collect::<Vec<_>>());
    assert_eq!(names.iter().filter(|name| **name == "slave").count(), 2);
    let form = crate::LoginForm { app: "gangway-admin".into(), password: "guess".into(), ..Default::default() };
    let url = server.base().replace("http", "ws") + "/example.com/gangway";
    assert!(AppSession::open(&simulation.host(), &url, form).await.is_err());
}

impl Board<Seen> {
    async fn board_wait(&self, mt: &str, count: usize) -> Value {
        self.wait(mt, |seen| find(seen, mt, count)).await.unwrap()
    }
}
