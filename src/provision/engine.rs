//! The state that the provisioning tasks share: which phones to decide, which actions are under way, and what the
//! sysclient pool holds. It contains nothing that could disagree with the record. It may be dropped at any point; a new
//! engine on the same store continues.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    mem::discriminant,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gangway_base::tasks::Tasks;
use jiff::Timestamp;
use tokio::sync::Notify;

use super::{
    context::{AccountFacts, InstanceContext},
    deadlines::Deadlines,
    endpoint_queue::{EndpointHealth, EndpointKey, EndpointQueues, WaitQueue},
    flow::{self, Action, DevicesCandidate, FacetTask, NextStep, ServerReadiness, SysclientTarget},
    ports::{RedirectService, Sysclients},
    public_url::UrlObservers,
    redirect_accounts::ServerEntryStates,
};
use crate::phone::{
    instance::InstanceId,
    record::{Phone, PhoneId},
};

/// Limit of concurrent actions.
const AT_ONCE: usize = 64;
/// Number of phones decided in one batch after a shared fact has changed, and the pause before the next batch, so that
/// phones with a waiting caller are served first.
const MASS_BATCH: usize = 64;
const MASS_PAUSE: Duration = Duration::from_millis(5);

/// The state that the engine's tasks and the handle share.
pub(super) struct Engine {
    pub(super) deps: InstanceContext,
    pub(super) fleet: Arc<dyn Sysclients>,
    pub(super) redirects: Arc<dyn RedirectService>,
    pub(super) tasks: Tasks,
    pub(super) named: UrlObservers,
    state: Mutex<State>,
    /// Ends the scheduler's pause.
    pub(super) wake: Notify,
}

/// The phones to decide, and the actions under way.
#[derive(Default)]
pub(super) struct State {
    pub(super) dirty: BTreeSet<PhoneId>,
    /// Phones to decide because a shared fact changed; a few at a time.
    pub(super) mass: BTreeSet<PhoneId>,
    pub(super) mass_next: Option<Timestamp>,
    /// Phones for which no action could start because of the limit, in FIFO order.
    pub(super) backlog: WaitQueue,
    pub(super) under_way: HashSet<(PhoneId, FacetTask)>,
    pub(super) pauses: HashMap<(PhoneId, FacetTask), Timestamp>,
    pub(super) due: Deadlines,
    pub(super) targets: HashMap<PhoneId, SysclientTarget>,
    pub(super) endpoints: EndpointQueues,
    pub(super) accounts: ServerEntryStates,
    pub(super) accounts_dirty: bool,
}

impl State {
    fn endpoint_done(&mut self, key: &EndpointKey, seen: Option<EndpointHealth>, now: Timestamp) {
        self.accounts_dirty |= self.endpoints.done(key, seen, now);
    }

    pub(super) fn room(&self) -> usize {
        AT_ONCE.saturating_sub(self.under_way.len())
    }

    /// Takes as many phones from the backlog as there is room for. Some of them may have nothing to do any more.
    pub(super) fn drain_backlog(&mut self) {
        for _ in 0..self.room() {
            let Some(phone) = self.backlog.next() else { break };
            self.dirty.insert(phone);
        }
    }

    pub(super) fn wake_batch(&mut self, now: Timestamp) {
        // Wait also while phones of the last batch are in the backlog: a phone with a waiting caller would queue behind
        // all of them.
        if self.mass.is_empty() || !self.backlog.is_empty() || self.mass_next.is_some_and(|at| now < at) {
            return;
        }
        for _ in 0..MASS_BATCH {
            let Some(phone) = self.mass.pop_first() else { break };
            self.dirty.insert(phone);
        }
        self.mass_next = now.saturating_add(MASS_PAUSE).ok();
    }
}

impl Engine {
    pub(super) fn new(
        deps: InstanceContext,
        fleet: Arc<dyn Sysclients>,
        redirects: Arc<dyn RedirectService>,
        tasks: Tasks,
    ) -> Arc<Self> {
        let mass = deps.store.phones().all().iter().map(|phone| phone.id).collect();
        let state = State { mass, accounts_dirty: true, ..State::default() };
        Arc::new(Self {
            deps,
            fleet,
            redirects,
            tasks,
            named: UrlObservers::default(),
            state: Mutex::new(state),
            wake: Notify::new(),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Schedules these phones to be decided again.
    pub(super) fn wake(&self, phones: impl IntoIterator<Item = PhoneId>) {
        self.state().dirty.extend(phones);
        self.wake.notify_one();
    }

    /// Schedules all phones and redirect accounts of the instance, because a shared fact changed.
    pub(super) fn wake_instance(&self, instance: InstanceId) {
        let phones = self.deps.store.phones().in_instance(instance);
        {
            let mut state = self.state();
            state.accounts_dirty = true;
            state.accounts.forget_refusals(instance);
        }
        self.wake_mass(phones.iter().map(|phone| phone.id));
    }

    /// Schedules all phones, because changes were missed and any phone may have changed.
    pub(super) fn wake_everyone(&self) {
        self.wake_mass(self.deps.store.phones().all().iter().map(|phone| phone.id));
    }

    /// Schedules these phones to be decided again, a few at a time.
    fn wake_mass(&self, phones: impl IntoIterator<Item = PhoneId>) {
        self.state().mass.extend(phones);
        self.wake.notify_one();
    }

    /// Ends the turn of an action that belongs to no phone (a server entry).
    pub(super) fn turn_ended(&self, key: &EndpointKey, seen: EndpointHealth, now: Timestamp) {
        self.state().endpoint_done(key, Some(seen), now);
        self.wake.notify_one();
    }

    /// Ends an action and applies what it learned about its endpoint.
    pub(super) fn action_is_over(
        &self,
        key: (PhoneId, FacetTask),
        endpoint: Option<&EndpointKey>,
        seen: Option<EndpointHealth>,
    ) {
        let now = self.deps.now();
        {
            let mut state = self.state();
            state.under_way.remove(&key);
            state.dirty.insert(key.0);
            if let Some(endpoint) = endpoint {
                state.endpoint_done(endpoint, seen, now);
            }
        }
        self.wake.notify_one();
    }

    /// Why the phone's redirect service is away.
    pub(super) fn away_why(&self, phone: &Phone) -> Option<String> {
        let facts = self.deps.account(phone.instance, &phone.vendor)?;
        self.state().endpoints.away_why(&EndpointKey::redirect(&facts.account))
    }

    /// A PBX of the instance connected or its rights changed.
    pub(super) fn pbx_is_back(&self, instance: InstanceId) {
        self.state().endpoints.is_back(&EndpointKey::Pbx(instance));
        self.wake.notify_one();
    }

    pub(super) fn current_spec(&self, phone: PhoneId) -> Option<SysclientTarget> {
        self.state().targets.get(&phone).cloned()
    }

    pub(super) fn set_current_spec(&self, phone: PhoneId, hold: Option<SysclientTarget>) {
        let mut state = self.state();
        match hold {
            Some(hold) => state.targets.insert(phone, hold),
            None => state.targets.remove(&phone),
        };
    }

    /// Schedules every phone and redirect account of all instances.
    pub(super) fn wake_all(&self) {
        for instance in self.deps.instances.iter() {
            self.wake_instance(instance.id);
        }
    }

    /// The facts besides the record that decisions about a phone depend on.
    pub(super) fn context(
        &self,
        phone: &Phone,
        facts: Option<&AccountFacts>,
        target: Option<SysclientTarget>,
    ) -> flow::FlowContext {
        let (away, server) = {
            let state = self.state();
            let away = facts.and_then(|facts| state.endpoints.away_until(&EndpointKey::redirect(&facts.account)));
            let server = facts.map_or(ServerReadiness::Pending, |facts| state.accounts.readiness(facts));
            (away, server)
        };
        let devices = self.deps.devices(phone).into_iter();
        let devices = devices.map(|url| DevicesCandidate { is_away: self.fleet.is_away(&url), url }).collect();
        self.deps.context(phone, facts, target, devices, away, server)
    }

    /// Decides again with the current facts. Returns nothing if the record no longer requires the action.
    pub(super) fn revalidate(&self, phone: &Phone, concern: FacetTask, decided: &Action) -> Option<Action> {
        let facts = self.deps.account(phone.instance, &phone.vendor);
        let context = self.context(phone, facts.as_ref(), self.current_spec(phone.id));
        match flow::decide_one(concern, phone, &context, self.deps.now()) {
            NextStep::Act(action) if discriminant(&action) == discriminant(decided) => Some(action),
            _ => None,
        }
    }

    /// Whether the serial number of the rejected phone differs from the one at the last call.
    pub(super) fn serial_is_new(&self, phone: &Phone) -> bool {
        self.state().accounts.serial_is_new(phone.id, self.deps.serial(phone))
    }

    /// Changes the states of the server entries, and has them decided again.
    pub(super) fn with_accounts<R>(&self, change: impl FnOnce(&mut ServerEntryStates) -> R) -> R {
        let result = {
            let mut state = self.state();
            state.accounts_dirty = true;
            change(&mut state.accounts)
        };
        self.wake.notify_one();
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_phones_connect_as_soon_as_a_slot_is_free() {
        let mut state = State::default();
        state.under_way.extend((0..64).map(|number| (PhoneId(number), FacetTask::Request)));
        for number in 100..120 {
            state.backlog.join(PhoneId(number));
        }
        state.drain_backlog();
        assert!(state.dirty.is_empty(), "no room");
        // Two actions end. The phones that are decided then have nothing to do, so the room stays free.
        state.under_way.retain(|(phone, _)| phone.0 >= 2);
        for taken in (2..=20).step_by(2) {
            state.drain_backlog();
            assert_eq!(state.dirty.len(), taken);
        }
        assert!(state.backlog.is_empty());
    }
}
