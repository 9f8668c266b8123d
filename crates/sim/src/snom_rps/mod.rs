//! A simulated Snom redirection service, written from the portal's XML-RPC page. Answers are compact, with typed texts.
//! As documented there, the path needs its slash and the request its content type.

mod methods;
mod state;
#[cfg(test)]
mod tests;

use std::io;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, Data},
};
use gangway_base::mac::Mac;
pub use state::{SnomCall, SnomEntry, SnomRpsState, SnomRpsSwitches};

use crate::{
    board::Board,
    host::HostHandle,
    redirect_service::RedirectService,
    server::{account, out_of_order},
    xmlrpc::{Style, XmlRpcReply, read_call, write_answer},
};

/// A running redirection service.
pub type SnomRps = RedirectService<SnomRpsState>;

impl SnomRps {
    /// Starts the service with one account.
    pub async fn start(host: &HostHandle, user: &str, password: &str) -> io::Result<Self> {
        Self::start_with(host, SnomRpsState::new(user, password), |services| {
            services
                .route("/xmlrpc/", web::post().to(call))
                // The legacy path /<model>/<model>.php?mac=<MAC>
                .route("/{model}/{file}.php", web::get().to(redirect));
        })
        .await
    }

    /// URL of the XML-RPC interface.
    #[must_use]
    pub fn xmlrpc_url(&self) -> String {
        format!("{}/xmlrpc/", self.phone_url())
    }

    /// Adds a phone that belongs to another customer.
    pub fn add_foreign_phone(&self, mac: Mac, url: &str) {
        let entry = SnomEntry { owner: "somebody else".into(), url: url.into() };
        self.board().change(|state| state.phones.insert(mac.to_string(), entry));
    }

    /// The names of the methods called so far, without the namespace.
    #[must_use]
    pub fn methods(&self) -> Vec<String> {
        self.board().read(|state| state.calls.iter().map(|call| call.method.clone()).collect())
    }
}

/// One XML-RPC call over HTTP.
async fn call(board: Data<Board<SnomRpsState>>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let switches = board.read(|state| state.switches.clone());
    if let Some(status) = switches.status {
        return out_of_order(status);
    }
    let Some(account) = board.read(|state| account(&state.accounts, &request)) else {
        board.change(|state| state.refused_logins += 1);
        return HttpResponse::Unauthorized()
            .insert_header((header::WWW_AUTHENTICATE, "Basic realm=\"SRAPS\""))
            .finish();
    };
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("text/xml") {
        return HttpResponse::UnsupportedMediaType().finish();
    }
    let answer = match read_call(&String::from_utf8_lossy(&body)) {
        Err(problem) => XmlRpcReply::Fault(format!("not well-formed: {problem}")),
        Ok((method, params)) => board.change(|state| {
            let answer = state.perform(&account, &method, &params);
            let name = method.strip_prefix("redirect.").unwrap_or(&method).to_owned();
            state.calls.push(SnomCall { method: name, params, answer: answer.brief() });
            answer
        }),
    };
    HttpResponse::Ok().content_type("text/xml").body(write_answer(&answer, Style { pretty: false, typed: true }))
}

/// The answer to a factory-fresh phone: a body that sets `setting_server`. An unknown phone gets an empty page.
async fn redirect(board: Data<Board<SnomRpsState>>, query: web::Query<Vec<(String, String)>>) -> HttpResponse {
    let mac = query.iter().find(|(key, _)| key == "mac").map_or("", |(_, value)| value.as_str());
    let mac = mac.parse::<Mac>().map(|mac| mac.to_string()).unwrap_or_default();
    let target = board.change(|state| {
        state.phone_requests.push(mac.clone());
        state.phones.get(&mac).map(|entry| entry.url.clone())
    });
    let body = target.map(|url| format!("setting_server: {url}\n")).unwrap_or_default();
    HttpResponse::Ok().content_type("text/plain").body(body)
}
