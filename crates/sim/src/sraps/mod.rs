//! A simulated SRAPS (Snom's Secure Redirection and Provisioning Service) and GRAPE, the same service for Gigaset
//! phones, written from what published clients of the REST interface send and expect. It has companies with their
//! endpoints, the long paged list of settings, Hawk with payload validation, and a separate clock.

mod api;
mod hawk;
mod phone;
mod state;
#[cfg(test)]
mod tests;

use std::io;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{self, Data},
};
use gangway_base::{
    clock::{Clock, SystemClock},
    mac::Mac,
};
use serde_json::json;
pub use state::{Flavour, SrapsAccount, SrapsCall, SrapsEndpoint, SrapsState, SrapsSwitches};

use self::hawk::Refused;
use crate::{board::Board, gate::Gates, host::HostHandle, redirect_service::RedirectService, server::out_of_order};

/// Maximum size of a request body.
const LARGEST: usize = 256 * 1024;

/// A running service. Its gates: `<METHOD> <path below /api/v1/>` holds a call before it is carried out; with ` answer`
/// appended it holds the answer.
pub type Sraps = RedirectService<SrapsState>;

impl Sraps {
    /// Starts Snom's service with one access key that belongs to a separate company.
    pub async fn start(host: &HostHandle, id: &str, secret: &str) -> io::Result<Self> {
        Self::start_as(host, Flavour::Snom, id, secret).await
    }

    /// Starts the service of either vendor.
    pub async fn start_as(host: &HostHandle, flavour: Flavour, id: &str, secret: &str) -> io::Result<Self> {
        Self::start_with(host, SrapsState::new(flavour, id, secret), |services| {
            services
                .app_data(web::PayloadConfig::new(LARGEST))
                .route("/api/v1/{path:.*}", web::to(call))
                .default_service(web::get().to(phone::ask));
        })
        .await
    }

    /// Base URL of the REST interface.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("{}/api/v1/", self.phone_url())
    }

    /// Adds a phone that belongs to another company.
    pub fn add_foreign_phone(&self, mac: Mac, url: &str) {
        self.board().change(|state| {
            let entry = state.endpoint("somebody-else", url);
            state.endpoints.insert(mac.to_string(), entry);
        });
    }

    /// Redirects a phone of this company elsewhere, as a user of the portal would.
    pub fn redirect_in_portal(&self, mac: Mac, url: &str) {
        self.board().change(|state| {
            let uuid = state.target_uuid();
            if let Some(settings) = state
                .endpoints
                .get_mut(&mac.to_string())
                .and_then(|entry| entry.body["settings_manager"].as_object_mut())
            {
                settings.insert(uuid, json!({"value": url, "attrs": {"perm": "RW"}}));
            }
        });
    }

    /// Removes a phone, as a user of the portal would.
    pub fn remove_in_portal(&self, mac: Mac) {
        self.board().change(|state| state.endpoints.remove(&mac.to_string()));
    }

    /// The calls so far as `METHOD path`, below `/api/v1/`, with their query.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.board().read(|state| state.calls.iter().map(|call| format!("{} {}", call.method, call.path)).collect())
    }
}

/// One call of the REST interface.
async fn call(
    board: Data<Board<SrapsState>>,
    gates: Data<Gates>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    let switches = board.read(|state| state.switches.clone());
    if let Some(status) = switches.status {
        return out_of_order(status);
    }
    let now = SystemClock.now().as_second().saturating_add(switches.clock_ahead);
    let checked = board.change(|state| hawk::check(state, &request, &body, now));
    let (account, artifacts, secret) = match checked {
        Ok(checked) => checked,
        Err(refused) => return refuse(refused),
    };
    let method = request.method().as_str().to_owned();
    let whole = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let path = whole.strip_prefix("/api/v1/").unwrap_or(&whole).to_owned();
    let gate = format!("{method} {}", path.split('?').next().unwrap_or_default());
    gates.pass(&gate).await;
    let base = format!("http://{}", request.connection_info().host());
    let answer = board.change(|state| {
        let answer = api::perform(state, &account, &method, &path, &body, &base);
        state.calls.push(SrapsCall { account: account.clone(), method, path, status: answer.status });
        answer
    });
    gates.pass(&format!("{gate} answer")).await;
    let text = answer.body.map(|body| body.to_string()).unwrap_or_default();
    let mut response = HttpResponse::build(StatusCode::from_u16(answer.status).unwrap_or_default());
    if let Some(link) = answer.link {
        response.insert_header(("Link", link));
    }
    let kind = if text.is_empty() { "" } else { "application/json" };
    if switches.sign_answers {
        let signed = hawk::sign_answer(&artifacts, &secret, kind, text.as_bytes());
        response.insert_header(("Server-Authorization", signed));
    }
    if !kind.is_empty() {
        response.insert_header((header::CONTENT_TYPE, kind));
    }
    response.body(text)
}

fn refuse(refused: Refused) -> HttpResponse {
    let Refused { error, time } = refused;
    let challenge = match time {
        Some((ts, tsm)) => format!("Hawk ts=\"{ts}\", tsm=\"{tsm}\", error=\"{error}\""),
        None => format!("Hawk error=\"{error}\""),
    };
    HttpResponse::Unauthorized()
        .insert_header((header::WWW_AUTHENTICATE, challenge))
        .json(json!({"statusCode": 401, "error": "Unauthorized", "message": error}))
}
