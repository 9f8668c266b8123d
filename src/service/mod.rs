//! The admin app's backend: what its page is told and what people may do, over the api `gangway` of `docs/admin-api.md`.
//! Everything runs on a thread of its own; phones' requests share no lock with it but those they have anyway.

pub mod action;
mod actions;
mod activity_chart;
pub mod audit;
mod audit_texts;
pub mod caller;
pub mod cause;
mod config_diff;
mod connections;
pub mod csv;
mod device_index;
mod device_row;
pub mod diagnosis;
pub mod diagnosis_facts;
pub mod diagnosis_text;
pub mod diagnostics;
pub mod english;
mod english_notices;
mod english_values;
mod frozen_sources;
mod history;
mod import;
mod import_check;
pub mod import_job;
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
pub mod status;
mod text;
mod timeline;
pub mod tls_rejections;
pub mod tokens;
mod vendors;

use std::{net::IpAddr, path::PathBuf, pin::Pin, sync::Arc};

use gangway_base::{clock::SharedClock, tasks::Tasks};
use gangway_wire::appws::Envelope;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use self::{
    caller::Caller, device_index::DeviceIndex, import::Imports, notices::AbsenceTracker,
    rejected_logins::RejectedLogins,
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
    store::{Store, StoreError},
};

/// A source that tries one MAC address after the other; see [`Deps::scanning`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanningSource {
    /// From where.
    pub address: IpAddr,
    /// Since when.
    pub since: Timestamp,
    /// Until when it gets nothing without proof.
    pub until: Timestamp,
}

/// See [`Deps::resync`].
pub type CheckSyncSender =
    Box<dyn Fn(Arc<Phone>) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>> + Send + Sync>;

/// What the desk works with.
pub struct ServiceDependencies {
    /// The build that runs: pages of another one reload.
    pub build: &'static str,
    /// The records.
    pub store: Store,
    /// The tenants.
    pub instances: Instances,
    /// The vendors.
    pub registry: SharedRegistry,
    /// Renders without a cache: looking at files must not push out what phones fetch.
    pub renderer: Renderer,
    /// Under which URLs phones reach an instance.
    pub urls: PublicUrlsOf,
    /// Logins with a right password that did not get in.
    pub turned_away: Arc<RejectedLogins>,
    /// The PBXs that are connected.
    pub sessions: PbxSessions,
    /// The links to Devices.
    pub devices: DevicesLinks,
    /// The PBXs' user objects.
    pub pbx: Arc<dyn Pbx>,
    /// Takes provisioning requests.
    pub provisioning: Provisioning,
    /// Has a phone told to come now; its time line says whether it does.
    pub resync: CheckSyncSender,
    /// TLS handshakes at our listeners that failed.
    pub failures: Arc<FailedHandshakes>,
    /// What settings may have the gateway connect to.
    pub reach: EgressPolicy,
    /// The certificates phones see, as files.
    pub certificates: Vec<PathBuf>,
    /// The sources that try one MAC address after the other.
    pub scanning: Box<dyn Fn(InstanceId) -> Vec<ScanningSource> + Send + Sync>,
    /// How the file descriptors are shared out.
    pub shares: DescriptorShares,
    /// Ends the freeze of the source with this address; false when none is frozen.
    pub thaw: Box<dyn Fn(InstanceId, IpAddr) -> bool + Send + Sync>,
    /// The proxies before the gateway that the configuration does not take into account.
    pub forwarders: Box<dyn Fn(InstanceId) -> Vec<UnlistedProxy> + Send + Sync>,
    /// Time.
    pub clock: SharedClock,
    /// Whom sessions belong to.
    pub tasks: Tasks,
}

/// Serves people. Cheap to clone, usable from any thread.
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
    /// Opens the desk on the current runtime, where all of its work is done.
    #[must_use]
    pub fn start(deps: ServiceDependencies) -> Self {
        let deps = Arc::new(deps);
        let shelf = Arc::new(DeviceIndex::new(Arc::clone(&deps)));
        deps.tasks.spawn("admin shelf", Arc::clone(&shelf).run());
        // Deflating and sealing is no work for a thread that answers phones.
        let writing = deps.store.clone().write_delivered_files(deps.tasks.stop_token());
        deps.tasks.spawn("delivered files", writing);
        let absences = AbsenceTracker::new(deps.clock.now());
        let sip_trust = Arc::new(sip_tls_probe::ProbeResults::default());
        deps.tasks.spawn("sip trust", sip_tls_probe::watch(Arc::clone(&sip_trust), Arc::clone(&deps)));
        let runtime = tokio::runtime::Handle::current();
        let desk = Self(Arc::new(Inner { deps, shelf, imports: Imports::default(), absences, sip_trust, runtime }));
        desk.spawn("handed imports", import_job::watch(desk.clone()));
        desk
    }

    /// Does something on the desk's own thread; without an answer when the gateway stops first.
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
                // Whoever asked may have gone away; what was asked for is done all the same.
                value = work => drop(sender.send(value)),
            }
        });
        done
    }

    /// On the desk's own thread, whichever thread calls.
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
