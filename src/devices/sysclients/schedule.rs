//! Decides which phone may connect when. Pure: events and the time in, phones to connect out. It guarantees that the
//! rate of connects and the number of sockets never exceed their limits, that a phone never has two sockets, and that
//! every held phone gets its turn while its endpoint is reachable and a socket is free.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::connect_rate::Rate;
use crate::{
    net::backoff::{Backoff, Breaker, BreakerDecision},
    phone::record::PhoneId,
};

/// The end of a connection that lived this long resets the back-off.
const LONG_LIFE: Duration = Duration::from_secs(60);

/// How long no connection is opened after the system had no free file descriptor.
const DESCRIPTOR_PAUSE: Duration = Duration::from_secs(5);

/// A connection that may be opened now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// The phone.
    pub phone: PhoneId,
    /// The number of the connection; never reused.
    pub conn: u64,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// The endpoint could not be reached. This concerns every phone of the endpoint.
    Away,
    /// The endpoint answered but rejected the connection, or the connection ended after it had been open.
    Lost,
    /// The system had no free file descriptor; neither the phone nor the endpoint caused it.
    NoDescriptor,
}

#[derive(Debug)]
enum Place {
    Ready,
    Waiting(Timestamp),
    Live { conn: u64, endpoint: Arc<str>, opened: Option<Timestamp>, closing: bool },
}

#[derive(Debug)]
struct Entry {
    endpoint: Arc<str>,
    place: Place,
    failures: u32,
    /// Dropped, but its socket is not closed yet.
    gone: bool,
    /// The endpoint whose queue contains the phone.
    queued: Option<Arc<str>>,
    /// It has been reported that the phone waits for a descriptor.
    is_reported: bool,
    /// The phone is in `Schedule::fresh`.
    is_fresh: bool,
}

#[derive(Debug, Default)]
struct Line {
    breaker: Breaker,
    /// May contain phones that are no longer ready; those are skipped.
    ready: VecDeque<PhoneId>,
}

/// The schedule of all phones.
#[derive(Debug)]
pub struct Schedule {
    rate: Rate,
    lines: BTreeMap<Arc<str>, Line>,
    phones: HashMap<PhoneId, Entry>,
    waiting: BTreeSet<(Timestamp, PhoneId)>,
    /// Limit of sockets that are open or being opened.
    most: usize,
    live: usize,
    /// No connection is opened before this time, because the system had no descriptor.
    refused_until: Timestamp,
    /// Phones that became ready and may have to wait for a descriptor.
    fresh: Vec<PhoneId>,
    /// The endpoint that was served last; the others are served first.
    turn: Option<Arc<str>>,
    last_conn: u64,
}

impl Schedule {
    /// Creates a schedule without phones, for at most `most` sockets. Connection numbers start above `last_conn`.
    #[must_use]
    pub fn new(per_second: u32, most: usize, last_conn: u64) -> Self {
        Self {
            rate: Rate::new(per_second),
            lines: BTreeMap::new(),
            phones: HashMap::new(),
            waiting: BTreeSet::new(),
            most,
            live: 0,
            refused_until: Timestamp::MIN,
            fresh: Vec::new(),
            turn: None,
            last_conn,
        }
    }

    /// Holds a phone at an endpoint and resets its back-off. Returns the connection to close first.
    pub fn hold(&mut self, phone: PhoneId, endpoint: &str) -> Option<u64> {
        let endpoint: Arc<str> =
            self.lines.get_key_value(endpoint).map_or_else(|| endpoint.into(), |(known, _)| Arc::clone(known));
        self.lines.entry(Arc::clone(&endpoint)).or_default();
        let entry = self.phones.entry(phone).or_insert_with(|| Entry {
            endpoint: Arc::clone(&endpoint),
            place: Place::Waiting(Timestamp::MIN),
            failures: 0,
            gone: false,
            queued: None,
            is_reported: false,
            is_fresh: false,
        });
        entry.endpoint = endpoint;
        entry.failures = 0;
        entry.gone = false;
        entry.is_reported = false;
        if let Place::Live { conn, closing, .. } = &mut entry.place {
            *closing = true;
            return Some(*conn);
        }
        self.make_ready(phone);
        None
    }

    /// Drops a phone. Returns the connection to close.
    pub fn drop_phone(&mut self, phone: PhoneId) -> Option<u64> {
        let entry = self.phones.get_mut(&phone)?;
        if let Place::Live { conn, closing, .. } = &mut entry.place {
            (*closing, entry.gone) = (true, true);
            return Some(*conn);
        }
        self.forget(phone);
        None
    }

    /// Records that a connection is open. Returns true if its endpoint was unreachable until now.
    pub fn opened(&mut self, phone: PhoneId, conn: u64, now: Timestamp) -> bool {
        let Some(Place::Live { conn: live, endpoint, opened, .. }) =
            self.phones.get_mut(&phone).map(|entry| &mut entry.place)
        else {
            return false;
        };
        if *live != conn {
            return false;
        }
        *opened = Some(now);
        self.lines.get_mut(endpoint).is_some_and(|line| line.breaker.succeeded())
    }

    /// Records the end of a connection. Only the live connection of a phone counts; the late end of an older one has no
    /// effect. `random` (`0.0..1.0`) spreads the pause.
    pub fn ended(&mut self, phone: PhoneId, conn: u64, how: ConnectionEnd, now: Timestamp, random: f64) {
        let Some(entry) = self.phones.get_mut(&phone) else { return };
        let Place::Live { conn: live, endpoint, opened, closing } = &entry.place else { return };
        if *live != conn {
            return;
        }
        self.live = self.live.saturating_sub(1);
        let (closing, lived_long) = (*closing, opened.is_some_and(|since| later(since, LONG_LIFE) <= now));
        if how == ConnectionEnd::Away
            && let Some(line) = self.lines.get_mut(endpoint)
        {
            line.breaker.failed(now);
        }
        if entry.gone {
            return self.forget(phone);
        }
        if how == ConnectionEnd::NoDescriptor {
            self.refused_until = later(now, DESCRIPTOR_PAUSE);
        }
        // No own pause: an unreachable endpoint is paced by its breaker, a lack of descriptors pauses all phones, and a
        // replaced connection is opened again at once.
        if closing || matches!(how, ConnectionEnd::Away | ConnectionEnd::NoDescriptor) {
            return self.make_ready(phone);
        }
        entry.failures = if lived_long { 1 } else { entry.failures.saturating_add(1) };
        let until = later(now, Backoff::PHONE.pause(entry.failures, random));
        entry.place = Place::Waiting(until);
        self.waiting.insert((until, phone));
    }

    /// The connections to open now.
    pub fn poll(&mut self, now: Timestamp) -> Vec<Open> {
        while let Some((until, phone)) = self.waiting.first().copied()
            && until <= now
        {
            self.make_ready(phone);
        }
        // If the clock was set back, do not wait until it has caught up.
        self.refused_until = self.refused_until.min(later(now, DESCRIPTOR_PAUSE));
        let mut open = Vec::new();
        while !self.is_full(now)
            && self.rate.free_at(now) <= now
            && let Some((phone, endpoint)) = self.next_ready(now)
            && let Some(entry) = self.phones.get_mut(&phone)
        {
            self.rate.take(now);
            self.last_conn += 1;
            let conn = self.last_conn;
            self.live += 1;
            (entry.queued, entry.is_reported) = (None, false);
            entry.place = Place::Live { conn, endpoint: Arc::clone(&endpoint), opened: None, closing: false };
            self.turn = Some(endpoint);
            open.push(Open { phone, conn });
        }
        open
    }

    /// When to call [`Schedule::poll`] next; `None` means not before the next event.
    pub fn next_poll(&mut self, now: Timestamp) -> Option<Timestamp> {
        let waiting = self.waiting.first().map(|(until, _)| *until);
        // Wait for a connection to end and free a socket.
        if self.live >= self.most {
            return waiting;
        }
        let free = self.rate.free_at(now).max(self.refused_until);
        let ready = self.lines.values().filter(|line| !line.ready.is_empty());
        let ready = ready.map(|line| line.breaker.next_probe().map_or(free, |probe| probe.max(free))).min();
        ready.into_iter().chain(waiting).min()
    }

    fn is_full(&self, now: Timestamp) -> bool {
        self.live >= self.most || now < self.refused_until
    }

    /// The phones that wait for a descriptor since the last call. Call it after [`Schedule::poll`].
    pub fn waiting(&mut self, now: Timestamp) -> Vec<PhoneId> {
        let mut held_back = Vec::new();
        if self.is_full(now) {
            for phone in std::mem::take(&mut self.fresh) {
                let Some(entry) = self.phones.get_mut(&phone) else { continue };
                entry.is_fresh = false;
                if matches!(entry.place, Place::Ready) && !std::mem::replace(&mut entry.is_reported, true) {
                    held_back.push(phone);
                }
            }
        }
        held_back
    }

    /// Whether the phone waits because its endpoint is unreachable.
    #[must_use]
    pub fn is_away(&self, phone: PhoneId) -> bool {
        let line = self.phones.get(&phone).and_then(|entry| self.lines.get(&entry.endpoint));
        line.is_some_and(|line| line.breaker.away_since().is_some())
    }

    /// The unreachable endpoints, and since when.
    pub fn away(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        self.lines.iter().filter_map(|(name, line)| Some((&**name, line.breaker.away_since()?)))
    }

    /// The number of connections that are open or being opened.
    #[must_use]
    pub fn live(&self) -> usize {
        self.live
    }

    fn make_ready(&mut self, phone: PhoneId) {
        let Some(entry) = self.phones.get_mut(&phone) else { return };
        if let Place::Waiting(until) = entry.place {
            self.waiting.remove(&(until, phone));
        }
        entry.place = Place::Ready;
        if !std::mem::replace(&mut entry.is_fresh, true) {
            self.fresh.push(phone);
        }
        let line = self.lines.entry(Arc::clone(&entry.endpoint)).or_default();
        // A phone that is held again keeps its place in the queue of this endpoint.
        if entry.queued.as_ref() != Some(&entry.endpoint) {
            entry.queued = Some(Arc::clone(&entry.endpoint));
            line.ready.push_back(phone);
        }
    }

    fn forget(&mut self, phone: PhoneId) {
        if let Some(entry) = self.phones.remove(&phone)
            && let Place::Waiting(until) = entry.place
        {
            self.waiting.remove(&(until, phone));
        }
    }

    /// Removes the next phone from its queue, serving the endpoints in turn.
    fn next_ready(&mut self, now: Timestamp) -> Option<(PhoneId, Arc<str>)> {
        let after = self.turn.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let names: Vec<Arc<str>> = self
            .lines
            .range::<Arc<str>, _>((after, Bound::Unbounded))
            .map(|(n, _)| n)
            .chain(self.lines.keys())
            .cloned()
            .collect();
        for name in names {
            let Some(line) = self.lines.get_mut(&name) else { continue };
            let stands = |phone: &PhoneId| {
                self.phones
                    .get(phone)
                    .is_some_and(|entry| matches!(entry.place, Place::Ready) && entry.queued.as_ref() == Some(&name))
            };
            while line.ready.front().is_some_and(|phone| !stands(phone)) {
                line.ready.pop_front();
            }
            if !line.ready.is_empty()
                && !matches!(line.breaker.admit(now), BreakerDecision::Wait(_))
                && let Some(phone) = line.ready.pop_front()
            {
                return Some((phone, name));
            }
        }
        None
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
