//! The listeners: phones' files, websocket upgrades and pages below `/<domain>/<instance>`, health and metrics beside.

pub mod answer;
pub mod authorization;
pub mod certificates;
pub mod challenges;
pub mod client_address;
pub mod conditional;
pub mod connections;
pub mod consequences;
pub mod gate;
pub mod handshakes;
pub mod issuers;
pub mod limits;
pub mod listeners;
pub mod memo;
pub mod meter;
pub mod ops;
pub mod path;
pub mod phone_files;
pub mod ports;
pub mod possession;
pub mod rendered;
pub mod stored;
pub mod subject;
pub mod watched_body;

use std::{rc::Rc, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderName},
    web::{self, Payload, ServiceConfig},
};
use ipnet::IpNet;

use self::{
    authorization::Entrances,
    consequences::Consequences,
    limits::Strikes,
    memo::Memo,
    meter::Meter,
    path::{Below, Target},
    ports::{Deliveries, Files, Pages, Records, Upgrade},
};
use crate::{clock::SharedClock, phone::instance::Instances, tasks::Tasks};

/// What the listeners are built from.
pub struct Parts {
    /// The tenants.
    pub instances: Instances,
    /// The phones' records.
    pub records: Arc<dyn Records>,
    /// Vendors, settings, rendering.
    pub files: Arc<dyn Files>,
    /// Who learns of deliveries.
    pub deliveries: Arc<dyn Deliveries>,
    /// Who takes websockets.
    pub upgrade: Arc<dyn Upgrade>,
    /// Who serves pages and REST.
    pub pages: Arc<dyn Pages>,
    /// The time.
    pub clock: SharedClock,
    /// Who runs what is written behind the answers.
    pub tasks: Tasks,
    /// Networks whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which trusted proxies pass the verified subject of a phone's certificate, where there is one.
    pub subject_header: Option<HeaderName>,
    /// Key of the nonces, derived from the sealing key: they survive a restart.
    pub nonce_key: [u8; 32],
}

/// What every worker shares.
pub struct Deps {
    instances: Instances,
    records: Arc<dyn Records>,
    files: Arc<dyn Files>,
    upgrade: Arc<dyn Upgrade>,
    pages: Arc<dyn Pages>,
    clock: SharedClock,
    trusted_proxies: Vec<IpNet>,
    subject_header: Option<HeaderName>,
    entrances: Entrances,
    strikes: Strikes,
    consequences: Consequences,
    meter: Meter,
}

impl Deps {
    /// Puts the parts together. Call it after the metrics recorder is installed.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let consequences = Consequences::new(parts.records.clone(), parts.deliveries, parts.tasks);
        Arc::new(Self {
            entrances: Entrances::new(&parts.instances, &parts.nonce_key),
            instances: parts.instances,
            records: parts.records,
            files: parts.files,
            upgrade: parts.upgrade,
            pages: parts.pages,
            clock: parts.clock,
            trusted_proxies: parts.trusted_proxies,
            subject_header: parts.subject_header,
            strikes: Strikes::default(),
            consequences,
            meter: Meter::default(),
        })
    }
}

/// The service of one worker: call it in the factory of the listener, once per worker.
pub fn configure(deps: Arc<Deps>) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        // Paths are read by hand: a phone's GET is the one that counts, and it needs no pattern matching.
        let memo = Rc::new(Memo::default());
        config.default_service(web::to(move |request: HttpRequest, payload: Payload| {
            dispatch(deps.clone(), memo.clone(), request, payload)
        }));
    }
}

async fn dispatch(deps: Arc<Deps>, memo: Rc<Memo>, request: HttpRequest, mut payload: Payload) -> HttpResponse {
    let (domain, name, below) = match path::read(request.uri().path()) {
        Target::Health => return ops::healthy(),
        Target::Nothing => return answer::not_found(),
        Target::Instance { domain, name, below } => (domain, name, below),
    };
    let Some(instance) = deps.instances.find(&domain, &name) else { return answer::not_found() };
    if wants_websocket(&request) {
        let instance = instance.clone();
        return deps.upgrade.upgrade(request.clone(), payload, instance).await;
    }
    match below {
        Below::Phone { token, file } => {
            phone_files::handle(&deps, &memo, &request, &mut payload, instance, token.as_deref(), &file).await
        }
        Below::NoFile => answer::not_found(),
        Below::Page(path) => match deps.pages.page(&request, &mut payload, instance, &path) {
            Some(page) => page.await,
            None => answer::not_found(),
        },
    }
}

fn wants_websocket(request: &HttpRequest) -> bool {
    request
        .headers()
        .get(header::UPGRADE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

#[cfg(test)]
mod tests;
