//! The admin app's desk, on a thread of its own.

use std::sync::Arc;

use super::{
    StartError,
    threads::{Threads, on},
};
use crate::{
    admin::{Deps, Desk, Scanning},
    apis::{pbx_admin::ConnectedPbxs, turned_away::TurnedAwayLogins},
    clock::SharedClock,
    config::Config,
    http::{
        forwarders::Forwarders,
        scanners::{Frozen, Scanners},
    },
    links::{devices::DevicesLinks, pbx::PbxSessions},
    net::{descriptors::Shares, failed_handshakes::FailedHandshakes, reach::Reach},
    phone::instance::Instances,
    provision::{Provisioning, public_urls},
    render::Renderer,
    store::Store,
    tasks::Tasks,
    vendor::SharedRegistry,
};

/// What it is made of.
pub(super) struct Parts {
    pub store: Store,
    pub instances: Instances,
    pub registry: SharedRegistry,
    pub sessions: PbxSessions,
    pub devices: DevicesLinks,
    pub provisioning: Provisioning,
    pub failures: Arc<FailedHandshakes>,
    pub clock: SharedClock,
    pub scanners: Arc<Scanners>,
    pub turned_away: Arc<TurnedAwayLogins>,
    pub forwarders: Arc<Forwarders>,
    pub tasks: Tasks,
    pub shares: Shares,
}

/// Opens it.
pub(super) async fn open(config: &Config, threads: &Threads, parts: Parts) -> Result<Desk, StartError> {
    let Parts {
        store,
        instances,
        registry,
        sessions,
        devices,
        provisioning,
        failures,
        clock,
        scanners,
        forwarders,
        turned_away,
        tasks,
        shares,
    } = parts;
    let certificates = super::certificates::files(config);
    let deps = Deps {
        renderer: Renderer::new(Arc::clone(&registry), store.derive_key("etag"), 0, Arc::clone(&clock)),
        urls: public_urls(store.clone(), instances.clone()),
        resync: Box::new({
            let store = store.clone();
            move |phone| {
                let store = store.clone();
                Box::pin(async move { crate::sip::resync::ask(&store, &phone, false).await })
            }
        }),
        pbx: Arc::new(ConnectedPbxs::new(sessions.clone(), store.clone())),
        failures,
        store,
        instances,
        registry,
        sessions,
        devices,
        provisioning,
        reach: Reach::public_and(config.net.allow.clone()),
        certificates,
        thaw: Box::new({
            let scanners = Arc::clone(&scanners);
            move |instance, address| scanners.thaw(instance, address)
        }),
        forwarders: Box::new({
            let clock = Arc::clone(&clock);
            move |instance| forwarders.of(instance, clock.now())
        }),
        scanning: Box::new({
            let clock = Arc::clone(&clock);
            move |instance| {
                let told = |one: Frozen| Scanning { address: one.address, since: one.since, until: one.until };
                scanners.frozen(instance, clock.now()).into_iter().map(told).collect()
            }
        }),
        turned_away,
        shares,
        clock,
        tasks,
    };
    on(&threads.admin.handle(), move || Desk::start(deps)).await
}
