//! The admin app's backend: what its page is told and what people may do, over the api `gangway` of `docs/admin-api.md`.
//! Everything runs on a thread of its own; phones' requests share no lock with it but those they have anyway.

pub mod action;
mod actions;
mod ancestors;
mod assets;
pub mod audit;
mod build;
pub mod cause;
mod chart;
mod codes;
mod config;
pub mod csv;
mod deeds;
mod diff;
pub mod english;
mod english_notices;
mod english_values;
mod file;
pub mod handed;
mod hello;
mod history;
mod import;
mod import_check;
mod inquiry;
mod line_keys;
pub mod message;
mod notices;
mod pages;
mod query;
mod recorder;
pub mod refusal;
pub mod remarks;
mod reply;
mod row;
pub mod sentence;
mod session;
mod settings;
pub mod settings_judge;
pub mod settings_write;
mod shelf;
pub mod sip_trust;
mod snapshot;
mod sources;
mod text;
pub mod tokens;
pub mod told;
mod vendors;
mod view;

use std::{net::IpAddr, path::PathBuf, pin::Pin, sync::Arc};

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

pub use self::{
    assets::page_english,
    build::build,
    import::MOST_BYTES as IMPORT_BYTES,
    inquiry::Inquiry,
    notices::of_certificate,
    pages::AdminPages,
    query::{Query, Sort, Wish},
    reply::Problem,
    row::{Row, Search},
    text::Text,
    view::View,
};
use self::{import::Imports, notices::Absences, shelf::Shelf};
use crate::{
    apis::{
        admin::{self, Person},
        turned_away::TurnedAwayLogins,
    },
    clock::SharedClock,
    http::forwarders::Forwarder,
    links::{devices::DevicesLinks, link::Link, pbx::PbxSessions},
    net::{descriptors::Shares, failed_handshakes::FailedHandshakes, reach::Reach},
    phone::{
        instance::{InstanceId, Instances},
        record::Phone,
    },
    provision::{Provisioning, PublicUrlsOf, ports::Pbx},
    render::Renderer,
    store::{Store, StoreError},
    tasks::Tasks,
    vendor::SharedRegistry,
    wire::appws::Envelope,
};

/// A source that tries one MAC address after the other; see [`Deps::scanning`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanning {
    /// From where.
    pub address: IpAddr,
    /// Since when.
    pub since: Timestamp,
    /// Until when it gets nothing without proof.
    pub until: Timestamp,
}

/// See [`Deps::resync`].
pub type Resync = Box<dyn Fn(Arc<Phone>) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>> + Send + Sync>;

/// What the desk works with.
pub struct Deps {
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
    pub turned_away: Arc<TurnedAwayLogins>,
    /// The PBXs that are connected.
    pub sessions: PbxSessions,
    /// The links to Devices.
    pub devices: DevicesLinks,
    /// The PBXs' user objects.
    pub pbx: Arc<dyn Pbx>,
    /// Takes provisioning requests.
    pub provisioning: Provisioning,
    /// Has a phone told to come now; its time line says whether it does.
    pub resync: Resync,
    /// TLS handshakes at our listeners that failed.
    pub failures: Arc<FailedHandshakes>,
    /// What settings may have the gateway connect to.
    pub reach: Reach,
    /// The certificates phones see, as files.
    pub certificates: Vec<PathBuf>,
    /// The sources that try one MAC address after the other.
    pub scanning: Box<dyn Fn(InstanceId) -> Vec<Scanning> + Send + Sync>,
    /// How the file descriptors are shared out.
    pub shares: Shares,
    /// Ends the freeze of the source with this address; false when none is frozen.
    pub thaw: Box<dyn Fn(InstanceId, IpAddr) -> bool + Send + Sync>,
    /// The proxies before the gateway that the configuration does not take into account.
    pub forwarders: Box<dyn Fn(InstanceId) -> Vec<Forwarder> + Send + Sync>,
    /// Time.
    pub clock: SharedClock,
    /// Whom sessions belong to.
    pub tasks: Tasks,
}

/// Serves people. Cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

struct Inner {
    deps: Arc<Deps>,
    shelf: Arc<Shelf>,
    imports: Imports,
    absences: Absences,
    sip_trust: Arc<sip_trust::Known>,
    runtime: tokio::runtime::Handle,
}

impl Desk {
    /// Opens the desk on the current runtime, where all of its work is done.
    #[must_use]
    pub fn start(deps: Deps) -> Self {
        let deps = Arc::new(deps);
        let shelf = Arc::new(Shelf::new(Arc::clone(&deps)));
        deps.tasks.spawn("admin shelf", Arc::clone(&shelf).run());
        // Deflating and sealing is no work for a thread that answers phones.
        let writing = deps.store.clone().write_delivered_files(deps.tasks.stop_token());
        deps.tasks.spawn("delivered files", writing);
        let absences = Absences::new(deps.clock.now());
        let sip_trust = Arc::new(sip_trust::Known::default());
        deps.tasks.spawn("frame ancestors", ancestors::follow(Arc::clone(&deps)));
        deps.tasks.spawn("sip trust", sip_trust::follow(Arc::clone(&sip_trust), Arc::clone(&deps)));
        let runtime = tokio::runtime::Handle::current();
        let desk = Self(Arc::new(Inner { deps, shelf, imports: Imports::default(), absences, sip_trust, runtime }));
        desk.spawn("handed imports", handed::follow(desk.clone()));
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

impl admin::Desk for Desk {
    fn receive(&self, person: Person, messages: mpsc::Receiver<Envelope>, out: Link) {
        let session = session::Session::new(self.clone(), person, out);
        self.spawn("admin session", session.serve(messages));
    }
}
