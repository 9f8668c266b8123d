//! The backend of the admin app: the data and actions of its page, over the api `gangway` of `docs/admin-api.md`. It
//! uses a separate thread and shares no additional locks with requests of phones.

pub mod action;
mod actions;
mod activity_chart;
pub mod audit;
mod audit_texts;
pub mod caller;
pub mod cause;
pub mod command;
mod config_diff;
mod connections;
pub mod csv;
mod device_index;
mod device_row;
pub mod diagnosis;
pub mod diagnosis_facts;
pub mod diagnosis_text;
pub mod diagnostics;
mod frozen_sources;
mod history;
mod import;
mod import_check;
mod inquiry;
mod line_keys;
mod list_query;
mod list_view;
pub mod methods;
mod notices;
pub mod phone_export;
mod provisioning_codes;
pub mod rejected_logins;
mod render_preview;
mod rendered_config;
mod response;
mod session;
mod session_info;
mod settings;
pub mod settings_check;
pub mod settings_remarks;
pub mod settings_write;
pub mod sip_tls_probe;
mod text;
mod timeline;
pub mod tls_rejections;
pub mod tokens;
mod vendors;

use std::{net::IpAddr, path::PathBuf, sync::Arc};

use gangway_base::{clock::SharedClock, tasks::Tasks};
use gangway_wire::appws::Envelope;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use self::{
    caller::Caller, device_index::DeviceIndex, import::Imports, notices::AbsenceTracker,
    rejected_logins::RejectedLogins, sip_tls_probe::ProbeSipTls,
};
pub use self::{
    device_row::{DeviceRow, SearchTerms},
    import::MOST_BYTES as IMPORT_BYTES,
    inquiry::Inquiry,
    list_query::{ListParams, Query, Sort},
    list_view::ListView,
    notices::of_certificate,
    response::RequestError,
    text::Text,
};
use crate::{
    catalog::SharedRegistry,
    devices::client::DevicesLinks,
    net::{
        appwebsocket::Link, descriptors::DescriptorShares, egress_policy::EgressPolicy,
        handshake_failures::FailedHandshakes, unlisted_proxy::UnlistedProxy,
    },
    pbx::{sessions::PbxSessions, user_objects::Pbx},
    phone::{
        instance::{InstanceId, Instances},
        record::Phone,
    },
    provision::{Provisioning, PublicUrlsOf},
    render::Renderer,
    store::{Store, WriteDeliveredFiles},
};

/// A source that tries one MAC address after another; see [`ServiceDependencies::scanning`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanningSource {
    /// The address.
    pub address: IpAddr,
    /// Start of the freeze.
    pub since: Timestamp,
    /// End of the freeze, during which unauthenticated requests are rejected.
    pub until: Timestamp,
}

/// The result of a resync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckSyncResult {
    /// Whether the phone has fetched its current file.
    pub came: bool,
    /// What happened, and if the phone did not come, when it polls by itself.
    pub sentence: String,
}

/// See [`ServiceDependencies::resync`].
pub type CheckSyncSender = Box<dyn Fn(Arc<Phone>) -> oneshot::Receiver<CheckSyncResult> + Send + Sync>;

/// Dependencies of the admin service.
pub struct ServiceDependencies {
    /// The running build. Pages of a different build reload.
    pub build: &'static str,
    /// The records.
    pub store: Store,
    /// The instances.
    pub instances: Instances,
    /// The vendors.
    pub registry: SharedRegistry,
    /// Renders without a cache, so that viewing files does not evict those of phones.
    pub renderer: Renderer,
    /// The URLs under which phones reach an instance.
    pub urls: PublicUrlsOf,
    /// Rejected logins with a right password.
    pub turned_away: Arc<RejectedLogins>,
    /// The connected PBXs.
    pub sessions: PbxSessions,
    /// The links to Devices.
    pub devices: DevicesLinks,
    /// The PBXs' user objects.
    pub pbx: Arc<dyn Pbx>,
    /// Takes provisioning requests.
    pub provisioning: Provisioning,
    /// Starts a resync of a phone. The receiver gets the result, which the phone's timeline shows as well.
    pub resync: CheckSyncSender,
    /// Failed TLS handshakes at the gateway's listeners.
    pub failures: Arc<FailedHandshakes>,
    /// The destinations that settings may direct the gateway to.
    pub reach: EgressPolicy,
    /// The certificate files presented to phones.
    pub certificates: Vec<PathBuf>,
    /// The sources that try one MAC address after another.
    pub scanning: Box<dyn Fn(InstanceId) -> Vec<ScanningSource> + Send + Sync>,
    /// The shares of file descriptors.
    pub shares: DescriptorShares,
    /// Ends the freeze of the source with this address. Returns false if there is none.
    pub thaw: Box<dyn Fn(InstanceId, IpAddr) -> bool + Send + Sync>,
    /// The proxies in front of the gateway that the configuration does not take into account.
    pub forwarders: Box<dyn Fn(InstanceId) -> Vec<UnlistedProxy> + Send + Sync>,
    /// The clock.
    pub clock: SharedClock,
    /// Runs the tasks of sessions.
    pub tasks: Tasks,
}

/// The admin service. Cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct AdminService(Arc<Inner>);

struct Inner {
    deps: Arc<ServiceDependencies>,
    shelf: Arc<DeviceIndex>,
    imports: Imports,
    absences: AbsenceTracker,
    sip_trust: Arc<sip_tls_probe::ProbeResults>,
    runtime: tokio::runtime::Handle,
}

impl AdminService {
    /// Starts the service on the current runtime, which runs all its tasks.
    #[must_use]
    pub fn start(deps: ServiceDependencies) -> Self {
        let deps = Arc::new(deps);
        let shelf = Arc::new(DeviceIndex::new(Arc::clone(&deps)));
        deps.tasks.spawn("admin shelf", Arc::clone(&shelf).run());
        // Compression and encryption must not run on a thread that answers phones.
        deps.tasks.every(WriteDeliveredFiles(deps.store.clone()), &deps.clock);
        let absences = AbsenceTracker::new(deps.clock.now());
        let sip_trust = Arc::new(sip_tls_probe::ProbeResults::default());
        deps.tasks.every(ProbeSipTls::new(Arc::clone(&sip_trust), Arc::clone(&deps)), &deps.clock);
        let runtime = tokio::runtime::Handle::current();
        Self(Arc::new(Inner { deps, shelf, imports: Imports::default(), absences, sip_trust, runtime }))
    }

    /// Runs a task on the service's own thread. The receiver gets no result if the gateway stops first.
    pub fn on_its_thread<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl Future<Output = T> + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (sender, done) = oneshot::channel();
        let tasks = self.0.deps.tasks.clone();
        self.spawn(name, async move {
            tokio::select! {
                () = tasks.stopping() => {}
                // Ignore the error: the caller may be gone, but the task has run.
                value = work => drop(sender.send(value)),
            }
        });
        done
    }

    /// Spawns a task on the service's own thread, from any thread.
    fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let _entered = self.0.runtime.enter();
        self.0.deps.tasks.spawn(name, task);
    }
}

impl caller::AdminSessions for AdminService {
    fn receive(&self, person: Caller, messages: mpsc::Receiver<Envelope>, out: Link) {
        let session = session::AdminSession::new(self.clone(), person, out);
        self.spawn("admin session", session.serve(messages));
    }
}
