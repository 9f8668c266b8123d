//! Decides the facets of a phone again whenever its record changes or a deadline is reached, and has `steps` execute
//! the actions.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::{
    bootstrap_account,
    context::AccountFacts,
    endpoint_queue::{EndpointKey, Permit},
    engine::{Engine, State},
    flow::{self, Action, FacetTask, NextStep},
    running::ActionGuard,
    server_entries, steps,
};
use crate::phone::{
    facet::RedirectState,
    record::{Phone, PhoneId},
};

/// Phones decided in one turn, before other events are handled.
const BATCH: usize = 256;
/// Pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// Runs until the gateway stops.
pub(super) async fn run(engine: Arc<Engine>) {
    let mut changes = engine.deps.store.phones().changes();
    let mut settings = engine.deps.store.settings().changes();
    for instance in engine.deps.instances.iter() {
        if let Err(error) = bootstrap_account::ensure_shared_account(&engine.deps.store, instance.id).await {
            tracing::error!(instance = %instance.label(), "the shared bootstrap account cannot be stored: {error}");
        }
    }
    for instance in engine.deps.instances.iter() {
        engine.retry_refused(instance.id);
    }
    loop {
        let next = run_turn(&engine);
        let timer = engine.deps.clock.sleep_until(next.unwrap_or(Timestamp::MAX));
        tokio::select! {
            biased;
            () = engine.tasks.stopping() => return,
            change = changes.recv() => match change {
                // Changes that were written together are decided together.
                Ok(change) => {
                    let mut phones = vec![change.id];
                    while phones.len() < BATCH {
                        match changes.try_recv() {
                            Ok(change) => phones.push(change.id),
                            Err(TryRecvError::Lagged(_)) => engine.wake_everyone(),
                            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                        }
                    }
                    engine.wake(phones);
                }
                Err(RecvError::Lagged(_)) => engine.wake_everyone(),
                Err(RecvError::Closed) => return,
            },
            change = settings.recv() => match change {
                Ok(instance) => {
                    engine.retry_refused(instance);
                    engine.wake_instance(instance);
                }
                Err(RecvError::Lagged(_)) => engine.wake_all(),
                Err(RecvError::Closed) => return,
            },
            () = engine.wake.notified() => {}
            () = timer, if next.is_some() => {}
        }
    }
}

/// Decides a batch. Returns the latest time of the next turn (now, if more phones are waiting).
fn run_turn(engine: &Arc<Engine>) -> Option<Timestamp> {
    let now = engine.deps.now();
    let accounts_next = reconcile_server_entries(engine, now);
    let batch: Vec<PhoneId> = {
        let mut state = engine.state();
        let state = &mut *state;
        state.due.take(now, &mut state.dirty);
        state.drain_backlog();
        state.wake_batch(now);
        // After the server entries, which have priority.
        state.dirty.extend(state.endpoints.invite(now));
        let batch: Vec<PhoneId> = state.dirty.iter().copied().take(BATCH).collect();
        for id in &batch {
            state.dirty.remove(id);
            state.mass.remove(id);
        }
        batch
    };
    for id in batch {
        decide(engine, id, now);
        engine.state().endpoints.leave(id);
    }
    let state = engine.state();
    if !state.dirty.is_empty() || (!state.backlog.is_empty() && state.room() > 0) {
        return Some(now);
    }
    let mass_next = state.mass_next.filter(|_| !state.mass.is_empty() && state.backlog.is_empty());
    // A server entry whose turn was taken in the meantime waits for that turn to end.
    let accounts_next = if state.accounts_dirty { Some(now) } else { accounts_next };
    [state.due.next(), accounts_next, mass_next, state.endpoints.next(now)].into_iter().flatten().min()
}

fn decide(engine: &Arc<Engine>, id: PhoneId, now: Timestamp) {
    let Some(phone) = engine.deps.store.phones().get(id) else { return };
    let target = engine.current_spec(id);
    if phone.removed_at.is_some() && target.is_none() {
        engine.state().due.set(id, None);
        return;
    }
    let mut next = None;
    let mut sooner = |at: Timestamp| next = Some(next.map_or(at, |before: Timestamp| before.min(at)));
    let facts = engine.deps.account(phone.instance, &phone.vendor);
    for (concern, decision) in flow::decide(&phone, &engine.context(&phone, facts.as_ref(), target), now) {
        match decision {
            NextStep::Act(action) => {
                if let Some(at) = start(engine, &phone, facts.as_ref(), concern, action, now) {
                    sooner(at);
                }
            }
            NextStep::WaitUntil(at) => sooner(at),
            NextStep::WaitFor(_) | NextStep::Settled => {}
        }
    }
    engine.state().due.set(id, next);
}

/// Starts an action unless the same task is busy. Returns the time until which it has to wait, if any.
fn start(
    engine: &Arc<Engine>,
    phone: &Arc<Phone>,
    facts: Option<&AccountFacts>,
    concern: FacetTask,
    action: Action,
    now: Timestamp,
) -> Option<Timestamp> {
    let key = (phone.id, concern);
    let endpoint = endpoint_of(phone, facts, &action);
    let mut is_probe = false;
    {
        let mut state = engine.state();
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
                Permit::Go { is_probe: probe } => is_probe = probe,
                Permit::Queued => return None,
                Permit::Later(at) => return Some(at),
            }
        }
        state.under_way.insert(key);
    }
    let running = ActionGuard::new(Arc::clone(engine), key, endpoint, is_probe);
    let (shared, phone) = (Arc::clone(engine), Arc::clone(phone));
    engine.tasks.spawn("step", async move { carry_out(shared, phone, concern, action, running).await });
    None
}

fn reconcile_server_entries(engine: &Arc<Engine>, now: Timestamp) -> Option<Timestamp> {
    let (is_dirty, next) = {
        let mut state = engine.state();
        let next = state.accounts.next();
        (std::mem::take(&mut state.accounts_dirty) || next.is_some_and(|at| at <= now), next)
    };
    if !is_dirty {
        return next;
    }
    for instance in engine.deps.instances.iter() {
        for (vendor, _) in engine.deps.providers.vendors() {
            let facts = engine.deps.account(instance.id, &vendor);
            let work = {
                let mut state = engine.state();
                let State { accounts, endpoints, .. } = &mut *state;
                accounts.decide(instance.id, &vendor, facts, endpoints, now)
            };
            if let Some(work) = work {
                let shared = Arc::clone(engine);
                engine.tasks.spawn("server entry", async move { server_entries::ensure(shared, work).await });
            }
        }
    }
    engine.state().accounts.next()
}

/// Carries out an action; if its result cannot be recorded, the action is retried.
async fn carry_out(
    engine: Arc<Engine>,
    phone: Arc<Phone>,
    concern: FacetTask,
    action: Action,
    mut running: ActionGuard,
) {
    let work = steps::execute(&engine, &phone, concern, action, &mut running);
    tokio::select! {
        biased;
        // A request that was sent is not undone; its answer is requested again after the restart.
        () = engine.tasks.stopping() => {}
        result = work => if let Err(error) = result {
            tracing::error!(mac = %phone.mac, ?concern, "a step could not be recorded, it is tried again: {error}");
            let until = engine.deps.now().saturating_add(STORE_PAUSE).unwrap_or(Timestamp::MAX);
            engine.state().pauses.insert((phone.id, concern), until);
        }
    }
}

/// Whether no caller waits for the action: comparing, and moving a phone that is already redirected.
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
        Action::WriteFlags(_) | Action::CheckRegistration => Some(EndpointKey::Pbx(phone.instance)),
        _ => None,
    }
}
