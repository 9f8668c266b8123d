//! Queues for the endpoints outside (redirect accounts, the PBXs of an instance): how many actions are under way at
//! each, which phones wait for a turn, and whether the endpoint is away. An outage is one state of the endpoint, not of
//! every phone: during an outage the first phone in the queue is sent as a probe, and with the first answer the queue
//! moves again. A failing endpoint never delays phones of another one.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    net::backoff::{Breaker, BreakerDecision},
    phone::{instance::InstanceId, record::PhoneId},
    redirect::{RedirectAccount, RedirectResult},
};

/// Limit of concurrent actions at the PBXs of an instance. Redirect accounts carry out one action at a time.
const PBX_AT_ONCE: usize = 8;
/// Pause after a service asks to wait without naming a time.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Identifies an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum EndpointKey {
    /// An account at a redirect service. Tenants that share the account share its outages.
    Redirect { protocol: String, url: String, user: String },
    /// The PBXs of an instance.
    Pbx(InstanceId),
}

impl EndpointKey {
    pub(super) fn redirect(account: &RedirectAccount) -> Self {
        Self::Redirect { protocol: account.protocol.clone(), url: account.url.clone(), user: account.user.clone() }
    }

    fn at_once(&self) -> usize {
        match self {
            Self::Redirect { .. } => 1,
            Self::Pbx(_) => PBX_AT_ONCE,
        }
    }
}

/// What an action learned about its endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EndpointHealth {
    /// The endpoint answered, with any result.
    Answered,
    /// The endpoint is unreachable or out of order; the sentence gives the reason, if known.
    Away(Option<String>),
    /// The endpoint asks to wait for this long.
    Busy(Duration),
}

impl EndpointHealth {
    pub(super) fn of(outcome: &RedirectResult) -> Self {
        match outcome {
            RedirectResult::RateLimited { retry_after } => Self::Busy(wait_limit(*retry_after)),
            RedirectResult::Transport(_) => Self::Away(Some(outcome.sentence())),
            _ => Self::Answered,
        }
    }
}

/// How long to wait when a service asks to wait.
pub(super) fn wait_limit(retry_after: Option<Duration>) -> Duration {
    retry_after.unwrap_or(TIMEOUT).max(Duration::from_secs(1))
}

/// A FIFO queue; a phone that joins again keeps its place.
#[derive(Debug, Default)]
pub(super) struct WaitQueue {
    order: BTreeMap<u64, PhoneId>,
    places: HashMap<PhoneId, u64>,
    last: u64,
}

impl WaitQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) fn join(&mut self, phone: PhoneId) {
        if !self.places.contains_key(&phone) {
            self.last += 1;
            self.places.insert(phone, self.last);
            self.order.insert(self.last, phone);
        }
    }

    fn leave(&mut self, phone: PhoneId) {
        if let Some(place) = self.places.remove(&phone) {
            self.order.remove(&place);
        }
    }

    pub(super) fn next(&mut self) -> Option<PhoneId> {
        let (_, phone) = self.order.pop_first()?;
        self.places.remove(&phone);
        Some(phone)
    }
}

#[derive(Debug, Default)]
struct Endpoint {
    breaker: Breaker,
    /// The error of the last attempt, while the endpoint is away.
    why: Option<String>,
    under_way: usize,
    /// Phones taken from the queue and not decided yet; a turn is reserved for each.
    invited: BTreeSet<PhoneId>,
    waiting: WaitQueue,
    /// Phones with background actions, which no caller waits for. They go when no other phone waits.
    patient: WaitQueue,
    server_waits: bool,
}

impl Endpoint {
    fn has_room(&self, at_once: usize) -> bool {
        let limit = if self.breaker.away_since().is_some() { 1 } else { at_once };
        self.under_way + self.invited.len() < limit
    }

    fn is_waited_for(&self) -> bool {
        !self.waiting.is_empty() || !self.patient.is_empty()
    }

    /// Takes a turn if the breaker permits it.
    fn grant(&mut self, now: Timestamp) -> Result<Permit, Timestamp> {
        let is_probe = match self.breaker.admit(now) {
            BreakerDecision::Free => false,
            BreakerDecision::Probe => true,
            BreakerDecision::Wait(until) => return Err(until),
        };
        self.under_way += 1;
        Ok(Permit::Go { is_probe })
    }
}

/// Whether a phone may start its action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permit {
    /// Yes; [`EndpointQueues::done`] must follow. A probe checks whether an endpoint that was away is back.
    Go { is_probe: bool },
    /// The phone is woken when its turn comes.
    Queued,
    /// Not before this time.
    Later(Timestamp),
}

/// All endpoints.
#[derive(Debug, Default)]
pub(super) struct EndpointQueues {
    all: HashMap<EndpointKey, Endpoint>,
    /// The endpoints that each phone is invited to.
    invitations: HashMap<PhoneId, Vec<EndpointKey>>,
}

impl EndpointQueues {
    pub(super) fn away_until(&self, key: &EndpointKey) -> Option<Timestamp> {
        self.all.get(key).and_then(|endpoint| endpoint.breaker.next_probe())
    }

    /// Why the endpoint is away, from the last attempt.
    pub(super) fn away_why(&self, key: &EndpointKey) -> Option<String> {
        self.all.get(key).filter(|endpoint| endpoint.breaker.away_since().is_some())?.why.clone()
    }

    /// Requests a turn; `is_patient` if no caller waits for the result. Never returns [`Permit::Later`], because phones
    /// queue.
    pub(super) fn turn(&mut self, key: &EndpointKey, phone: PhoneId, is_patient: bool, now: Timestamp) -> Permit {
        let endpoint = self.all.entry(key.clone()).or_default();
        let is_next = endpoint.invited.remove(&phone)
            || (endpoint.has_room(key.at_once())
                && endpoint.waiting.is_empty()
                && (!is_patient || endpoint.patient.is_empty()));
        if is_next && let Ok(turn) = endpoint.grant(now) {
            endpoint.waiting.leave(phone);
            endpoint.patient.leave(phone);
            return turn;
        }
        if is_patient {
            endpoint.patient.join(phone);
        } else {
            endpoint.patient.leave(phone);
            endpoint.waiting.join(phone);
        }
        Permit::Queued
    }

    /// Requests a turn for the account's server entry, ahead of all phones. [`Permit::Queued`] ends with
    /// [`EndpointQueues::done`].
    pub(super) fn server_turn(&mut self, key: &EndpointKey, now: Timestamp) -> Permit {
        let endpoint = self.all.entry(key.clone()).or_default();
        if !endpoint.has_room(key.at_once()) {
            endpoint.server_waits = true;
            return Permit::Queued;
        }
        endpoint.grant(now).unwrap_or_else(Permit::Later)
    }

    /// Ends a turn. `seen` is `None` if nothing was learned about the endpoint. Returns true if a server entry waits
    /// for its turn.
    pub(super) fn done(&mut self, key: &EndpointKey, seen: Option<EndpointHealth>, now: Timestamp) -> bool {
        let Some(endpoint) = self.all.get_mut(key) else { return false };
        endpoint.under_way = endpoint.under_way.saturating_sub(1);
        let _is_news = match seen {
            Some(EndpointHealth::Answered) => endpoint.breaker.succeeded(),
            Some(EndpointHealth::Away(why)) => {
                endpoint.why = why;
                endpoint.breaker.failed(now)
            }
            Some(EndpointHealth::Busy(pause)) => {
                endpoint.why = None;
                endpoint.breaker.apply_requested_pause(pause, now)
            }
            None => false,
        };
        std::mem::take(&mut endpoint.server_waits)
    }

    /// Records that the endpoint is reachable, as known from another source.
    pub(super) fn is_back(&mut self, key: &EndpointKey) {
        if let Some(endpoint) = self.all.get_mut(key) {
            let _was_away = endpoint.breaker.succeeded();
        }
    }

    /// Takes phones that may go now from the queues. The caller decides them and then calls [leave](Self::leave).
    pub(super) fn invite(&mut self, now: Timestamp) -> Vec<PhoneId> {
        let mut woken = Vec::new();
        for (key, endpoint) in &mut self.all {
            while endpoint.is_waited_for()
                && endpoint.has_room(key.at_once())
                && endpoint.breaker.closed_until(now).is_none()
            {
                let Some(phone) = endpoint.waiting.next().or_else(|| endpoint.patient.next()) else { break };
                endpoint.invited.insert(phone);
                self.invitations.entry(phone).or_default().push(key.clone());
                woken.push(phone);
            }
        }
        woken
    }

    /// Records that the phone was decided. A turn that it was invited to but did not take, because it had something
    /// else to do, passes to the next phone.
    pub(super) fn leave(&mut self, phone: PhoneId) {
        for key in self.invitations.remove(&phone).unwrap_or_default() {
            if let Some(endpoint) = self.all.get_mut(&key) {
                endpoint.invited.remove(&phone);
            }
        }
    }

    /// The latest time at which [invite](Self::invite) must be called again.
    pub(super) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let ready =
            self.all.iter().filter(|(key, endpoint)| endpoint.is_waited_for() && endpoint.has_room(key.at_once()));
        ready.map(|(_, endpoint)| endpoint.breaker.next_probe().unwrap_or(now)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn redirect() -> EndpointKey {
        EndpointKey::Redirect { protocol: "yealink-xmlrpc".into(), url: String::new(), user: "us".into() }
    }

    const GO: Permit = Permit::Go { is_probe: false };
    const PROBE: Permit = Permit::Go { is_probe: true };

    #[test]
    fn turns_are_bounded_and_handed_on_in_the_order_of_asking() {
        let mut endpoints = EndpointQueues::default();
        let key = EndpointKey::Pbx(InstanceId(1));
        for id in 0..8 {
            assert_eq!(endpoints.turn(&key, PhoneId(id), false, at(0)), GO);
        }
        for id in [12, 11, 12] {
            assert_eq!(endpoints.turn(&key, PhoneId(id), false, at(0)), Permit::Queued);
        }
        assert_eq!(endpoints.next(at(0)), None, "nobody is woken in vain");
        endpoints.done(&key, Some(EndpointHealth::Answered), at(0));
        assert_eq!(endpoints.next(at(0)), Some(at(0)));
        assert_eq!(endpoints.invite(at(0)), [PhoneId(12)]);
        assert_eq!(endpoints.turn(&key, PhoneId(13), false, at(0)), Permit::Queued, "the turn is kept");
        assert_eq!(endpoints.turn(&key, PhoneId(12), false, at(0)), GO);
        endpoints.leave(PhoneId(12));
        endpoints.done(&key, Some(EndpointHealth::Answered), at(0));
        endpoints.done(&key, Some(EndpointHealth::Answered), at(0));
        assert_eq!(endpoints.invite(at(0)), [PhoneId(11), PhoneId(13)]);
    }

    #[test]
    fn an_outage_is_one_for_all_and_who_probes_goes_to_the_end_of_the_line() {
        let mut endpoints = EndpointQueues::default();
        let key = redirect();
        assert_eq!(endpoints.turn(&key, PhoneId(1), false, at(0)), GO);
        endpoints.done(&key, Some(EndpointHealth::Away(None)), at(0));
        for id in 1..=3 {
            assert_eq!(endpoints.turn(&key, PhoneId(id), false, at(1)), Permit::Queued);
        }
        assert_eq!(endpoints.invite(at(9)), []);
        assert_eq!(endpoints.next(at(9)), Some(at(10)));
        assert_eq!(endpoints.invite(at(10)), [PhoneId(1)]);
        assert_eq!(endpoints.turn(&key, PhoneId(1), false, at(10)), PROBE);
        assert_eq!(endpoints.invite(at(10)), [], "one probe");
        endpoints.done(&key, Some(EndpointHealth::Away(None)), at(12));
        assert_eq!(endpoints.turn(&key, PhoneId(1), false, at(12)), Permit::Queued);
        assert_eq!(endpoints.next(at(12)), Some(at(20)));
        assert_eq!(endpoints.invite(at(20)), [PhoneId(2)]);
        assert_eq!(endpoints.turn(&key, PhoneId(2), false, at(20)), PROBE);
        endpoints.done(&key, Some(EndpointHealth::Answered), at(21));
        assert_eq!(endpoints.away_until(&key), None);
        assert_eq!(endpoints.invite(at(21)), [PhoneId(3)]);
        assert_eq!(endpoints.turn(&key, PhoneId(3), false, at(21)), GO);
        endpoints.done(&key, Some(EndpointHealth::Answered), at(21));
        assert_eq!(endpoints.invite(at(21)), [PhoneId(1)]);
    }

    #[test]
    fn a_woken_phone_that_no_longer_needs_the_endpoint_passes_its_turn_on() {
        let mut endpoints = EndpointQueues::default();
        let key = redirect();
        assert_eq!(endpoints.turn(&key, PhoneId(1), false, at(0)), GO);
        endpoints.turn(&key, PhoneId(2), false, at(0));
        endpoints.turn(&key, PhoneId(3), false, at(0));
        endpoints.done(&key, Some(EndpointHealth::Away(None)), at(0));
        assert_eq!(endpoints.invite(at(10)), [PhoneId(2)]);
        endpoints.leave(PhoneId(2));
        assert_eq!(endpoints.next(at(10)), Some(at(10)));
        assert_eq!(endpoints.invite(at(10)), [PhoneId(3)]);
        assert_eq!(endpoints.turn(&key, PhoneId(3), false, at(10)), PROBE, "the probe is not used up");
    }

    #[test]
    fn background_writes_do_not_delay_provisioning() {
        let mut endpoints = EndpointQueues::default();
        let key = redirect();
        assert_eq!(endpoints.turn(&key, PhoneId(1), true, at(0)), GO);
        assert_eq!(endpoints.turn(&key, PhoneId(2), true, at(0)), Permit::Queued);
        assert_eq!(endpoints.turn(&key, PhoneId(3), false, at(0)), Permit::Queued);
        endpoints.done(&key, Some(EndpointHealth::Answered), at(0));
        assert_eq!(endpoints.invite(at(0)), [PhoneId(3)]);
        assert_eq!(endpoints.turn(&key, PhoneId(3), false, at(0)), GO);
        endpoints.leave(PhoneId(3));
        endpoints.done(&key, Some(EndpointHealth::Answered), at(0));
        assert_eq!(endpoints.invite(at(0)), [PhoneId(2)]);
    }

    #[test]
    fn the_server_entry_comes_before_the_phones() {
        let mut endpoints = EndpointQueues::default();
        let key = redirect();
        assert_eq!(endpoints.turn(&key, PhoneId(1), false, at(0)), GO);
        assert_eq!(endpoints.turn(&key, PhoneId(2), false, at(0)), Permit::Queued);
        assert_eq!(endpoints.server_turn(&key, at(0)), Permit::Queued);
        assert!(endpoints.done(&key, Some(EndpointHealth::Away(None)), at(0)), "the server entry waits");
        assert_eq!(endpoints.server_turn(&key, at(1)), Permit::Later(at(10)));
        assert_eq!(endpoints.server_turn(&key, at(10)), PROBE);
        assert_eq!(endpoints.invite(at(10)), []);
    }

    #[test]
    fn patience_asked_for_is_given_by_all() {
        let mut endpoints = EndpointQueues::default();
        let key = redirect();
        assert_eq!(endpoints.turn(&key, PhoneId(1), false, at(0)), GO);
        let limited = RedirectResult::RateLimited { retry_after: Some(Duration::from_secs(90)) };
        endpoints.done(&key, Some(EndpointHealth::of(&limited)), at(0));
        assert_eq!(endpoints.turn(&key, PhoneId(2), false, at(60)), Permit::Queued);
        assert_eq!(endpoints.next(at(60)), Some(at(90)));
        assert_eq!(endpoints.invite(at(90)), [PhoneId(2)]);
    }
}
