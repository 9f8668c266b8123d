//! What administrators do, as typed use cases: a request, a response of [`types`], or a [`ServiceError`]. Those that
//! change something or show a secret write the audit themselves. REST, the admin page and the commands only translate
//! from and to their protocols. The service uses a separate thread and shares no additional locks with requests of
//! phones.

pub mod action;
pub mod actions;
pub mod activity_chart;
pub mod audit;
mod audit_texts;
pub mod caller;
pub mod cause;
mod clip;
pub mod command;
pub mod config_diff;
mod connections;
pub mod csv;
pub mod device_index;
mod device_row;
pub mod diagnosis;
pub mod diagnosis_facts;
pub mod diagnosis_text;
pub mod diagnostics;
mod error;
pub mod frozen_sources;
pub mod gateway;
pub mod history;
pub mod import;
mod import_check;
pub mod line_keys;
mod list_query;
mod list_view;
mod notices;
pub mod pbx_setup;
pub mod phone_export;
mod provisioning_codes;
pub mod rejected_logins;
mod render_preview;
pub mod rendered_config;
pub mod settings;
pub mod settings_check;
pub mod settings_remarks;
pub mod settings_write;
pub mod sip_tls_probe;
pub mod timeline;
pub mod tls_rejections;
pub mod tokens;
pub mod types;
pub mod vendors;

use std::{net::IpAddr, path::PathBuf, sync::Arc};

use gangway_base::{clock::SharedClock, tasks::Tasks};
use jiff::Timestamp;
use tokio::sync::{broadcast, oneshot};

use self::{
    caller::Caller,
    device_index::DeviceIndex,
    import::Imports,
    notices::AbsenceTracker,
    rejected_logins::RejectedLogins,
    sip_tls_probe::ProbeSipTls,
    types::{ImportInfo, Notices, PhoneList, PhoneShown},
};
pub use self::{
    device_index::RowBatch,
    device_row::{DeviceRow, SearchTerms},
    error::{InvalidField, ServiceError},
    import::MOST_BYTES as IMPORT_BYTES,
    import_check::CheckedFile,
    list_query::{By, FacetFilter, ListParams, ListRequest, PhoneCounts, Query, Sort},
    list_view::{Delta, ListView},
    notices::of_certificate,
};
use crate::{
    catalog::SharedRegistry,
    devices::client::DevicesLinks,
    net::{
        descriptors::DescriptorShares, egress_policy::EgressPolicy, handshake_failures::FailedHandshakes,
        unlisted_proxy::UnlistedProxy,
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
    /// The result, and if the phone sent no request, the time of its next poll.
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
    pub rejected_logins: Arc<RejectedLogins>,
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
    pub unlisted_proxies: Box<dyn Fn(InstanceId) -> Vec<UnlistedProxy> + Send + Sync>,
    /// The clock.
    pub clock: SharedClock,
    /// Runs the tasks of sessions.
    pub tasks: Tasks,
}

impl ServiceDependencies {
    /// Fails on a gateway that was restored and has not taken over: it must not act on phones or services.
    ///
    /// # Errors
    /// With the message that says how to take over.
    pub fn require_active(&self) -> Result<(), ServiceError> {
        match self.store.restoration().and_then(|restoration| restoration.passive_sentence()) {
            Some(sentence) => Err(ServiceError::Passive(sentence)),
            None => Ok(()),
        }
    }
}

/// The admin service. Cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct AdminService(Arc<Inner>);

struct Inner {
    deps: Arc<ServiceDependencies>,
    index: Arc<DeviceIndex>,
    imports: Imports,
    absences: AbsenceTracker,
    sip_trust: Arc<sip_tls_probe::ProbeResults>,
    runtime: tokio::runtime::Handle,
    /// Held while the app objects of a PBX are changed.
    pbx_setup: tokio::sync::Mutex<()>,
}

impl AdminService {
    /// Returns all current connections of the caller's instance, and logs them.
    #[must_use]
    pub fn connections(&self, caller: &Caller) -> types::Connections {
        connections::snapshot(&self.0, caller)
    }

    /// Returns a window of the list of phones.
    #[must_use]
    pub fn phones(&self, instance: InstanceId, request: ListRequest) -> PhoneList {
        ListView::of_request(self.device_rows(instance), request).page()
    }

    /// Returns everything known about a phone, and where it is stuck.
    ///
    /// # Errors
    /// If there is none.
    pub fn phone(&self, instance: InstanceId, mac: &str) -> Result<PhoneShown, ServiceError> {
        Ok(self.phone_shown(&actions::find(self.deps(), instance, mac)?))
    }

    /// Describes a phone.
    #[must_use]
    pub fn phone_shown(&self, phone: &Arc<Phone>) -> PhoneShown {
        timeline::shown(self.deps(), &self.0.index, phone)
    }

    /// Returns the rows of all phones of an instance.
    #[must_use]
    pub fn device_rows(&self, instance: InstanceId) -> Vec<Arc<DeviceRow>> {
        self.0.index.rows(instance)
    }

    /// Subscribes to changes of rows.
    #[must_use]
    pub fn device_changes(&self) -> broadcast::Receiver<Arc<RowBatch>> {
        self.0.index.batches()
    }

    /// Returns what administrators should know.
    #[must_use]
    pub fn notices(&self, instance: InstanceId) -> Notices {
        Notices { notices: notices::notices(&self.0, instance) }
    }

    /// Returns how far the import of an instance is, or how the last one ended.
    #[must_use]
    pub fn import_state(&self, instance: InstanceId) -> ImportInfo {
        self.0.imports.state(instance)
    }

    /// The handles it works with.
    #[must_use]
    pub fn deps(&self) -> &ServiceDependencies {
        &self.0.deps
    }

    /// Starts the service on the current runtime, which runs all its tasks.
    #[must_use]
    pub fn start(deps: ServiceDependencies) -> Self {
        let deps = Arc::new(deps);
        let index = Arc::new(DeviceIndex::new(Arc::clone(&deps)));
        deps.tasks.spawn("device index", Arc::clone(&index).run());
        // Compression and encryption must not run on a thread that answers phones.
        deps.tasks.every(WriteDeliveredFiles(deps.store.clone()), &deps.clock);
        let absences = AbsenceTracker::new(deps.clock.now());
        let sip_trust = Arc::new(sip_tls_probe::ProbeResults::default());
        deps.tasks.every(ProbeSipTls::new(Arc::clone(&sip_trust), Arc::clone(&deps)), &deps.clock);
        let runtime = tokio::runtime::Handle::current();
        Self(Arc::new(Inner {
            deps,
            index,
            imports: Imports::default(),
            absences,
            sip_trust,
            runtime,
            pbx_setup: tokio::sync::Mutex::default(),
        }))
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
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let _entered = self.0.runtime.enter();
        self.0.deps.tasks.spawn(name, task);
    }
}
