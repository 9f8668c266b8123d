//! One AppWebsocket of the Devices service: login by instance or domain password, then requests.

use actix_ws::{AggregatedMessage, AggregatedMessageStream, Session};
use gangway_base::tasks::Tasks;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Inside, state::DevicesState};
use crate::{board::Board, crypt, login::LoginRequest};

const QUEUE: usize = 1024;

struct Subscriber {
    id: u64,
    board: Board<DevicesState>,
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.board.change(|state| state.subscribers.remove(&self.id));
    }
}

pub(super) async fn converse(inside: Inside, mut session: Session, mut stream: AggregatedMessageStream) {
    let (out, mut to_send) = mpsc::channel::<String>(QUEUE);
    let id = inside.board.change(DevicesState::next_id);
    let subscriber = Subscriber { id, board: inside.board.clone() };
    let tasks = Tasks::new();
    let challenge = crypt::digits(16);
    let mut logged_in = false;
    loop {
        let text = tokio::select! {
            outgoing = to_send.recv() => {
                let Some(text) = outgoing else { return };
                if session.text(text).await.is_err() {
                    return;
                }
                continue;
            }
            message = stream.recv() => match message {
                Some(Ok(AggregatedMessage::Text(text))) => text,
                Some(Ok(AggregatedMessage::Ping(ping))) => {
                    let _ = session.pong(&ping).await;
                    inside.board.change(|state| state.api_pings += 1);
                    continue;
                }
                Some(Ok(AggregatedMessage::Close(reason))) => {
                    inside.board.change(|state| state.goodbye(None, reason.as_ref()));
                    return;
                }
                Some(Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        let message: Value = serde_json::from_str(&text).unwrap_or_default();
        match message["mt"].as_str().unwrap_or_default() {
            "AppChallenge" => {
                let answer = json!({ "mt": "AppChallengeResult", "challenge": challenge });
                let _ = out.send(answer.to_string()).await;
            }
            "AppLogin" => {
                logged_in = login(&inside, &challenge, &text);
                let domain = inside.board.read(|state| state.domains.first().map(|first| first.name.clone()));
                let mut answer = json!({ "mt": "AppLoginResult", "app": message["app"], "domain": domain });
                if logged_in {
                    answer["ok"] = true.into();
                }
                let _ = out.send(answer.to_string()).await;
            }
            "KeepAlive" => {
                let _ = out.send(json!({ "mt": "KeepAlive" }).to_string()).await;
            }
            mt if logged_in => {
                let (gates, board, out, mt) = (inside.gates.clone(), inside.board.clone(), out.clone(), mt.to_owned());
                let id = subscriber.id;
                tasks.spawn_local("sim devices request", async move {
                    board.change(|state| state.requests.push(message.clone()));
                    gates.pass(&mt).await;
                    let subscription = (out.clone(), message["src"].clone());
                    let answers = board.change(|state| {
                        if message["recvUpdates"] == true {
                            state.subscribers.insert(id, subscription);
                        }
                        state.answer(&message)
                    });
                    for answer in answers {
                        let _ = out.send(answer.to_string()).await;
                    }
                });
            }
            _ => {}
        }
    }
}

fn login(inside: &Inside, challenge: &str, text: &str) -> bool {
    let Ok(request) = serde_json::from_str::<LoginRequest>(text) else { return false };
    inside.board.read(|state| {
        let of_domains = state.domains.iter().filter_map(|domain| domain.password.as_deref());
        std::iter::once(state.password.as_str()).chain(of_domains).any(|password| request.proves(challenge, password))
    })
}
