//! An index of the list rows of all phones, updated when records change. Lists are searched and sorted here, so that
//! the page never takes a lock that a phone's request needs. The rows of an instance are loaded when its first page
//! opens.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gangway_wire::appws::{pbx_admin, services};
use jiff::Timestamp;
use tokio::sync::broadcast::{self, error::RecvError};

use super::{
    ServiceDependencies,
    cause::Cause,
    device_row::DeviceRow,
    diagnosis_facts::{DiagnosisInputs, InstanceStatus},
    tls_rejections,
};
use crate::{
    phone::{
        instance::InstanceId,
        record::{Phone, PhoneId},
    },
    settings::firmware::FirmwareState,
};

/// Changes within this time are published together.
pub const TOGETHER: Duration = Duration::from_millis(100);
/// Interval for updating rows whose state depends on time.
const BY_TIME: Duration = Duration::from_secs(30);
/// Delay of the status update after a phone has rejected the gateway's certificate.
const AFTER_REFUSAL: Duration = Duration::from_millis(500);
/// Number of batches a slow session may lag behind before it reloads everything.
const BATCHES: usize = 64;

/// Rows that changed together.
#[derive(Debug)]
pub struct RowBatch {
    /// The instance.
    pub instance: InstanceId,
    /// The new rows.
    pub rows: Vec<Arc<DeviceRow>>,
}

#[derive(Default)]
struct CachedInstance {
    instance_status: Arc<InstanceStatus>,
    rows: HashMap<PhoneId, Arc<DeviceRow>>,
}

/// The index. Only the admin thread accesses it.
pub struct DeviceIndex {
    deps: Arc<ServiceDependencies>,
    loaded: Mutex<HashMap<InstanceId, CachedInstance>>,
    batches: broadcast::Sender<Arc<RowBatch>>,
}

impl DeviceIndex {
    /// Creates an empty index. [`Self::run`] updates it.
    #[must_use]
    pub fn new(deps: Arc<ServiceDependencies>) -> Self {
        Self { deps, loaded: Mutex::default(), batches: broadcast::Sender::new(BATCHES) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<InstanceId, CachedInstance>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Subscribes to changes.
    #[must_use]
    pub fn batches(&self) -> broadcast::Receiver<Arc<RowBatch>> {
        self.batches.subscribe()
    }

    /// Returns all rows of an instance.
    #[must_use]
    pub fn rows(&self, instance: InstanceId) -> Vec<Arc<DeviceRow>> {
        let mut loaded = self.lock();
        let cached = loaded.entry(instance).or_insert_with(|| self.load(instance));
        cached.rows.values().cloned().collect()
    }

    /// Returns the status of an instance on which its rows depend.
    #[must_use]
    pub fn instance_status(&self, instance: InstanceId) -> Arc<InstanceStatus> {
        Arc::clone(&self.lock().entry(instance).or_insert_with(|| self.load(instance)).instance_status)
    }

    fn load(&self, instance: InstanceId) -> CachedInstance {
        let instance_status = Arc::new(instance_status(&self.deps, instance));
        let now = self.deps.clock.now();
        let phones = self.deps.store.phones().in_instance(instance);
        let rows = phones.into_iter().map(|phone| (phone.id, self.row(phone, &instance_status, now))).collect();
        CachedInstance { instance_status, rows }
    }

    /// Creates a row from the current records.
    #[must_use]
    pub fn row(&self, phone: Arc<Phone>, instance_status: &InstanceStatus, now: Timestamp) -> Arc<DeviceRow> {
        let last = self.deps.store.requests().last(phone.id);
        let known_model = knows_model(&self.deps, &phone);
        let facts = DiagnosisInputs { instance_status, request: last.as_ref(), known_model, manual_url: None };
        let firmware = FirmwareState::of_phone(&self.deps.store.settings().layers(phone.instance), &phone);
        let row = DeviceRow::new(phone, last.clone(), firmware, &facts, now);
        Arc::new(row)
    }

    /// Updates the index until the gateway stops.
    pub async fn run(self: Arc<Self>) {
        let deps = Arc::clone(&self.deps);
        let mut changes = deps.store.phones().changes();
        let mut requests = deps.store.requests().changes();
        let mut settings = deps.store.settings().changes();
        let mut pbxs = deps.sessions.changes();
        let mut refusals = deps.failures.changes();
        let mut news = IndexUpdate::default();
        let mut by_time = deps.clock.now().saturating_add(BY_TIME).unwrap_or(Timestamp::MAX);
        loop {
            let due = news.due.unwrap_or(Timestamp::MAX);
            tokio::select! {
                () = deps.tasks.stopping() => return,
                change = changes.recv() => match change {
                    Ok(change) => news.note([change.id], deps.clock.now()),
                    Err(RecvError::Lagged(_)) => news.everything(deps.clock.now()),
                    Err(RecvError::Closed) => return,
                },
                asked = requests.recv() => match asked {
                    Ok(ids) => news.note(ids.iter().copied(), deps.clock.now()),
                    Err(RecvError::Lagged(_)) => news.everything(deps.clock.now()),
                    Err(RecvError::Closed) => return,
                },
                changed = settings.recv() => match changed {
                    Ok(instance) => news.note(self.other_firmware(instance), deps.clock.now()),
                    Err(RecvError::Lagged(_)) => news.everything(deps.clock.now()),
                    Err(RecvError::Closed) => return,
                },
                changed = pbxs.recv() => match changed {
                    Ok(changed) => self.refresh_status(Some(changed.0), &mut news),
                    Err(RecvError::Lagged(_)) => self.refresh_status(None, &mut news),
                    Err(RecvError::Closed) => return,
                },
                Ok(()) = refusals.changed() => {
                    // A phone that rejects the certificate retries continuously; one update covers all attempts.
                    let soon = deps.clock.now().saturating_add(AFTER_REFUSAL).unwrap_or(Timestamp::MAX);
                    by_time = by_time.min(soon);
                }
                () = deps.clock.sleep_until(due), if news.due.is_some() => self.publish(&std::mem::take(&mut news)),
                () = deps.clock.sleep_until(by_time) => {
                    by_time = deps.clock.now().saturating_add(BY_TIME).unwrap_or(Timestamp::MAX);
                    // A PBX can change the gateway's URL without a notification.
                    self.refresh_status(None, &mut news);
                    let waiting = self.waiting();
                    news.note(waiting, deps.clock.now());
                }
            }
        }
    }

    /// Phones that need an administrator's attention after some time.
    fn waiting(&self) -> Vec<PhoneId> {
        let loaded = self.lock();
        let rows = loaded.values().flat_map(|cached| cached.rows.values());
        let by_time = |row: &&Arc<DeviceRow>| {
            matches!(
                row.cause,
                Cause::RedirectedNotAsked | Cause::CertificatePerhapsRefused | Cause::RedirectNotConfigured
            )
        };
        rows.filter(by_time).map(|row| row.phone.id).collect()
    }

    /// Phones whose required firmware differs from their row. Most settings do not affect rows.
    fn other_firmware(&self, instance: InstanceId) -> Vec<PhoneId> {
        let layers = self.deps.store.settings().layers(instance);
        let loaded = self.lock();
        let rows = loaded.get(&instance).into_iter().flat_map(|cached| cached.rows.values());
        let others = rows.filter(|row| FirmwareState::of_phone(&layers, &row.phone) != row.firmware);
        others.map(|row| row.phone.id).collect()
    }

    fn refresh_status(&self, instance: Option<InstanceId>, news: &mut IndexUpdate) {
        let now = self.deps.clock.now();
        for (id, cached) in self.lock().iter_mut().filter(|(id, _)| instance.is_none_or(|only| only == **id)) {
            let instance_status = instance_status(&self.deps, *id);
            if *cached.instance_status == instance_status {
                continue;
            }
            // Rejections of the gateway's certificate affect only phones that have not sent a request, and repeat
            // often.
            let before =
                InstanceStatus { refusals: instance_status.refusals.clone(), ..(*cached.instance_status).clone() };
            match before == instance_status {
                true => news.note(
                    cached.rows.values().filter(|row| tls_rejections::may_explain(row.cause)).map(|row| row.phone.id),
                    now,
                ),
                false => news.note(cached.rows.keys().copied(), now),
            }
            cached.instance_status = Arc::new(instance_status);
        }
    }

    fn publish(&self, news: &IndexUpdate) {
        let now = self.deps.clock.now();
        let mut batches: HashMap<InstanceId, Vec<Arc<DeviceRow>>> = HashMap::new();
        {
            let mut loaded = self.lock();
            let roster = self.deps.store.phones();
            let phones: Vec<Arc<Phone>> = match news.all {
                true => loaded.keys().flat_map(|instance| roster.in_instance(*instance)).collect(),
                false => news.phones.iter().filter_map(|id| roster.get(*id)).collect(),
            };
            for phone in phones {
                let Some(cached) = loaded.get_mut(&phone.instance) else { continue };
                let instance = phone.instance;
                let row = self.row(phone, &cached.instance_status, now);
                cached.rows.insert(row.phone.id, Arc::clone(&row));
                batches.entry(instance).or_default().push(row);
            }
        }
        for (instance, rows) in batches {
            // Ignore the error: there are no subscribers.
            let _ = self.batches.send(Arc::new(RowBatch { instance, rows }));
        }
    }
}

/// Changes that have not been published yet.
#[derive(Default)]
struct IndexUpdate {
    phones: BTreeSet<PhoneId>,
    all: bool,
    due: Option<Timestamp>,
}

impl IndexUpdate {
    fn note(&mut self, phones: impl IntoIterator<Item = PhoneId>, now: Timestamp) {
        self.phones.extend(phones);
        if !self.phones.is_empty() {
            self.arm(now);
        }
    }

    fn everything(&mut self, now: Timestamp) {
        self.all = true;
        self.arm(now);
    }

    fn arm(&mut self, now: Timestamp) {
        self.due.get_or_insert(now.saturating_add(TOGETHER).unwrap_or(Timestamp::MAX));
    }
}

/// Whether the vendor's folder lists the model that the phone reported. True if it has not reported one.
#[must_use]
pub fn knows_model(deps: &ServiceDependencies, phone: &Phone) -> bool {
    let registry = deps.registry.load();
    let known = registry.vendor(&phone.vendor);
    phone.model.as_deref().is_none_or(|model| known.is_some_and(|vendor| vendor.model(model).is_some()))
}

fn instance_status(deps: &ServiceDependencies, instance: InstanceId) -> InstanceStatus {
    let sessions = deps.sessions.of(instance);
    let grants = |api: &str| sessions.iter().any(|session| session.grants(api));
    let mut without_admin: Vec<String> = match grants(pbx_admin::API) {
        true => Vec::new(),
        false => sessions
            .iter()
            .map(|session| session.identity.app.clone())
            .filter(|app| app != crate::pbx::app_objects::ADMIN_APP)
            .collect(),
    };
    without_admin.sort();
    without_admin.dedup();
    InstanceStatus {
        pbx: !sessions.is_empty(),
        services: grants(services::API),
        devices: !deps.sessions.services(instance, services::DEVICES_API).is_empty(),
        urls: (deps.urls)(instance),
        without_admin,
        refusals: tls_rejections::refusals(deps, instance),
    }
}
