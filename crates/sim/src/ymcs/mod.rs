//! A simulated Yealink management cloud (YMCS): the redirection part of version 2 of its interface, written from the
//! vendor's reference and from what published clients met in practice.

mod devices;
mod reply;
mod servers;
mod state;
#[cfg(test)]
mod tests;

use std::io;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use base64::{Engine, prelude::BASE64_STANDARD};
use gangway_base::mac::Mac;
use serde_json::{Value, json};
pub use state::{YmcsCall, YmcsDevice, YmcsServer, YmcsState, YmcsSwitches};

use self::reply::Reply;
use crate::{board::Board, host::HostHandle, server::SimServer};

/// A running service. Cheap to clone; all clones share the same state.
#[derive(Debug, Clone)]
pub struct Ymcs {
    board: Board<YmcsState>,
    server: SimServer,
}

impl Ymcs {
    /// Starts the service with one access key.
    pub async fn start(host: &HostHandle, id: &str, secret: &str) -> io::Result<Self> {
        let board = Board::new(YmcsState::new(id, secret));
        let shared = board.clone();
        let server = SimServer::start(host, move |services| {
            let board = shared.clone();
            let call = move |request: HttpRequest, body: web::Bytes| {
                let answer = call(&board, &request, &body);
                async move { answer }
            };
            let board = shared.clone();
            let ask = move |query: web::Query<Vec<(String, String)>>| {
                let answer = redirect(&board, &query);
                async move { answer }
            };
            services.route("/service.do", web::get().to(ask)).route("/v2/{path:.*}", web::to(call));
        })
        .await?;
        Ok(Self { board, server })
    }

    /// The service's state and records. Tests can read it and wait for changes.
    #[must_use]
    pub fn board(&self) -> &Board<YmcsState> {
        &self.board
    }

    /// The address of the interface, without `/v2`.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.base()
    }

    /// Base URL that factory-fresh phones contact, without a path.
    #[must_use]
    pub fn phone_url(&self) -> String {
        self.server.base()
    }

    /// Refuses connections until [`Ymcs::start_again`].
    pub async fn stop(&self) {
        self.server.stop().await;
    }

    /// Starts the service again on the same port.
    pub async fn start_again(&self) -> io::Result<()> {
        self.server.start_again().await
    }

    /// Changes the selected behaviours.
    pub fn switch(&self, set: impl FnOnce(&mut YmcsSwitches)) {
        self.board.change(|state| set(&mut state.switches));
    }

    /// Expires all tokens issued so far.
    pub fn expire_tokens(&self) {
        self.board.change(|state| state.tokens.clear());
    }

    /// Adds a phone that belongs to another organisation.
    pub fn add_foreign_phone(&self, mac: Mac, url: &str) {
        self.board.change(|state| {
            let id = state.fresh_id();
            let device = YmcsDevice { id, is_ours: false, unique_url: Some(url.into()), ..YmcsDevice::default() };
            state.devices.insert(mac.to_string(), device);
        });
    }

    /// Sets the serial number that is printed on a phone's label.
    pub fn print_serial(&self, mac: Mac, serial: &str) {
        self.board.change(|state| state.labels.insert(mac.to_string(), serial.into()));
    }

    /// The URL a phone is currently redirected to.
    #[must_use]
    pub fn target(&self, mac: Mac) -> Option<String> {
        self.board.read(|state| state.target(&mac.to_string()))
    }

    /// HTTP method and path of every call so far, including token requests.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.board.read(|state| state.calls.iter().map(|call| call.what.clone()).collect())
    }
}

fn call(board: &Board<YmcsState>, request: &HttpRequest, body: &[u8]) -> HttpResponse {
    let path = request.match_info().get("path").unwrap_or_default().to_owned();
    let what = format!("{} {path}", request.method());
    let reply = board.change(|state| {
        let parsed = serde_json::from_slice::<Value>(body).unwrap_or(Value::Null);
        let reply = answer(state, request, &path, body.is_empty(), &parsed);
        state.calls.push(YmcsCall { what, body: parsed, status: reply.status });
        reply
    });
    reply.write()
}

fn answer(state: &mut YmcsState, request: &HttpRequest, path: &str, is_empty: bool, body: &Value) -> Reply {
    if let Some(status) = state.switches.status {
        return Reply { status, body: json!({"code": 900_500, "requestId": "r", "message": "System error"}) };
    }
    if state.switches.too_many {
        return Reply::error(429, 900_429, "Too many requests");
    }
    let head = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (timestamp, nonce) = (head("timestamp"), head("nonce"));
    let is_time = timestamp.len() == 13 && timestamp.chars().all(|c| c.is_ascii_digit());
    if !is_time || nonce.is_empty() || nonce.len() > 32 {
        return Reply::error(401, 500_401, "Invalid request header");
    }
    if !state.nonces.insert(nonce.to_owned()) {
        return Reply::error(403, 500_403, "Request reply");
    }
    if is_empty && request.method() == "POST" {
        return Reply::error(412, 900_444, "Request body is missing");
    }
    let authorization = head(header::AUTHORIZATION.as_str());
    if path == "token" {
        return token(state, authorization, body);
    }
    let Some(bearer) = authorization.strip_prefix("Bearer ") else {
        return Reply::error(401, 500_401, "Invalid request header");
    };
    if !state.tokens.contains(bearer) || state.switches.no_token_holds {
        return Reply::error(401, 900_401, "Session is invalid");
    }
    let parts: Vec<&str> = path.split('/').collect();
    match (request.method().as_str(), parts.as_slice()) {
        ("POST", ["rps", "listDevices"]) => state.list_devices(body),
        ("POST", ["rps", "devices"]) => state.add_device(body),
        ("PATCH", ["rps", "devices", id]) => state.change_device(id, body),
        ("POST", ["rps", "addDevicesByMac"]) => state.add_by_mac(body),
        ("POST", ["rps", "delDevices"]) => state.delete_devices(body),
        ("POST", ["rps", "listDevicePins"]) => state.list_pins(body),
        ("POST", ["rps", "listServers"]) => state.list_servers(body),
        ("POST", ["rps", "servers"]) => state.add_server(body),
        ("PATCH", ["rps", "servers", id]) => state.change_server(id, body),
        _ => Reply::error(404, 900_404, "Not found"),
    }
}

fn token(state: &mut YmcsState, authorization: &str, body: &Value) -> Reply {
    let wanted = BASE64_STANDARD.encode(format!("{}:{}", state.key.0, state.key.1));
    if authorization.strip_prefix("Basic ") != Some(wanted.as_str()) {
        return Reply { status: 401, body: json!({"error": "invalid_client", "code": 70_012}) };
    }
    if body.get("grant_type").and_then(Value::as_str) != Some("client_credentials") {
        return Reply { status: 400, body: json!({"error": "unsupported_grant_type", "code": 70_011}) };
    }
    state.tokens_given += 1;
    let token = format!("token.{}.of-the-simulator", state.tokens_given);
    state.tokens.insert(token.clone());
    let body = json!({"access_token": token, "token_type": "bearer", "expires_in": state.switches.expires_in});
    Reply { status: 200, body }
}

/// The answer to a factory-fresh phone: a redirect to its provisioning URL, with the entry's credentials if it has
/// some.
fn redirect(board: &Board<YmcsState>, query: &[(String, String)]) -> HttpResponse {
    let mac = query.iter().find(|(key, _)| key == "mac").map_or("", |(_, value)| value.as_str());
    let mac = mac.parse::<Mac>().map(|mac| mac.to_string()).unwrap_or_default();
    let target = board.change(|state| {
        state.phone_requests.push(mac.clone());
        state.target(&mac)
    });
    match target {
        Some(url) => HttpResponse::Found().insert_header((header::LOCATION, url)).finish(),
        None => HttpResponse::NotFound().finish(),
    }
}
