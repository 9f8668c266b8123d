//! The handle of provisioning for other modules: requests, learned facts, and deliveries to phones.

use std::{future::Future, sync::Arc};

use gangway_base::{clock::SharedClock, tasks::Tasks};
use tokio::sync::mpsc;
use url::Url;

use super::{
    account_audit,
    context::InstanceContext,
    engine::Engine,
    ports::{ProviderCatalog, RedirectService, Sysclients},
    public_url::public_urls,
    registration_audit,
    request::{self, MacLocks, ProvisionRequest},
    scheduler,
    sysclient_events::SysclientEventWriter,
    transitions,
};
use crate::{
    base::failpoint::{Failpoint, failpoint},
    devices::{client::Membership, sysclients::SysclientEvent},
    pbx::user_objects::Pbx,
    phone::{
        facet::{RequestState, UserObjectState},
        instance::{InstanceId, Instances},
        record::{Phone, PhoneId},
    },
    redirect::{Operation, RedirectResult},
    store::{NewEvent, Store},
};

/// The dependencies of provisioning.
pub struct ProvisioningDependencies {
    /// The store with the phones.
    pub store: Store,
    /// The instances (tenants).
    pub instances: Instances,
    /// The manifests.
    pub providers: Arc<dyn ProviderCatalog>,
    /// The PBXs.
    pub pbx: Arc<dyn Pbx>,
    /// The sysclient pool.
    pub sysclients: Arc<dyn Sysclients>,
    /// The events of the pool.
    pub sysclient_events: mpsc::Receiver<SysclientEvent>,
    /// The redirect services.
    pub redirects: Arc<dyn RedirectService>,
    /// The clock.
    pub clock: SharedClock,
    /// The task group of the engine.
    pub tasks: Tasks,
    /// Why provisioning is passive, if it is: requests of Users are rejected with this reason, and nothing is written.
    pub passive: Option<String>,
}

/// The handle. Cheap to clone and usable from any thread.
#[derive(Clone)]
pub struct Provisioning {
    pub(super) engine: Arc<Engine>,
    locks: Arc<MacLocks>,
    passive: Option<Arc<str>>,
    runtime: tokio::runtime::Handle,
}

impl Provisioning {
    /// Starts the engine on the current runtime; every unsettled record is decided at once.
    #[must_use]
    pub fn start(deps: ProvisioningDependencies) -> Self {
        let ProvisioningDependencies {
            store,
            instances,
            providers,
            pbx,
            sysclients,
            sysclient_events,
            redirects,
            clock,
            tasks,
            passive,
        } = deps;
        let urls = public_urls(store.clone(), instances.clone());
        let deps = InstanceContext { store, instances, urls, providers, pbx, clock };
        let engine = Engine::new(deps, sysclients, redirects, tasks.clone());
        if passive.is_none() {
            tasks.spawn("provision", scheduler::run(Arc::clone(&engine)));
            tasks.spawn("presence", account_audit::run(Arc::clone(&engine)));
            tasks.spawn("registrations", registration_audit::run(Arc::clone(&engine)));
            tasks.spawn("provision inbox", SysclientEventWriter::new(Arc::clone(&engine)).run(sysclient_events));
        }
        Self {
            engine,
            locks: Arc::default(),
            passive: passive.map(Into::into),
            runtime: tokio::runtime::Handle::current(),
        }
    }

    /// Handles a request of Users. `Err` is the sentence for the user who entered the MAC. Answers within 30 s. After
    /// the request is written, provisioning continues regardless of the answer, and even if the future is dropped.
    pub fn request(&self, request: ProvisionRequest) -> impl Future<Output = Result<(), String>> + Send + 'static {
        let handle = self.clone();
        async move {
            match handle.passive {
                Some(sentence) => Err(sentence.to_string()),
                None => request::request(&handle.engine, &handle.locks, request).await,
            }
        }
    }

    /// An app object of this provider connected and names this base URL.
    pub fn app_url(&self, instance: InstanceId, provider: impl Into<String>, url: Url) {
        self.named(instance, provider.into(), &String::from(url), true);
    }

    /// The session of such an app object ended.
    pub fn app_url_removed(&self, instance: InstanceId, provider: impl Into<String>, url: Url) {
        self.named(instance, provider.into(), &String::from(url), false);
    }

    fn named(&self, instance: InstanceId, provider: String, url: &str, comes: bool) {
        self.engine.named.count(instance, &provider, url, comes);
        let engine = Arc::clone(&self.engine);
        self.spawn("learn url", async move {
            match engine.named.learn(&engine.deps.store, instance, &provider).await {
                Ok(true) => engine.wake_instance(instance),
                Ok(false) => {}
                Err(error) => tracing::error!(provider, "the learned URL cannot be stored: {error}"),
            }
        });
    }

    /// A PBX connected, disconnected, or changed its grants: retries everything that waits for it.
    pub fn pbx_changed(&self, instance: InstanceId) {
        self.engine.pbx_is_back(instance);
        let engine = Arc::clone(&self.engine);
        self.spawn("pbx changed", async move {
            let now = engine.deps.now();
            failpoint(Failpoint::PbxCame).await;
            for phone in engine.deps.store.phones().in_instance(instance) {
                if !phone.accounts.iter().any(waits_for_pbx) {
                    continue;
                }
                if let Err(error) = engine.deps.store.phones().change(phone.id, |phone, _| retry_now(phone, now)).await
                {
                    tracing::error!(mac = %phone.mac, "cannot be tried again: {error}");
                }
                failpoint(Failpoint::Hurried).await;
            }
            engine.wake_instance(instance);
        });
    }

    /// Devices was discovered or its address changed.
    pub fn devices_changed(&self, instance: InstanceId) {
        self.engine.wake_instance(instance);
    }

    /// Domain and category of devices were read from Devices.
    pub fn memberships_read(&self, instance: InstanceId, memberships: Vec<Membership>) {
        let engine = Arc::clone(&self.engine);
        self.spawn("memberships", async move {
            let roster = engine.deps.store.phones();
            for membership in memberships {
                let Some(phone) = membership.hw_id.parse().ok().and_then(|mac| roster.by_mac(instance, mac)) else {
                    continue;
                };
                let mut after = Phone::clone(&phone);
                transitions::member(&mut after, &membership, &mut Vec::new());
                if after == *phone {
                    continue;
                }
                let change = move |phone: &mut Phone, events: &mut Vec<NewEvent>| {
                    transitions::member(phone, &membership, events);
                };
                if let Err(error) = roster.change_later(phone.id, Box::new(change)).await {
                    tracing::error!(mac = %phone.mac, "its domain and category cannot be stored: {error}");
                }
            }
        });
    }

    /// A device was removed in Devices: marks its accounts as orphaned. The sysclient reports the rest.
    pub fn device_removed(&self, instance: InstanceId, hwid: impl Into<String>) {
        let hwid = hwid.into();
        let engine = Arc::clone(&self.engine);
        self.spawn("device removed", async move {
            let now = engine.deps.now();
            failpoint(Failpoint::RemovalTold).await;
            let Some(phone) = engine
                .deps
                .store
                .phones()
                .in_instance(instance)
                .into_iter()
                .find(|phone| phone.removed_at.is_none() && phone.mac.to_string().eq_ignore_ascii_case(&hwid))
            else {
                return;
            };
            let result = engine
                .deps
                .store
                .phones()
                .change(phone.id, |phone, events| transitions::device_removed(phone, now, events))
                .await;
            if let Err(error) = result {
                tracing::error!(mac = %phone.mac, "its removal in Devices cannot be recorded: {error}");
            }
            failpoint(Failpoint::RemovalWritten).await;
        });
    }

    /// Checks the redirect account of a vendor without changing anything at the service; `None` without an account.
    pub fn probe_redirect(
        &self,
        instance: InstanceId,
        vendor: &str,
    ) -> impl Future<Output = Option<RedirectResult>> + Send + 'static {
        let account = self.engine.deps.account(instance, vendor).map(|facts| facts.account);
        let redirects = Arc::clone(&self.engine.redirects);
        async move { Some(redirects.run(account?, Operation::Probe, None).await) }
    }

    /// Whether phones of this vendor can be redirected, that is, an account is configured.
    #[must_use]
    pub fn has_redirect_account(&self, instance: InstanceId, vendor: &str) -> bool {
        self.engine.deps.account(instance, vendor).is_some()
    }

    /// The phone sent a request and needed nothing new.
    pub fn note_request(&self, phone: PhoneId) {
        let is_overdue = |phone: &Phone| phone.request.state == RequestState::Overdue;
        self.note(phone, is_overdue, |phone, now, _| transitions::requested(phone, now));
    }

    /// Changes a record in the background if the change is new, so that requests do not cause unnecessary writes.
    fn note(
        &self,
        phone: PhoneId,
        is_news: impl Fn(&Phone) -> bool,
        change: impl FnOnce(&mut Phone, jiff::Timestamp, &mut Vec<NewEvent>) + Send + 'static,
    ) {
        if !self.engine.deps.store.phones().get(phone).is_some_and(|phone| is_news(&phone)) {
            return;
        }
        let engine = Arc::clone(&self.engine);
        self.spawn("note", async move {
            let now = engine.deps.now();
            failpoint(Failpoint::SignOfLifeCame).await;
            let result = engine.deps.store.phones().change(phone, |phone, events| change(phone, now, events)).await;
            failpoint(Failpoint::SignOfLifeWritten).await;
            if let Err(error) = result {
                tracing::error!(phone = phone.0, "what the phone asked cannot be recorded: {error}");
            }
        });
    }

    /// Spawns a task on the engine's runtime, from any thread.
    fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let _entered = self.runtime.enter();
        self.engine.tasks.spawn(name, task);
    }
}

fn waits_for_pbx(account: &crate::phone::record::Account) -> bool {
    account.user_object.next_attempt.is_some() || account.registration.next_attempt.is_some()
}

/// Retries now what waited for a PBX. A missing device keeps its own pause.
fn retry_now(phone: &mut Phone, now: jiff::Timestamp) {
    for account in &mut phone.accounts {
        for next in [&mut account.user_object.next_attempt, &mut account.registration.next_attempt] {
            if next.is_some_and(|at| at > now) {
                *next = Some(now);
            }
        }
        if account.user_object.state == UserObjectState::NotPermitted {
            account.user_object.attempts = 0;
        }
    }
}
