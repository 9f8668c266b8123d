//! The engine: decides the facets of a phone again whenever its record changes or a time has come, and lets `steps`
//! carry the actions out. It keeps nothing that could disagree with the record: who is to be looked at, what is under
//! way, what the fleet holds. Dropped at any point and started on the same store it goes on.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    mem::discriminant,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gangway_base::tasks::Tasks;
use jiff::Timestamp;
use tokio::sync::{
    Notify,
    broadcast::error::{RecvError, TryRecvError},
};

use super::{
    bootstrap_account,
    context::{AccountFacts, World},
    deadlines::Due,
    endpoint_queue::{EndpointKey, Endpoints, Line, Seen, Turn},
    flow::{self, Action, Concern, Decision, Hold, ServerReadiness},
    ports::{RedirectService, Sysclients},
    public_url::Named,
    server_entries::Accounts,
    steps,
    transitions::Pause,
};
use crate::phone::{
    facet::RedirectState,
    instance::InstanceId,
    record::{Phone, PhoneId},
};

/// Actions under way altogether at most.
const AT_ONCE: usize = 64;
/// Phones decided before the engine looks at anything else.
const BATCH: usize = 256;
/// Phones decided in a row when something all of them share has changed, and the pause before the next ones: whoever
/// waits for an answer comes first.
const MASS_BATCH: usize = 64;
const MASS_PAUSE: Duration = Duration::from_millis(5);
/// Pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// What the engine's tasks and the handle share.
pub(super) struct Engine {
    pub(super) world: World,
    pub(super) fleet: Arc<dyn Sysclients>,
    pub(super) redirects: Arc<dyn RedirectService>,
    pub(super) tasks: Tasks,
    pub(super) named: Named,
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    dirty: BTreeSet<PhoneId>,
    /// The same because of something many share: a few at a time.
    mass: BTreeSet<PhoneId>,
    mass_next: Option<Timestamp>,
    /// Those who found no room: first come, first served.
    backlog: Line,
    under_way: HashSet<(PhoneId, Concern)>,
    pauses: HashMap<(PhoneId, Concern), Timestamp>,
    due: Due,
    held: HashMap<PhoneId, Hold>,
    endpoints: Endpoints,
    accounts: Accounts,
    accounts_dirty: bool,
}

impl State {
    fn endpoint_done(&mut self, key: &EndpointKey, seen: Option<Seen>, now: Timestamp) {
        self.accounts_dirty |= self.endpoints.done(key, seen, now);
    }

    fn room(&self) -> usize {
        AT_ONCE.saturating_sub(self.under_way.len())
    }

    /// As many of those who found no room as there is room for; some of them may have nothing to do any more.
    fn take_some_of_the_backlog(&mut self) {
        for _ in 0..self.room() {
            let Some(phone) = self.backlog.next() else { break };
            self.dirty.insert(phone);
        }
    }

    fn take_some_of_the_mass(&mut self, now: Timestamp) {
        // Nor while some of it have no room: a phone somebody waits for would stand behind all of them.
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
        world: World,
        fleet: Arc<dyn Sysclients>,
        redirects: Arc<dyn RedirectService>,
        tasks: Tasks,
    ) -> Arc<Self> {
        let mass = world.store.roster().all().iter().map(|phone| phone.id).collect();
        let state = State { mass, accounts_dirty: true, ..State::default() };
        Arc::new(Self {
            world,
            fleet,
            redirects,
            tasks,
            named: Named::default(),
            state: Mutex::new(state),
            wake: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has these phones decided again.
    pub(super) fn wake(&self, phones: impl IntoIterator<Item = PhoneId>) {
        self.state().dirty.extend(phones);
        self.wake.notify_one();
    }

    /// Has all phones and redirect accounts of the instance decided again: a fact they share changed.
    pub(super) fn wake_instance(&self, instance: InstanceId) {
        let phones = self.world.store.roster().in_instance(instance);
        {
            let mut state = self.state();
            state.accounts_dirty = true;
            state.accounts.forget_refusals(instance);
        }
        self.wake_mass(phones.iter().map(|phone| phone.id));
    }

    /// Changes were missed: any phone may be another now.
    fn wake_everyone(&self) {
        self.wake_mass(self.world.store.roster().all().iter().map(|phone| phone.id));
    }

    /// Has these phones decided again, a few at a time.
    fn wake_mass(&self, phones: impl IntoIterator<Item = PhoneId>) {
        self.state().mass.extend(phones);
        self.wake.notify_one();
    }

    /// The turn of an action that is no phone's is over.
    pub(super) fn turn_is_over(&self, key: &EndpointKey, seen: Seen, now: Timestamp) {
        self.state().endpoint_done(key, Some(seen), now);
        self.wake.notify_one();
    }

    /// In what way the phone's redirect service is away.
    pub(super) fn away_why(&self, phone: &Phone) -> Option<String> {
        let facts = self.world.account(phone.instance, &phone.vendor)?;
        self.state().endpoints.away_why(&EndpointKey::redirect(&facts.account))
    }

    /// A PBX of the instance came or its rights changed.
    pub(super) fn pbx_is_back(&self, instance: InstanceId) {
        self.state().endpoints.is_back(&EndpointKey::Pbx(instance));
        self.wake.notify_one();
    }

    pub(super) fn held(&self, phone: PhoneId) -> Option<Hold> {
        self.state().held.get(&phone).cloned()
    }

    pub(super) fn set_held(&self, phone: PhoneId, hold: Option<Hold>) {
        let mut state = self.state();
        match hold {
            Some(hold) => state.held.insert(phone, hold),
            None => state.held.remove(&phone),
        };
    }

    /// Runs until the gateway stops.
    pub(super) async fn run(self: Arc<Self>) {
        let mut changes = self.world.store.changes();
        let mut settings = self.world.store.settings_changes();
        for instance in self.world.instances.iter() {
            if let Err(error) = bootstrap_account::ensure_shared_account(&self.world.store, instance.id).await {
                tracing::error!(instance = %instance.label(), "the shared bootstrap account cannot be stored: {error}");
            }
        }
        for instance in self.world.instances.iter() {
            self.retry_refused(instance.id);
        }
        loop {
            let next = self.turn();
            let timer = self.world.clock.sleep_until(next.unwrap_or(Timestamp::MAX));
            tokio::select! {
                biased;
                () = self.tasks.stopping() => return,
                change = changes.recv() => match change {
                    // Changes that were written together are decided together.
                    Ok(change) => {
                        let mut phones = vec![change.id];
                        while phones.len() < BATCH {
                            match changes.try_recv() {
                                Ok(change) => phones.push(change.id),
                                Err(TryRecvError::Lagged(_)) => self.wake_everyone(),
                                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                            }
                        }
                        self.wake(phones);
                    }
                    Err(RecvError::Lagged(_)) => self.wake_everyone(),
                    Err(RecvError::Closed) => return,
                },
                change = settings.recv() => match change {
                    Ok(instance) => {
                        self.retry_refused(instance);
                        self.wake_instance(instance);
                    }
                    Err(RecvError::Lagged(_)) => self.wake_all(),
                    Err(RecvError::Closed) => return,
                },
                () = self.wake.notified() => {}
                () = timer, if next.is_some() => {}
            }
        }
    }

    fn wake_all(&self) {
        for instance in self.world.instances.iter() {
            self.wake_instance(instance.id);
        }
    }

    /// Decides a batch; when to look again at the latest (now, while there is more).
    fn turn(self: &Arc<Self>) -> Option<Timestamp> {
        let now = self.world.now();
        let accounts_next = self.tend_accounts(now);
        let batch: Vec<PhoneId> = {
            let mut state = self.state();
            let state = &mut *state;
            state.due.take(now, &mut state.dirty);
            state.take_some_of_the_backlog();
            state.take_some_of_the_mass(now);
            // After the server entries, which come first.
            state.dirty.extend(state.endpoints.invite(now));
            let batch: Vec<PhoneId> = state.dirty.iter().copied().take(BATCH).collect();
            for id in &batch {
                state.dirty.remove(id);
                state.mass.remove(id);
            }
            batch
        };
        for id in batch {
            self.decide(id, now);
            self.state().endpoints.leave(id);
        }
        let state = self.state();
        if !state.dirty.is_empty() || (!state.backlog.is_empty() && state.room() > 0) {
            return Some(now);
        }
        let mass_next = state.mass_next.filter(|_| !state.mass.is_empty() && state.backlog.is_empty());
        // A server entry whose turn was taken meanwhile waits for its end.
        let accounts_next = if state.accounts_dirty { Some(now) } else { accounts_next };
        [state.due.next(), accounts_next, mass_next, state.endpoints.next(now)].into_iter().flatten().min()
    }

    fn decide(self: &Arc<Self>, id: PhoneId, now: Timestamp) {
        let Some(phone) = self.world.store.roster().get(id) else { return };
        let held = self.held(id);
        if phone.buried.is_some() && held.is_none() {
            self.state().due.set(id, None);
            return;
        }
        let mut next = None;
        let mut sooner = |at: Timestamp| next = Some(next.map_or(at, |before: Timestamp| before.min(at)));
        let facts = self.world.account(phone.instance, &phone.vendor);
        for (concern, decision) in flow::decide(&phone, &self.context(&phone, facts.as_ref(), held), now) {
            match decision {
                Decision::Act(action) => {
                    if let Some(at) = self.start(&phone, facts.as_ref(), concern, action, now) {
                        sooner(at);
                    }
                }
                Decision::WaitUntil(at) => sooner(at),
                Decision::WaitFor(_) | Decision::Settled => {}
            }
        }
        self.state().due.set(id, next);
    }

    fn context(&self, phone: &Phone, facts: Option<&AccountFacts>, held: Option<Hold>) -> flow::Context {
        let (away, server) = {
            let state = self.state();
            let away = facts.and_then(|facts| state.endpoints.away_until(&EndpointKey::redirect(&facts.account)));
            let server = facts.map_or(ServerReadiness::Pending, |facts| state.accounts.readiness(facts));
            (away, server)
        };
        self.world.context(phone, facts, held, away, server)
    }

    /// What a decision comes to now, with what is known by now; nothing where its record asks for it no more.
    pub(super) fn still_wants(&self, phone: &Phone, concern: Concern, decided: &Action) -> Option<Action> {
        let facts = self.world.account(phone.instance, &phone.vendor);
        let context = self.context(phone, facts.as_ref(), self.held(phone.id));
        match flow::decide_one(concern, phone, &context, self.world.now()) {
            Decision::Act(action) if discriminant(&action) == discriminant(decided) => Some(action),
            _ => None,
        }
    }

    /// Starts an action unless the same concern is busy; when it has to wait by the clock, until when.
    fn start(
        self: &Arc<Self>,
        phone: &Arc<Phone>,
        facts: Option<&AccountFacts>,
        concern: Concern,
        action: Action,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let key = (phone.id, concern);
        let endpoint = endpoint_of(phone, facts, &action);
        let mut is_probe = false;
        {
            let mut state = self.state();
            if state.under_way.contains(&key) {
                return None;
            }
            if let Some(until) = state.pauses.get(&key).copied() {
                if until > now {
                    return Some(until);
                }
                state.pauses.remove(&key);
            }
            if state.room() == 0 {
                state.backlog.join(phone.id);
                return None;
            }
            if let Some(endpoint) = &endpoint {
                match state.endpoints.turn(endpoint, phone.id, is_patient(phone, &action), now) {
                    Turn::Go { is_probe: probe } => is_probe = probe,
                    Turn::Queued => return None,
                    Turn::Later(at) => return Some(at),
                }
            }
            state.under_way.insert(key);
        }
        let running = Running { engine: Arc::clone(self), key, endpoint, is_probe, seen: None };
        let (engine, phone) = (Arc::clone(self), Arc::clone(phone));
        self.tasks.spawn("step", async move { carry_out(engine, phone, concern, action, running).await });
        None
    }

    fn tend_accounts(self: &Arc<Self>, now: Timestamp) -> Option<Timestamp> {
        let (is_dirty, next) = {
            let mut state = self.state();
            let next = state.accounts.next();
            (std::mem::take(&mut state.accounts_dirty) || next.is_some_and(|at| at <= now), next)
        };
        if !is_dirty {
            return next;
        }
        for instance in self.world.instances.iter() {
            for (vendor, _) in self.world.providers.vendors() {
                let facts = self.world.account(instance.id, &vendor);
                let work = {
                    let mut state = self.state();
                    let State { accounts, endpoints, .. } = &mut *state;
                    accounts.decide(instance.id, &vendor, facts, endpoints, now)
                };
                if let Some(work) = work {
                    let engine = Arc::clone(self);
                    self.tasks.spawn("server entry", async move { super::server_entries::ensure(engine, work).await });
                }
            }
        }
        self.state().accounts.next()
    }

    /// Whether the refused phone has another serial number than when this was asked last.
    pub(super) fn serial_is_new(&self, phone: &Phone) -> bool {
        self.state().accounts.serial_is_new(phone.id, self.world.serial(phone))
    }

    /// For the result of a server entry.
    pub(super) fn with_accounts<R>(&self, change: impl FnOnce(&mut Accounts) -> R) -> R {
        let result = {
            let mut state = self.state();
            state.accounts_dirty = true;
            change(&mut state.accounts)
        };
        self.wake.notify_one();
        result
    }
}

async fn carry_out(engine: Arc<Engine>, phone: Arc<Phone>, concern: Concern, action: Action, mut running: Running) {
    let work = steps::carry_out(&engine, &phone, concern, action, &mut running);
    tokio::select! {
        biased;
        // What was sent is not taken back; its answer is asked for again after the restart.
        () = engine.tasks.stopping() => {}
        result = work => if let Err(error) = result {
            tracing::error!(mac = %phone.mac, ?concern, "a step could not be recorded, it is tried again: {error}");
            let until = engine.world.now().saturating_add(STORE_PAUSE).unwrap_or(Timestamp::MAX);
            engine.state().pauses.insert(running.key, until);
        }
    }
}

/// An action under way; dropped when it is over on any way out.
pub(super) struct Running {
    engine: Arc<Engine>,
    key: (PhoneId, Concern),
    endpoint: Option<EndpointKey>,
    is_probe: bool,
    seen: Option<Seen>,
}

impl Running {
    /// What the action learned about its endpoint.
    pub(super) fn saw(&mut self, seen: Seen) {
        self.seen = Some(seen);
    }

    /// How a failure is repeated.
    pub(super) fn pause(&self) -> Pause {
        Pause { is_probe: self.is_probe, random: rand::random() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let now = self.engine.world.now();
        let mut state = self.engine.state();
        let state_ref = &mut *state;
        state_ref.under_way.remove(&self.key);
        state_ref.dirty.insert(self.key.0);
        if let Some(endpoint) = &self.endpoint {
            state_ref.endpoint_done(endpoint, self.seen.take(), now);
        }
        drop(state);
        self.engine.wake.notify_one();
    }
}

/// What nobody waits for: comparing, and moving a phone that is redirected already.
fn is_patient(phone: &Phone, action: &Action) -> bool {
    match action {
        Action::Verify { .. } => true,
        Action::Register { .. } => phone.redirect.state == RedirectState::Redirected,
        _ => false,
    }
}

fn endpoint_of(phone: &Phone, facts: Option<&AccountFacts>, action: &Action) -> Option<EndpointKey> {
    match action {
        Action::Register { .. } | Action::Verify { .. } | Action::Deregister => {
            facts.map(|facts| EndpointKey::redirect(&facts.account))
        }
        Action::WriteFlags(_) | Action::AskRegistration => Some(EndpointKey::Pbx(phone.instance)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_found_no_room_is_looked_at_while_there_is_room_whatever_the_others_do() {
        let mut state = State::default();
        state.under_way.extend((0..64).map(|number| (PhoneId(number), Concern::Request)));
        for number in 100..120 {
            state.backlog.join(PhoneId(number));
        }
        state.take_some_of_the_backlog();
        assert!(state.dirty.is_empty(), "no room");
        // Two actions end; the phones that are looked at then have nothing to do, so the room stays.
        state.under_way.retain(|(phone, _)| phone.0 >= 2);
        for taken in (2..=20).step_by(2) {
            state.take_some_of_the_backlog();
            assert_eq!(state.dirty.len(), taken);
        }
        assert!(state.backlog.is_empty());
    }
}
