//! A simulated Yealink management cloud (YMCS): the redirection part of version 2 of its interface, written from the
//! vendor's reference and from what published clients met in practice.

mod devices;
mod reply;
mod servers;
mod state;
#[cfg(test)]
mod tests;

use std::io;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, Data},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use gangway_base::mac::Mac;
use serde_json::{Value, json};
pub use state::{YmcsCall, YmcsDevice, YmcsServer, YmcsState, YmcsSwitches};

use self::reply::Reply;
use crate::{
    board::Board,
    host::HostHandle,
    redirect_service::{RedirectService, RedirectState},
};

/// A running service.
pub type Ymcs = RedirectService<YmcsState>;

impl Ymcs {
    /// Starts the service with one access key.
    pub async fn start(host: &HostHandle, id: &str, secret: &str) -> io::Result<Self> {
        Self::start_with(host, YmcsState::new(id, secret), |services| {
            services.route("/service.do", web::get().to(redirect)).route("/v2/{path:.*}", web::to(call));
        })
        .await
    }

    /// The address of the interface, without `/v2`.
    #[must_use]
    pub fn url(&self) -> String {
        self.phone_url()
    }

    /// Expires all tokens issued so far.
    pub fn expire_tokens(&self) {
        self.board().change(|state| state.tokens.clear());
    }

    /// Adds a phone that belongs to another organisation.
    pub fn add_foreign_phone(&self, mac: Mac, url: &str) {
        self.board().change(|state| {
            let id = state.fresh_id();
            let device = YmcsDevice { id, is_ours: false, unique_url: Some(url.into()), ..YmcsDevice::default() };
            state.devices.insert(mac.to_string(), device);
        });
    }

    /// Sets the serial number that is printed on a phone's label.
    pub fn print_serial(&self, mac: Mac, serial: &str) {
        self.board().change(|state| state.labels.insert(mac.to_string(), serial.into()));
    }

    /// HTTP method and path of every call so far, including token requests.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.board().read(|state| state.calls.iter().map(|call| call.what.clone()).collect())
    }
}

async fn call(board: Data<Board<YmcsState>>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let path = request.match_info().get("path").unwrap_or_default().to_owned();
    let what = format!("{} {path}", request.method());
    let reply = board.change(|state| {
        let parsed = serde_json::from_slice::<Value>(&body).unwrap_or(Value::Null);
        let reply = answer(state, &request, &path, body.is_empty(), &parsed);
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
async fn redirect(board: Data<Board<YmcsState>>, query: web::Query<Vec<(String, String)>>) -> HttpResponse {
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
