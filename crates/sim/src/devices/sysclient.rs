//! One sysclient connection: identify, password or challenge, configuration, tunnel. An unknown code or a wrong digest
//! is not answered, because the SDK page defines no rejection message.

use actix_ws::{AggregatedMessage, AggregatedMessageStream, Session};
use gangway_base::tasks::Tasks;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    Inside,
    frame::{self, Frame, admin},
    state::{Connection, Device, DevicesState, Outgoing, Station, burst},
};
use crate::{board::Board, crypt};

/// Capacity of the frame queue of one device.
const QUEUE: usize = 256;

/// The reaction to an identify message.
enum Step {
    Silence,
    Challenge(String),
    /// Sends the configuration; the flag says whether the first password is sent before it.
    Configure(Device, bool),
}

pub(super) async fn converse(inside: Inside, mut session: Session, mut stream: AggregatedMessageStream) {
    let (out, mut to_send) = mpsc::channel(QUEUE);
    let connection = Open::new(inside.board.clone(), out);
    let tasks = Tasks::new();
    loop {
        tokio::select! {
            outgoing = to_send.recv() => match outgoing {
                Some(Outgoing::Frame(bytes)) => {
                    if session.binary(bytes).await.is_err() {
                        break;
                    }
                }
                Some(Outgoing::Close) | None => {
                    let _ = session.close(None).await;
                    break;
                }
            },
            message = stream.recv() => match message {
                Some(Ok(AggregatedMessage::Binary(bytes))) => take(&inside, &tasks, connection.id, &bytes),
                Some(Ok(AggregatedMessage::Ping(ping))) => {
                    let _ = session.pong(&ping).await;
                    inside.board.change(|state| state.pings += 1);
                }
                Some(Ok(AggregatedMessage::Pong(_))) => {}
                Some(Ok(AggregatedMessage::Text(_))) => inside.board.change(|state| state.odd_frames += 1),
                Some(Ok(AggregatedMessage::Close(reason))) => {
                    inside.board.change(|state| {
                        let hw_id = state.connections.get(&connection.id).and_then(|open| open.hw_id.clone());
                        state.goodbye(hw_id, reason.as_ref());
                    });
                    break;
                }
                Some(Err(_)) | None => break,
            },
        }
    }
}

/// The connection's entry in the state. Dropping it removes the entry, however the connection ends.
struct Open {
    id: u64,
    board: Board<DevicesState>,
}

impl Open {
    fn new(board: Board<DevicesState>, out: mpsc::Sender<Outgoing>) -> Self {
        let id = board.change(|state| {
            let id = state.next_id();
            let now = state.clock.0.now();
            state.connects.push(now);
            let fresh = Connection {
                hw_id: None,
                proven: false,
                configured: false,
                identify: Value::Null,
                challenge: None,
                out,
                tunnels: std::collections::BTreeMap::new(),
            };
            state.connections.insert(id, fresh);
            state.most_connections = state.most_connections.max(state.connections.len());
            id
        });
        Self { id, board }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.board.change(|state| {
            let hw_id = state.connections.remove(&self.id).and_then(|gone| gone.hw_id).unwrap_or_default();
            state.note(self.id, &hw_id, Station::Closed);
            let gone = state.connection(&hw_id).is_none();
            if let Some(device) = state.devices.get_mut(&hw_id).filter(|_| gone) {
                device.online = false;
                let device = device.describe();
                state.indicate("DeviceUpdate", &json!({ "device": device }));
            }
        });
    }
}

fn take(inside: &Inside, tasks: &Tasks, connection: u64, bytes: &[u8]) {
    match frame::read(bytes) {
        Frame::Admin { kind: admin::IDENTIFY, content } => {
            let step = inside.board.change(|state| identify(state, connection, &content));
            tasks.spawn_local("sim sysclient answer", carry_out(inside.clone(), connection, step));
        }
        Frame::Tunnel { session, event, data } => inside.board.change(|state| {
            let tunnels = state.connections.get(&connection).map(|open| &open.tunnels);
            if let Some(waiting) = tunnels.and_then(|tunnels| tunnels.get(&session)) {
                let _ = waiting.try_send((event, data));
            }
        }),
        Frame::Admin { .. } | Frame::Odd => inside.board.change(|state| state.odd_frames += 1),
    }
}

fn identify(state: &mut DevicesState, connection: u64, content: &Value) -> Step {
    let text = |name: &str| content[name].as_str().unwrap_or_default();
    let hw_id = text("id").to_owned();
    let others = state.connections.iter().any(|(id, open)| *id != connection && open.hw_id.as_deref() == Some(&hw_id));
    let Some(open) = state.connections.get_mut(&connection) else { return Step::Silence };
    let first = open.hw_id.is_none();
    open.hw_id = Some(hw_id.clone());
    open.identify = content.clone();
    let challenge = open.challenge.take();
    if others && first {
        state.note(connection, &hw_id, Station::Duplicate);
    }
    if state.switches.never_answers {
        return Step::Silence;
    }
    if let Some(code) = content["provisioningCode"].as_str() {
        let Some(category) = state.spend_code(code, &hw_id) else {
            state.note(connection, &hw_id, Station::CodeRefused);
            return Step::Silence;
        };
        state.note(connection, &hw_id, Station::IdentifiedWithCode);
        let device = state.enter(&hw_id, category, content);
        state.indicate("DeviceProvisioned", &json!({ "device": device.describe(), "code": code }));
        prove(state, connection);
        return Step::Configure(device, true);
    }
    let Some(digest) = content["digest"].as_str() else {
        state.note(connection, &hw_id, Station::Challenged);
        return Step::Challenge(crypt::digits(10));
    };
    let (product, version) = (text("product"), text("version"));
    let right = state.devices.get(&hw_id).zip(challenge).is_some_and(|(device, challenge)| {
        crypt::sysclient_digest(&hw_id, product, version, &challenge, &device.password) == digest
    });
    if !right {
        state.note(connection, &hw_id, Station::DigestRefused);
        return Step::Silence;
    }
    state.note(connection, &hw_id, Station::Proven);
    prove(state, connection);
    let Some(device) = state.devices.get_mut(&hw_id) else { return Step::Silence };
    device.online = true;
    device.product = product.into();
    device.version = version.into();
    if let Some(name) = content["name"].as_str() {
        device.name = name.into();
    }
    let device = device.clone();
    state.indicate("DeviceUpdate", &json!({ "device": device.describe() }));
    Step::Configure(device, false)
}

fn prove(state: &mut DevicesState, connection: u64) {
    if let Some(open) = state.connections.get_mut(&connection) {
        open.proven = true;
    }
}

async fn carry_out(inside: Inside, connection: u64, step: Step) {
    let board = &inside.board;
    let send = |kind: u16, content: &Value| {
        board.change(|state| state.send(connection, frame::write_admin(kind, content)));
    };
    match step {
        Step::Silence => {}
        Step::Challenge(challenge) => {
            let message = json!({ "challenge": challenge });
            board.change(|state| {
                if let Some(open) = state.connections.get_mut(&connection) {
                    open.challenge = Some(challenge);
                }
            });
            send(admin::CHALLENGE, &message);
        }
        Step::Configure(device, with_password) => {
            let hw_id = device.hw_id.as_str();
            if with_password {
                hold(&inside, "password", hw_id).await;
                send(admin::PASSWORD, &json!({ "password": device.password }));
                board.change(|state| state.note(connection, hw_id, Station::PasswordSent));
            }
            if let Some(message) = board.read(|state| state.admin_password_for(&device)) {
                send(admin::ADMIN_PASSWORD, &message);
            }
            hold(&inside, "config", hw_id).await;
            let mut messages = board.read(|state| burst(&state.items_for(&device), &state.switches));
            let last = messages.pop();
            for message in &messages {
                send(admin::CONFIGURATION, message);
            }
            hold(&inside, "last", hw_id).await;
            if let Some(last) = last {
                send(admin::CONFIGURATION, &last);
            }
            board.change(|state| {
                if let Some(open) = state.connections.get_mut(&connection) {
                    open.configured = true;
                    state.note(connection, hw_id, Station::LastSent);
                }
            });
        }
    }
}

async fn hold(inside: &Inside, gate: &str, hw_id: &str) {
    inside.gates.pass(gate).await;
    inside.gates.pass(&format!("{gate}:{hw_id}")).await;
}
