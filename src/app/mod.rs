//! Builds and wires all components: [`Application::build`] binds the ports, [`Application::run`] serves until it is
//! stopped.

mod admin;
mod catalog_reload;
mod certificates;
mod commands;
mod delivery_events;
mod descriptor_log;
mod error;
mod gauges;
mod history;
mod instances;
pub mod lifecycle;
mod maintenance;
mod pbx_events;
mod readiness;
mod scan_watch;
mod threads;
mod tls_trust;
mod websocket_routes;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use gangway_base::{
    clock::{self, SharedClock},
    tasks::Tasks,
};
use tokio::sync::mpsc;

use self::{
    catalog_reload::ReloadCatalog,
    certificates::ReloadCertificates,
    delivery_events::DeliveryEvents,
    gauges::GaugeSources,
    history::StoredHistory,
    maintenance::{DailyCopy, PruneHistory, WarnExpiring},
    readiness::LinksReadiness,
    threads::{Threads, on},
    tls_trust::TrustSources,
    websocket_routes::WebsocketRoutes,
};
pub use self::{
    error::{ServingError, StartError},
    instances::instance,
};
use crate::{
    api::{
        appwebsocket::{AppWebsocketContext, devices, prelogin_limiter::PreLoginLimiter},
        pages::AdminPages,
        rest::Rest,
    },
    app::lifecycle::SHUTDOWN_TIMEOUT,
    base::{
        config::Config,
        telemetry::{metric::install_recorder, metrics_text},
    },
    catalog::LiveFolders,
    devices::{
        client::DevicesLinks,
        sysclients::{PoolDependencies, SysclientPool},
    },
    http::{
        self,
        auth::scan_detector::ScanDetector,
        client_address::Proxies,
        interfaces::{Pages, Readiness},
        phone_files::{file_service::RenderedFiles, record_service::RecordService},
        server::{connections::Timeouts, listeners},
        unlisted_proxies::{self, UnlistedProxies},
    },
    net::{
        descriptors::{DescriptorShares, Limit, Machine},
        egress_policy::EgressPolicy,
        handshake_failures::FailedHandshakes,
        http::{HttpClient, Options, Proxy},
    },
    pbx::{admin_api::ConnectedPbxs, sessions::PbxSessions},
    phone::instance::Instances,
    provision::{self, Provisioning},
    redirect::{Limits, Redirects},
    render::Renderer,
    service::rejected_logins::RejectedLogins,
    store::{ServeLock, Store},
};

/// Number of sysclient events that may wait to be written. When the queue is full, the sockets wait.
const FLEET_EVENTS: usize = 4096;
/// Number of Devices indications that may wait.
const DEVICES_EVENTS: usize = 1024;

/// The addresses on which the application listens.
#[derive(Debug, Clone, Default)]
pub struct BoundAddresses {
    /// `[http]`.
    pub http: Vec<SocketAddr>,
    /// `[https]`.
    pub https: Vec<SocketAddr>,
    /// `[ops]`.
    pub ops: Vec<SocketAddr>,
    /// `[pnp]`.
    pub pnp: Vec<SocketAddr>,
}

/// A gateway that is bound and wired.
pub struct Application {
    addresses: BoundAddresses,
    store: Store,
    folders: Arc<LiveFolders>,
    tls: Option<listeners::TlsSettings>,
    tasks: Tasks,
    threads: Threads,
    public: listeners::Listening,
    ops: Option<listeners::Listening>,
    clock: SharedClock,
    _claim: ServeLock,
}

impl Application {
    /// Opens the store, starts the threads and binds every listener. Needs a running actix `System`; once it returns,
    /// connections are accepted and wait for [`Application::run`].
    ///
    /// # Errors
    /// When the gateway cannot serve; the message says what to do.
    pub async fn build(config: Config, clock: SharedClock) -> Result<Self, StartError> {
        clock::prove(&*clock)?;
        install_recorder();
        crate::net::tls::install_provider();
        for (remark, cure) in config.remarks() {
            tracing::warn!("{remark}: {cure}");
        }
        let machine = Machine::here(config.instances.len());
        let shares = DescriptorShares::of(Limit::of_process().soft, machine);
        let tasks = Tasks::new();
        let store = Store::open(&config.data.dir, Arc::clone(&clock), &tasks).await?;
        let claim = store.claim()?;
        descriptor_log::log_shares(&shares, store.phones().len());
        let passive = store.restoration().and_then(|restoration| restoration.passive_sentence());
        if let Some(sentence) = &passive {
            tracing::warn!("{sentence}");
        }
        let is_active = passive.is_none();
        let folders = Arc::new(LiveFolders::open(config.vendors.overrides()).map_err(StartError::Vendors)?);
        let registry = folders.registry();
        if config.vendors.overrides().is_some() {
            tasks.every(ReloadCatalog(Arc::clone(&folders)), &clock);
        }
        let instances = instances::open(&config, &store).await?;
        let trust = TrustSources::new(&instances)?;
        let (etag_key, cache_bytes) = (store.derive_key("etag"), config.cache.mib << 20);
        let renderer = Arc::new(Renderer::new(Arc::clone(&registry), etag_key, cache_bytes, Arc::clone(&clock)));
        let threads = Threads::start();
        let failures = Arc::new(FailedHandshakes::default());

        let (fleet_sink, fleet_events) = mpsc::channel(FLEET_EVENTS);
        let fleet = SysclientPool::start(
            PoolDependencies {
                clock: Arc::clone(&clock),
                tasks: tasks.clone(),
                connects_per_second: config.net.connects_per_second,
                most: shares.sysclients,
                tls: trust.of_instances(),
            },
            fleet_sink,
        )
        .map_err(StartError::Io)?;

        let redirects = start_redirects(&config, &store, &clock, &tasks, &threads).await?;
        let sessions = PbxSessions::default();
        let provisioning = {
            let deps = provision::ProvisioningDependencies {
                store: store.clone(),
                instances: instances.clone(),
                providers: Arc::new(provision::Manifests(Arc::clone(&registry))),
                pbx: Arc::new(ConnectedPbxs::new(sessions.clone(), store.clone())),
                sysclients: Arc::new(fleet.clone()),
                sysclient_events: fleet_events,
                redirects: Arc::new(redirects),
                clock: Arc::clone(&clock),
                tasks: tasks.clone(),
                passive,
            };
            on(&threads.provision.handle(), move || Provisioning::start(deps)).await?
        };

        let devices = DevicesLinks::default();
        let scanners = Arc::new(ScanDetector::new(&store.derive_key("decoys")));
        let rejected_logins = Arc::<RejectedLogins>::default();
        let unlisted_proxies = Arc::new(UnlistedProxies::default());
        let proxies = Proxies::configured(&config.net);
        let parts = admin::AdminDependencies {
            store: store.clone(),
            instances: instances.clone(),
            registry: Arc::clone(&registry),
            sessions: sessions.clone(),
            devices: devices.clone(),
            provisioning: provisioning.clone(),
            failures: Arc::clone(&failures),
            clock: Arc::clone(&clock),
            scanners: Arc::clone(&scanners),
            rejected_logins: Arc::clone(&rejected_logins),
            unlisted_proxies: Arc::clone(&unlisted_proxies),
            tasks: tasks.clone(),
            shares,
        };
        let service = admin::open(&config, &threads, parts).await?;
        commands::serve(&config, &threads, &tasks, &service).await?;
        let apis = AppWebsocketContext {
            sessions: sessions.clone(),
            provisioning: provisioning.clone(),
            registry: Arc::clone(&registry),
            store: store.clone(),
            clock: Arc::clone(&clock),
            tasks: tasks.clone(),
            places: PreLoginLimiter::remembered(
                instances.iter().map(|instance| (instance.id, store.learned().pbx_sources(instance.id))),
            ),
            wrong_passwords: Arc::default(),
            rejected_logins,
            service: service.clone(),
        };
        if is_active {
            start_devices(&devices, &apis, &trust, &threads).await?;
        }
        tasks.spawn_local("pbx-changes", pbx_events::watch(sessions.clone(), provisioning.clone(), tasks.clone()));
        start_upkeep(&config, &store, &instances, &clock, &tasks);
        let clicks =
            scan_watch::watch_unfreeze(store.clone(), Arc::clone(&scanners), Arc::clone(&clock), tasks.clone());
        tasks.spawn_local("clicks", clicks);
        let record = unlisted_proxies::record(
            store.clone(),
            Arc::clone(&unlisted_proxies),
            proxies.clone(),
            clock.now(),
            tasks.clone(),
        );
        tasks.spawn_local("unlisted_proxies", record);

        let tls = certificates::open(&config, &registry, &failures)?;
        if let Some(tls) = tls.clone() {
            tasks.every(ReloadCertificates::new(tls, Arc::clone(&clock)), &clock);
        }
        let (instances_of_phones, pnp_clock, watch) = (instances.clone(), Arc::clone(&clock), Arc::clone(&scanners));
        let rest = Rest::new(service, store.clone(), Arc::clone(&clock), proxies.clone());
        let pages: Arc<dyn Pages> =
            Arc::new(AdminPages { sessions: sessions.clone(), store: store.clone(), proxies: proxies.clone() });
        let urls = provision::public_urls(store.clone(), instances.clone());
        let deps = http::AppState::new(http::HttpDependencies {
            instances: instances.clone(),
            records: Arc::new(RecordService(store.clone())),
            files: Arc::new(RenderedFiles {
                registry: Arc::clone(&registry),
                renderer: Arc::clone(&renderer),
                store: store.clone(),
                urls: Arc::clone(&urls),
            }),
            deliveries: Arc::new(DeliveryEvents(provisioning)),
            upgrade: Arc::new(WebsocketRoutes { apis, proxies: proxies.clone() }),
            scripts: Arc::new(rest),
            pages: Arc::new(vec![pages]),
            clock: Arc::clone(&clock),
            tasks: tasks.clone(),
            proxies,
            bootstraps: (!config.https.phone_ca.as_os_str().is_empty()).then(|| {
                http::phone_files::bootstrap::Bootstraps {
                    store: store.clone(),
                    registry: Arc::clone(&registry),
                    urls: Arc::clone(&urls),
                    ca: config.https.phone_ca.clone(),
                    turn: tokio::sync::Mutex::default(),
                }
            }),
            // An invalid name was rejected when the configuration was loaded.
            subject_header: config.net.client_subject_header.parse().ok(),
            nonce_key: store.derive_key("http nonces"),
            passive: !is_active,
            scanners,
            unlisted_proxies: Arc::clone(&unlisted_proxies),
        })
        .map_err(StartError::Io)?;
        let public = listeners::listen(
            &listeners::ListenAddresses {
                http: config.http.listen.clone(),
                https: config.https.listen.clone(),
                tls: tls.clone(),
                timeouts: Timeouts::default(),
                workers: machine.workers,
                connections_per_worker: shares.clients_per_worker(),
                shutdown: SHUTDOWN_TIMEOUT.saturating_sub(Duration::from_secs(2)),
            },
            &deps,
        )?;
        let measured = GaugeSources {
            store: store.clone(),
            instances: instances.clone(),
            sessions: sessions.clone(),
            fleet,
            renderer,
        };
        let readiness: Arc<dyn Readiness> = Arc::new(LinksReadiness {
            instances,
            sessions,
            devices,
            store: store.clone(),
            folders: Arc::clone(&folders),
            failures: Arc::clone(&failures),
            unlisted_proxies,
            shares,
            certificates: tls.as_ref().map(|tls| Arc::clone(&tls.certificates)),
            clock: Arc::clone(&pnp_clock),
            tasks: tasks.clone(),
        });
        let text: http::operations::health_and_metrics::MetricsText = Arc::new(move || {
            measured.set_gauges();
            metrics_text()
        });
        let pnp = match is_active {
            true => scan_watch::start_pnp(&config, &store, &instances_of_phones, watch, &pnp_clock, &tasks).await?,
            false => Vec::new(),
        };
        let ops = listeners::listen_ops(&config.ops.listen, shares.operators, &readiness, &text)?;
        let addresses = BoundAddresses {
            http: public.http.clone(),
            https: public.https.clone(),
            ops: ops.as_ref().map(|ops| ops.http.clone()).unwrap_or_default(),
            pnp,
        };
        Ok(Self { addresses, store, folders, tls, tasks, threads, public, ops, clock, _claim: claim })
    }

    /// The bound addresses.
    #[must_use]
    pub fn addresses(&self) -> BoundAddresses {
        self.addresses.clone()
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> Store {
        self.store.clone()
    }

    /// The tasks of the application; [`Tasks::ask_to_stop`] ends [`Application::run`].
    #[must_use]
    pub fn tasks(&self) -> Tasks {
        self.tasks.clone()
    }

    /// Returns a function that reloads what can change while serving: certificates and vendor folders. If the new state
    /// is invalid, the current one stays in use.
    pub fn reloader(&self) -> impl Fn() + 'static {
        let (folders, tls, clock) = (Arc::clone(&self.folders), self.tls.clone(), Arc::clone(&self.clock));
        move || {
            catalog_reload::log_result(&folders.reload());
            if let Some(tls) = &tls {
                certificates::reload(tls, clock.now());
            }
        }
    }

    /// Serves until stopped, then finishes or answers pending requests within ten seconds.
    ///
    /// # Errors
    /// When a listener ended unexpectedly, or a task did not end in time.
    pub async fn run(self) -> Result<(), ServingError> {
        let Self { addresses, store, tasks, threads, public, ops, clock, .. } = self;
        for (scheme, bound) in
            [("http", &addresses.http), ("https", &addresses.https), ("ops", &addresses.ops), ("pnp", &addresses.pnp)]
        {
            for address in bound {
                tracing::info!(%address, "listening for {scheme}");
            }
        }
        let (public_handle, ops_handle) = (public.server.handle(), ops.as_ref().map(|ops| ops.server.handle()));
        let mut public_server = std::pin::pin!(public.server);
        let mut ops_ended = ops.is_none();
        let mut ops_server = std::pin::pin!(async {
            match ops {
                Some(ops) => ops.server.await,
                None => Ok(()),
            }
        });
        let mut clock_fails = std::pin::pin!(maintenance::watch_clock(clock));
        let mut before_epoch = None;
        let ended = loop {
            tokio::select! {
                error = &mut clock_fails => {
                    before_epoch = Some(error);
                    break None;
                }
                ended = &mut public_server => break Some(ended),
                ended = &mut ops_server, if !ops_ended => {
                    ops_ended = true;
                    if ended.is_err() || !tasks.is_stopping() {
                        break Some(ended);
                    }
                }
                () = tasks.stopping() => break None,
            }
        };
        tracing::info!("stopping");
        tasks.ask_to_stop();
        if ended.is_none() {
            let stopped = async {
                // A server carries out its stop only while it is polled.
                tokio::join!(
                    public_handle.stop(true),
                    async {
                        let _ = public_server.await;
                    },
                    async {
                        if let Some(ops) = ops_handle.filter(|_| !ops_ended) {
                            let _ = tokio::join!(ops.stop(false), ops_server);
                        }
                    }
                )
            };
            let _ = tokio::time::timeout(SHUTDOWN_TIMEOUT, stopped).await;
        }
        tasks.finish(SHUTDOWN_TIMEOUT).await;
        let unfinished = tasks.running();
        // Requests that arrived while the tasks ended.
        if let Err(error) = store.requests().flush().await {
            tracing::error!(%error, "the last requests could not be written");
        }
        store.close().await;
        threads.stop();
        match ended {
            Some(Err(error)) => Err(ServingError::Listener(error)),
            Some(Ok(())) => Err(ServingError::Ended),
            None if let Some(error) = before_epoch => Err(ServingError::Clock(error)),
            None if !unfinished.is_empty() => {
                let names: Vec<String> = unfinished.iter().map(|(name, count)| format!("{name} ({count})")).collect();
                Err(ServingError::Unfinished(names.join(", ")))
            }
            None => Ok(()),
        }
    }
}

async fn start_redirects(
    config: &Config,
    store: &Store,
    clock: &SharedClock,
    tasks: &Tasks,
    threads: &Threads,
) -> Result<Redirects, StartError> {
    let proxy = match config.net.proxy.is_empty() {
        true => None,
        false => Some(Proxy::parse(config.net.proxy.expose())?),
    };
    let tls = crate::net::tls::client_config_for(&config.net.trust)?;
    let (store, clock, tasks) = (store.clone(), Arc::clone(clock), tasks.clone());
    let reach = EgressPolicy::public_and(config.net.allow.clone());
    on(&threads.links.handle(), move || {
        let client = HttpClient::new(&Options { proxy, reach, ..Options::new(tls) });
        let history = Arc::new(StoredHistory::start(store, Arc::clone(&clock), &tasks));
        Redirects::start(client, history, clock, &tasks, Limits::default())
    })
    .await
}

/// Starts the background tasks: history pruning, reminders and the daily copy.
fn start_upkeep(config: &Config, store: &Store, instances: &Instances, clock: &SharedClock, tasks: &Tasks) {
    let warn = |sentence: String| tracing::warn!("{sentence}");
    tasks.every(PruneHistory { store: store.clone(), instances: instances.clone() }, clock);
    tasks.every(WarnExpiring { files: certificates::files(config), warn, clock: Arc::clone(clock) }, clock);
    tasks.every(DailyCopy { store: store.clone(), most: config.data.copies }, clock);
}

async fn start_devices(
    links: &DevicesLinks,
    apis: &AppWebsocketContext,
    trust: &TrustSources,
    threads: &Threads,
) -> Result<(), StartError> {
    let (sink, events) = mpsc::channel(DEVICES_EVENTS);
    let (starting, sessions, trust) = (links.clone(), apis.sessions.clone(), trust.of_instances());
    let (clock, tasks, apis) = (Arc::clone(&apis.clock), apis.tasks.clone(), apis.clone());
    on(&threads.links.handle(), move || {
        starting.start(sessions, sink, trust, clock, &tasks);
        tasks.spawn_local("devices-events", devices::watch(events, apis));
    })
    .await
}
