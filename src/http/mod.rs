//! HTTP listeners: files for phones, websocket upgrades, pages and the REST API below `/<domain>/<instance>`, and the
//! health and metrics endpoints.

pub mod auth;
pub mod client_address;
pub mod interfaces;
pub mod operations;
pub mod phone_files;
pub mod routing;
pub mod server;
pub mod unlisted_proxies;

use std::{rc::Rc, sync::Arc, time::Instant};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        ConnectionType, StatusCode,
        header::{self, HeaderName},
    },
    web::{self, Payload, ServiceConfig},
};
use gangway_base::{clock::SharedClock, tasks::Tasks};

use self::{
    auth::{
        authenticate::{Authenticators, UsedCredentials},
        constant_time_responses::{DelayedResponses, ResponseTimer},
        lockout::FailureCounter,
        scan_detector::ScanDetector,
    },
    client_address::Proxies,
    interfaces::{Deliveries, FileService, Pages, Records, Scripts, Upgrade},
    operations::request_metrics::Meter,
    phone_files::{record_updates::RecordUpdates, request_cache::RequestCache},
    routing::{Below, RequestTarget},
    server::stall_timeout::StallTimer,
    unlisted_proxies::UnlistedProxies,
};
use crate::phone::instance::Instances;

/// What the listeners are built from.
pub struct HttpDependencies {
    /// The configured instances.
    pub instances: Instances,
    /// The phone records.
    pub records: Arc<dyn Records>,
    /// Vendors, settings, and rendering.
    pub files: Arc<dyn FileService>,
    /// Receives deliveries.
    pub deliveries: Arc<dyn Deliveries>,
    /// Handles websocket upgrades.
    pub upgrade: Arc<dyn Upgrade>,
    /// Serves pages.
    pub pages: Arc<dyn Pages>,
    /// Serves the REST API.
    pub scripts: Arc<dyn Scripts>,
    /// The clock.
    pub clock: SharedClock,
    /// Runs the writes that happen after the response.
    pub tasks: Tasks,
    /// The trusted reverse proxies.
    pub proxies: Proxies,
    /// The header in which trusted proxies pass the verified subject of a phone's certificate, if one is configured.
    pub subject_header: Option<HeaderName>,
    /// One-time URLs, if a CA for phones is configured.
    pub bootstraps: Option<phone_files::bootstrap::Bootstraps>,
    /// Key for the nonces. It is derived from the sealing key, so nonces survive a restart.
    pub nonce_key: [u8; 32],
    /// Another gateway may serve these phones, so every phone request gets 503 and the phone retries later.
    pub passive: bool,
    /// Detects sources that try one MAC after another; a notice reports them to administrators.
    pub scanners: Arc<ScanDetector>,
    /// Proxies that are not listed in the configuration; a notice names them.
    pub unlisted_proxies: Arc<UnlistedProxies>,
}

/// State shared by all workers.
pub struct AppState {
    instances: Instances,
    records: Arc<dyn Records>,
    files: Arc<dyn FileService>,
    upgrade: Arc<dyn Upgrade>,
    pages: Arc<dyn Pages>,
    scripts: Arc<dyn Scripts>,
    clock: SharedClock,
    proxies: Proxies,
    subject_header: Option<HeaderName>,
    bootstraps: Option<phone_files::bootstrap::Bootstraps>,
    authenticators: Authenticators,
    used: UsedCredentials,
    strikes: FailureCounter,
    scanners: Arc<ScanDetector>,
    unlisted_proxies: Arc<UnlistedProxies>,
    consequences: RecordUpdates,
    response_timer: ResponseTimer,
    meter: Meter,
    passive: bool,
}

impl AppState {
    /// Builds the state. Call it after the metrics recorder is installed.
    ///
    /// # Errors
    /// If the system cannot start the thread that delays rejections.
    pub fn new(parts: HttpDependencies) -> std::io::Result<Arc<Self>> {
        let consequences = RecordUpdates::new(parts.records.clone(), parts.deliveries, parts.tasks.clone());
        Ok(Arc::new(Self {
            response_timer: ResponseTimer::start(parts.tasks)?,
            authenticators: Authenticators::new(&parts.instances, &parts.nonce_key),
            instances: parts.instances,
            records: parts.records,
            files: parts.files,
            upgrade: parts.upgrade,
            pages: parts.pages,
            scripts: parts.scripts,
            clock: parts.clock,
            proxies: parts.proxies,
            used: UsedCredentials::default(),
            subject_header: parts.subject_header,
            bootstraps: parts.bootstraps,
            strikes: FailureCounter::default(),
            scanners: parts.scanners,
            unlisted_proxies: parts.unlisted_proxies,
            consequences,
            meter: Meter::default(),
            passive: parts.passive,
        }))
    }
}

/// State of one worker.
#[derive(Default)]
struct WorkerState {
    memo: RequestCache,
    gate: DelayedResponses,
}

/// Configures the service of one worker. Call it in the listener's factory, once per worker.
pub fn configure(deps: Arc<AppState>) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        // Parse paths by hand: most requests are a phone's GET, which needs no pattern matching.
        let worker = Rc::new(WorkerState::default());
        config.default_service(web::to(move |request: HttpRequest, payload: Payload| {
            attend(deps.clone(), worker.clone(), request, payload)
        }));
    }
}

/// Answers a request and updates the connection's stall timer before and after.
async fn attend(deps: Arc<AppState>, worker: Rc<WorkerState>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let pace = request.conn_data::<StallTimer>().cloned();
    if let Some(pace) = &pace {
        pace.serves();
    }
    let mut answer = dispatch(deps, worker, request, payload).await;
    if pace.as_ref().is_some_and(StallTimer::is_crowded) && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        answer.head_mut().set_connection_type(ConnectionType::Close);
    }
    match pace {
        Some(pace) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => pace.leaves_http(),
        Some(pace) => pace.answered(Instant::now()),
        None => {}
    }
    answer
}

async fn dispatch(
    deps: Arc<AppState>,
    worker: Rc<WorkerState>,
    request: HttpRequest,
    mut payload: Payload,
) -> HttpResponse {
    let (domain, name, below) = match routing::read(request.uri().path()) {
        RequestTarget::Health => return operations::health_and_metrics::healthy(),
        RequestTarget::Nothing => return phone_files::response::not_found(),
        RequestTarget::Instance { domain, name, below } => (domain, name, below),
    };
    let Some(instance) = deps.instances.find(&domain, &name) else { return phone_files::response::not_found() };
    if wants_websocket(&request) {
        let instance = instance.clone();
        return deps.upgrade.upgrade(request.clone(), payload, instance).await;
    }
    match below {
        Below::Phone { .. } if deps.passive => phone_files::response::later(),
        Below::Phone { token, file } => {
            if let Some(token) =
                token.as_deref().filter(|token| deps.bootstraps.is_some() && deps.records.by_token(token).is_none())
                && let Some(answer) = phone_files::bootstrap::answer(&deps, &request, instance, token, &file).await
            {
                return answer;
            }
            phone_files::handle(&deps, &worker, &request, &mut payload, instance, token.as_deref(), &file).await
        }
        Below::NoFile => phone_files::response::not_found(),
        Below::Api(path) => {
            Arc::clone(&deps.scripts).answer(request.clone(), payload, Arc::clone(instance), path).await
        }
        Below::Page(path) => match deps.pages.page(&request, &mut payload, instance, &path) {
            Some(page) => page.await,
            None => phone_files::response::not_found(),
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
