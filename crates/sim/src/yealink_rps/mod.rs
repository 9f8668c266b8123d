//! A simulated Yealink redirection service, written from the documents of its XML-RPC interface (version 1.3, and 1.6
//! for the unique URL) and the texts that published clients met in practice. Answers have the form of the Apache
//! XML-RPC library: the text next to the boolean has no type element.

mod methods;
mod state;
#[cfg(test)]
mod tests;

use std::{io, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, Data},
};
use gangway_base::mac::Mac;
pub use state::{Call, RpsEntry, RpsServer, RpsState, RpsSwitches};

use crate::{
    board::Board,
    gate::Gates,
    host::HostHandle,
    redirect_service::{RedirectService, RedirectState},
    server::{account, out_of_order},
    xmlrpc::{Style, XmlRpcReply, read_call, write_answer},
};

/// A running redirection service. Its gates: `<method>` holds a call before it is carried out, `<method> answer` holds
/// the answer.
pub type YealinkRps = RedirectService<RpsState>;

impl YealinkRps {
    /// Starts the service with one account.
    pub async fn start(host: &HostHandle, user: &str, password: &str) -> io::Result<Self> {
        Self::start_with(host, RpsState::new(user, password), |services| {
            services
                .route("/xmlrpc", web::post().to(call))
                .route("/xmlrpc/", web::post().to(call))
                .route("/service.do", web::get().to(redirect));
        })
        .await
    }

    /// URL of the XML-RPC interface.
    #[must_use]
    pub fn xmlrpc_url(&self) -> String {
        format!("{}/xmlrpc", self.phone_url())
    }

    /// Adds a phone that belongs to another customer.
    pub fn add_foreign_phone(&self, mac: Mac, url: &str) {
        let entry =
            RpsEntry { owner: "somebody else".into(), server: "elsewhere".into(), unique_url: Some(url.into()) };
        self.board().change(|state| state.phones.insert(mac.to_string(), entry));
    }

    /// Adds a server name that belongs to another customer. Server names are unique across all customers.
    pub fn add_foreign_server(&self, name: &str, url: &str) {
        let server = RpsServer { owner: "somebody else".into(), url: url.into() };
        self.board().change(|state| state.servers.insert(name.into(), server));
    }

    /// The calls of one method, in order.
    #[must_use]
    pub fn calls(&self, method: &str) -> Vec<Call> {
        self.board().read(|state| state.calls.iter().filter(|call| call.method == method).cloned().collect())
    }
}

/// One XML-RPC call over HTTP.
async fn call(
    board: Data<Board<RpsState>>,
    gates: Data<Gates>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    let switches = board.read(|state| state.switches.clone());
    if let Some(status) = switches.status {
        return out_of_order(status);
    }
    let Some(account) = board.read(|state| account(&state.accounts, &request)) else {
        board.change(|state| state.refused_logins += 1);
        return HttpResponse::Unauthorized()
            .insert_header((header::WWW_AUTHENTICATE, "Basic realm=\"XML-RPC\""))
            .finish();
    };
    let answer = match read_call(&String::from_utf8_lossy(&body)) {
        Err(problem) => XmlRpcReply::Fault(format!("Failed to parse XML-RPC request: {problem}")),
        Ok((method, params)) => {
            if let Some(pause) = switches.slow {
                tokio::time::sleep(pause.min(Duration::from_secs(60))).await;
            }
            let name = method.strip_prefix("redirect.").unwrap_or(&method);
            gates.pass(name).await;
            let answer = board.change(|state| {
                let answer = state.perform(&account, &method, &params);
                let call = Call { method: name.into(), params: params.clone(), answer: answer.brief() };
                state.calls.push(call);
                answer
            });
            gates.pass(&format!("{name} answer")).await;
            answer
        }
    };
    HttpResponse::Ok()
        .content_type("text/xml")
        .body(write_answer(&answer, Style { pretty: switches.pretty, typed: false }))
}

/// The answer to a factory-fresh phone: a redirect to its provisioning URL.
async fn redirect(board: Data<Board<RpsState>>, query: web::Query<Vec<(String, String)>>) -> HttpResponse {
    let field = |name: &str| query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let mac = field("mac").parse::<Mac>().map(|mac| mac.to_string()).unwrap_or_default();
    let target = board.change(|state| {
        state.phone_requests.push(mac.clone());
        state.switches.status.is_none().then(|| state.target(&mac)).flatten()
    });
    match target {
        Some(url) if field("method") == "redirect" => {
            HttpResponse::Found().insert_header((header::LOCATION, url)).finish()
        }
        _ => HttpResponse::NotFound().finish(),
    }
}
