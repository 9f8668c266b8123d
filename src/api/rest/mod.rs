//! The REST API, below `/<domain>/<instance>/api/v1`: bearer tokens, JSON, RFC 9457 problems. Requests and changes are
//! performed by the admin service ([`crate::service`]); this module maps them to HTTP. The listener's thread finds the
//! route, checks the token, and reads the body. Everything else runs on the service's own thread.

mod auth;
mod body;
mod docs_page;
mod document_text;
mod gateway;
mod history;
mod import;
mod openapi;
mod phones;
mod problem;
pub mod request;
mod response;
mod route;
mod security_headers;
mod settings;

use std::{net::IpAddr, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web::Payload,
};
use futures_util::future::LocalBoxFuture;
use gangway_base::clock::SharedClock;
use tokio::sync::Semaphore;

use self::{
    auth::TokenAuthenticator, problem::Problem, request::RestRequest, response::RestResponse, route::RouteMatch,
    security_headers::guarded,
};
pub use self::{
    document_text::operations,
    openapi::document,
    route::{Needs, ROUTES, Route, RouteHandler, Takes},
};
use crate::{
    http::{
        client_address::{ClientAddress, Proxies},
        interfaces::Scripts,
        server::connections::is_over_tls,
    },
    phone::instance::Instance,
    service::AdminService,
    store::Store,
};

/// Maximum number of concurrent requests. Further ones are rejected with 503.
const AT_ONCE: usize = 32;
/// The path of the API below an instance.
pub const BELOW: &str = "/api/v1";

/// Serves the REST API.
pub struct Rest {
    service: AdminService,
    door: TokenAuthenticator,
    turns: Arc<Semaphore>,
    proxies: Proxies,
}

impl Rest {
    /// Creates the API for an admin service.
    #[must_use]
    pub fn new(service: AdminService, store: Store, clock: SharedClock, proxies: Proxies) -> Self {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        Self { service, door: TokenAuthenticator::new(store, clock), turns, proxies }
    }

    async fn serve(
        &self,
        request: &HttpRequest,
        payload: Payload,
        instance: &Arc<Instance>,
        path: &str,
        source: IpAddr,
    ) -> Result<RestResponse, Problem> {
        let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        let (route, params) = match route::find(method, path) {
            RouteMatch::Route(route, params) => (route, params),
            RouteMatch::OtherMethods(allowed) => return Err(Problem::wrong_method(request.method(), &allowed)),
            RouteMatch::Nothing => return Err(Problem::no_such_path()),
        };
        let base = format!("{}{BELOW}", instance.path());
        let work = match route.work {
            RouteHandler::Text(text) => return Ok(text(&document(&base))),
            RouteHandler::Service(work) => work,
        };
        let token = self.door.open(request.headers(), instance, source, route.needs).await?;
        let turn = Arc::clone(&self.turns).try_acquire_owned().map_err(|_full| Problem::busy())?;
        let body = body::read(request.headers(), payload, route.takes).await?;
        let person = auth::person(instance, &token, source);
        let call = RestRequest {
            service: self.service.clone(),
            caller: person,
            token,
            params,
            query: request.query_string().to_owned(),
            body,
            base,
        };
        let work = work(call);
        // Release the permit when the work ends, even if the client has disconnected.
        let answer = self.service.on_its_thread("rest request", async move {
            let answer = work.await;
            drop(turn);
            answer
        });
        answer.await.unwrap_or_else(|_stopping| Err(Problem::stopping()))
    }
}

impl Scripts for Rest {
    fn answer(
        self: Arc<Self>,
        request: HttpRequest,
        payload: Payload,
        instance: Arc<Instance>,
        path: String,
    ) -> LocalBoxFuture<'static, HttpResponse> {
        Box::pin(async move {
            let Some(peer) = request.peer_addr() else { return HttpResponse::BadRequest().finish() };
            let ClientAddress { address, encrypted } =
                self.proxies.client(peer.ip(), is_over_tls(&request), request.headers());
            let answer = match self.serve(&request, payload, &instance, &path, address).await {
                Ok(answer) => answer.into_response(request.headers()),
                Err(problem) => {
                    tracing::debug!(%address, status = problem.status(), detail = problem.detail(), "a script is refused");
                    problem.into_response()
                }
            };
            guarded(answer, encrypted)
        })
    }
}

/// Returns a header as text, if it is valid text.
fn text_of<'h>(headers: &'h header::HeaderMap, name: &header::HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
