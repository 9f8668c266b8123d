//! Starts the admin service on a separate thread.

use std::sync::Arc;

use gangway_base::{clock::SharedClock, tasks::Tasks};

use super::{
    StartError,
    threads::{Threads, on},
};
use crate::{
    api::pages::{self, frame_ancestors},
    base::config::Config,
    catalog::SharedRegistry,
    devices::client::DevicesLinks,
    http::{
        auth::scan_detector::{FrozenSource, ScanDetector},
        unlisted_proxies::UnlistedProxies,
    },
    net::{descriptors::DescriptorShares, egress_policy::EgressPolicy, handshake_failures::FailedHandshakes},
    pbx::{admin_api::ConnectedPbxs, sessions::PbxSessions},
    phone::instance::Instances,
    provision::{Provisioning, public_urls},
    render::Renderer,
    service::{AdminService, ScanningSource, ServiceDependencies, rejected_logins::RejectedLogins},
    sip::check_sync::Resyncs,
    store::Store,
};

/// The dependencies of the admin service.
pub(super) struct AdminDependencies {
    pub store: Store,
    pub instances: Instances,
    pub registry: SharedRegistry,
    pub sessions: PbxSessions,
    pub devices: DevicesLinks,
    pub provisioning: Provisioning,
    pub failures: Arc<FailedHandshakes>,
    pub clock: SharedClock,
    pub scanners: Arc<ScanDetector>,
    pub rejected_logins: Arc<RejectedLogins>,
    pub unlisted_proxies: Arc<UnlistedProxies>,
    pub tasks: Tasks,
    pub shares: DescriptorShares,
}

/// Starts the admin service.
pub(super) async fn open(
    config: &Config,
    threads: &Threads,
    parts: AdminDependencies,
) -> Result<AdminService, StartError> {
    let AdminDependencies {
        store,
        instances,
        registry,
        sessions,
        devices,
        provisioning,
        failures,
        clock,
        scanners,
        unlisted_proxies,
        rejected_logins,
        tasks,
        shares,
    } = parts;
    let following = frame_ancestors::watch(store.clone(), sessions.clone(), instances.clone(), tasks.clone());
    on(&threads.admin.handle(), {
        let tasks = tasks.clone();
        move || tasks.spawn("frame ancestors", following)
    })
    .await?;
    let certificates = super::certificates::files(config);
    let deps = ServiceDependencies {
        build: pages::build(),
        renderer: Renderer::new(Arc::clone(&registry), store.derive_key("etag"), 0, Arc::clone(&clock)),
        urls: public_urls(store.clone(), instances.clone()),
        resync: Box::new({
            let resyncs = Resyncs::new(store.clone(), Arc::clone(&clock), tasks.clone());
            move |phone| resyncs.start(phone)
        }),
        pbx: Arc::new(ConnectedPbxs::new(sessions.clone(), store.clone())),
        failures,
        store,
        instances,
        registry,
        sessions,
        devices,
        provisioning,
        reach: EgressPolicy::public_and(config.net.allow.clone()),
        certificates,
        thaw: Box::new({
            let scanners = Arc::clone(&scanners);
            move |instance, address| scanners.thaw(instance, address)
        }),
        unlisted_proxies: Box::new({
            let clock = Arc::clone(&clock);
            move |instance| unlisted_proxies.of(instance, clock.now())
        }),
        scanning: Box::new({
            let clock = Arc::clone(&clock);
            move |instance| {
                let frozen_source =
                    |one: FrozenSource| ScanningSource { address: one.address, since: one.since, until: one.until };
                scanners.frozen(instance, clock.now()).into_iter().map(frozen_source).collect()
            }
        }),
        rejected_logins,
        shares,
        clock,
        tasks,
    };
    on(&threads.admin.handle(), move || AdminService::start(deps)).await
}
