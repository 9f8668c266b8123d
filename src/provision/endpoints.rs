//! Endpoints outside (redirect accounts, the PBXs of an instance): how many actions are under way at each, who waits
//! for a turn, and whether it is away. One endpoint's trouble never holds up the phones of another.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use crate::{
    net::backoff::{Admission, Breaker},
    phone::{instance::InstanceId, record::PhoneId},
};

/// Actions under way at one endpoint at most.
const AT_ONCE: usize = 8;
/// Of those, actions nobody waits for: a bulk move or the daily comparison never holds up a phone that is provisioned.
const PATIENT_AT_ONCE: usize = 2;

/// Who is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum EndpointKey {
    /// The redirect account of an instance at a vendor.
    Redirect(InstanceId, String),
    /// The PBXs of an instance.
    Pbx(InstanceId),
}

#[derive(Debug, Default)]
struct Endpoint {
    breaker: Breaker,
    under_way: usize,
    waiting: BTreeSet<PhoneId>,
    patient_under_way: usize,
    patient: BTreeSet<PhoneId>,
}

/// May this phone go?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Yes; [`Endpoints::done`] must follow.
    Go,
    /// It is woken when a turn is free.
    Queued,
    /// Not before this time.
    Later(Timestamp),
}

/// All endpoints.
#[derive(Debug, Default)]
pub(super) struct Endpoints(HashMap<EndpointKey, Endpoint>);

impl Endpoints {
    pub(super) fn away_until(&self, key: &EndpointKey) -> Option<Timestamp> {
        self.0.get(key).and_then(|endpoint| endpoint.breaker.next_probe())
    }

    /// Asks for a turn; `is_patient` where nobody waits for it.
    pub(super) fn turn(&mut self, key: &EndpointKey, phone: PhoneId, is_patient: bool, now: Timestamp) -> Turn {
        let endpoint = self.0.entry(key.clone()).or_default();
        let limit = if endpoint.breaker.away_since().is_some() { 1 } else { AT_ONCE };
        let behind_others = !endpoint.waiting.is_empty() || endpoint.patient_under_way >= PATIENT_AT_ONCE;
        if is_patient && (behind_others || endpoint.under_way >= limit) {
            endpoint.patient.insert(phone);
            return Turn::Queued;
        }
        if endpoint.under_way >= limit {
            endpoint.waiting.insert(phone);
            return Turn::Queued;
        }
        match endpoint.breaker.admit(now) {
            Admission::Free | Admission::Probe => {
                endpoint.under_way += 1;
                endpoint.patient_under_way += usize::from(is_patient);
                Turn::Go
            }
            Admission::Wait(until) => Turn::Later(until),
        }
    }

    /// A turn is over. `reached` is `None` when nothing was learned about the endpoint. Returns who is to be woken.
    pub(super) fn done(
        &mut self,
        key: &EndpointKey,
        is_patient: bool,
        reached: Option<bool>,
        now: Timestamp,
    ) -> Vec<PhoneId> {
        let Some(endpoint) = self.0.get_mut(key) else { return Vec::new() };
        endpoint.under_way = endpoint.under_way.saturating_sub(1);
        endpoint.patient_under_way = endpoint.patient_under_way.saturating_sub(usize::from(is_patient));
        match reached {
            Some(true) => {
                let _was_away = endpoint.breaker.succeeded();
            }
            Some(false) => {
                let _is_news = endpoint.breaker.failed(now);
                // Everybody learns that it is away and waits by the clock.
                let mut woken = std::mem::take(&mut endpoint.waiting);
                woken.append(&mut endpoint.patient);
                return woken.into_iter().collect();
            }
            None => {}
        }
        let free = AT_ONCE.saturating_sub(endpoint.under_way);
        let mut woken: Vec<PhoneId> = endpoint.waiting.iter().copied().take(free).collect();
        for phone in &woken {
            endpoint.waiting.remove(phone);
        }
        // Woken beside them in any case, because those may have found something else to do; each asks for its turn.
        let free = PATIENT_AT_ONCE.saturating_sub(endpoint.patient_under_way);
        for phone in endpoint.patient.iter().copied().take(free).collect::<Vec<_>>() {
            endpoint.patient.remove(&phone);
            woken.push(phone);
        }
        woken
    }

    /// Something that took no turn was answered, or not.
    pub(super) fn answered(&mut self, key: &EndpointKey, reached: bool, now: Timestamp) {
        let endpoint = self.0.entry(key.clone()).or_default();
        if reached {
            let _was_away = endpoint.breaker.succeeded();
        } else {
            let _is_news = endpoint.breaker.failed(now);
        }
    }

    /// Something outside says that the endpoint is there.
    pub(super) fn is_back(&mut self, key: &EndpointKey) {
        if let Some(endpoint) = self.0.get_mut(key) {
            let _was_away = endpoint.breaker.succeeded();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn turns_are_bounded_and_handed_on() {
        let mut endpoints = Endpoints::default();
        let key = EndpointKey::Pbx(InstanceId(1));
        for id in 0..8 {
            assert_eq!(endpoints.turn(&key, PhoneId(id), false, at(0)), Turn::Go);
        }
        assert_eq!(endpoints.turn(&key, PhoneId(9), false, at(0)), Turn::Queued);
        assert_eq!(endpoints.done(&key, false, Some(true), at(0)), vec![PhoneId(9)]);
        assert_eq!(endpoints.turn(&key, PhoneId(9), false, at(0)), Turn::Go);
    }

    #[test]
    fn an_endpoint_that_is_away_gets_one_probe() {
        let mut endpoints = Endpoints::default();
        let key = EndpointKey::Redirect(InstanceId(1), "yealink".into());
        assert_eq!(endpoints.turn(&key, PhoneId(1), false, at(0)), Turn::Go);
        endpoints.done(&key, false, Some(false), at(0));
        assert_eq!(endpoints.turn(&key, PhoneId(1), false, at(1)), Turn::Later(at(10)));
        assert_eq!(endpoints.turn(&key, PhoneId(1), false, at(10)), Turn::Go);
        assert_eq!(endpoints.turn(&key, PhoneId(2), false, at(10)), Turn::Queued);
        assert_eq!(endpoints.done(&key, false, Some(true), at(11)), vec![PhoneId(2)]);
        assert_eq!(endpoints.away_until(&key), None);
    }

    #[test]
    fn what_nobody_waits_for_holds_up_nobody() {
        let mut endpoints = Endpoints::default();
        let key = EndpointKey::Redirect(InstanceId(1), "snom".into());
        for id in 0..2 {
            assert_eq!(endpoints.turn(&key, PhoneId(id), true, at(0)), Turn::Go);
        }
        assert_eq!(endpoints.turn(&key, PhoneId(2), true, at(0)), Turn::Queued);
        // Who is waited for goes at once, up to all turns.
        for id in 10..16 {
            assert_eq!(endpoints.turn(&key, PhoneId(id), false, at(0)), Turn::Go);
        }
        assert_eq!(endpoints.turn(&key, PhoneId(16), false, at(0)), Turn::Queued);
        assert_eq!(endpoints.done(&key, true, Some(true), at(0)), [PhoneId(16), PhoneId(2)]);
        assert_eq!(endpoints.turn(&key, PhoneId(16), false, at(0)), Turn::Go);
        assert_eq!(endpoints.turn(&key, PhoneId(2), true, at(0)), Turn::Queued, "no turn is free");
        // The last one out wakes it.
        for _ in 10..16 {
            endpoints.done(&key, false, Some(true), at(0));
        }
        assert_eq!(endpoints.turn(&key, PhoneId(2), true, at(0)), Turn::Go);
    }
}
