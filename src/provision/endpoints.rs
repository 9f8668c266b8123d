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

    /// Asks for a turn.
    pub(super) fn turn(&mut self, key: &EndpointKey, phone: PhoneId, now: Timestamp) -> Turn {
        let endpoint = self.0.entry(key.clone()).or_default();
        let limit = if endpoint.breaker.away_since().is_some() { 1 } else { AT_ONCE };
        if endpoint.under_way >= limit {
            endpoint.waiting.insert(phone);
            return Turn::Queued;
        }
        match endpoint.breaker.admit(now) {
            Admission::Free | Admission::Probe => {
                endpoint.under_way += 1;
                Turn::Go
            }
            Admission::Wait(until) => Turn::Later(until),
        }
    }

    /// A turn is over. `reached` is `None` when nothing was learned about the endpoint. Returns who is to be woken.
    pub(super) fn done(&mut self, key: &EndpointKey, reached: Option<bool>, now: Timestamp) -> Vec<PhoneId> {
        let Some(endpoint) = self.0.get_mut(key) else { return Vec::new() };
        endpoint.under_way = endpoint.under_way.saturating_sub(1);
        match reached {
            Some(true) => {
                let _was_away = endpoint.breaker.succeeded();
            }
            Some(false) => {
                let _is_news = endpoint.breaker.failed(now);
                // Everybody learns that it is away and waits by the clock.
                return std::mem::take(&mut endpoint.waiting).into_iter().collect();
            }
            None => {}
        }
        let free = AT_ONCE.saturating_sub(endpoint.under_way);
        let woken: Vec<PhoneId> = endpoint.waiting.iter().copied().take(free).collect();
        for phone in &woken {
            endpoint.waiting.remove(phone);
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
            assert_eq!(endpoints.turn(&key, PhoneId(id), at(0)), Turn::Go);
        }
        assert_eq!(endpoints.turn(&key, PhoneId(9), at(0)), Turn::Queued);
        assert_eq!(endpoints.done(&key, Some(true), at(0)), vec![PhoneId(9)]);
        assert_eq!(endpoints.turn(&key, PhoneId(9), at(0)), Turn::Go);
    }

    #[test]
    fn an_endpoint_that_is_away_gets_one_probe() {
        let mut endpoints = Endpoints::default();
        let key = EndpointKey::Redirect(InstanceId(1), "yealink".into());
        assert_eq!(endpoints.turn(&key, PhoneId(1), at(0)), Turn::Go);
        endpoints.done(&key, Some(false), at(0));
        assert_eq!(endpoints.turn(&key, PhoneId(1), at(1)), Turn::Later(at(10)));
        assert_eq!(endpoints.turn(&key, PhoneId(1), at(10)), Turn::Go);
        assert_eq!(endpoints.turn(&key, PhoneId(2), at(10)), Turn::Queued);
        assert_eq!(endpoints.done(&key, Some(true), at(11)), vec![PhoneId(2)]);
        assert_eq!(endpoints.away_until(&key), None);
    }
}
