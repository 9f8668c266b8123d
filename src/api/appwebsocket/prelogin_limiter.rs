//! Slots of sockets that have not logged in yet. Their number is limited per source and in total. A socket without a
//! slot waits briefly for one, because a PBX opens the sockets of all its app objects at once. A source from which a
//! PBX of an instance has logged in before has reserved slots for that instance, which unknown clients and other
//! instances cannot use. A socket with a wrong password keeps its slot for long only while no other socket of its
//! source waits, so that the right password gets a slot.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::phone::{instance::InstanceId, request_evidence::network};

/// Maximum number of sockets of one source before login, whether or not a PBX has logged in from there. This limits
/// guessing, because a wrong password keeps its slot for at least two seconds. A login needs only a few round trips.
const PER_SOURCE: usize = 16;
/// Maximum number of sockets before login, of all sources.
const ALL: usize = 1024;
/// The same for sources from which a PBX has logged in before, in addition to the others.
const ALL_PROVEN: usize = 512;
/// Maximum number of waiting sockets of one source. If all of them send a wrong password, sixteen slots are released
/// every two seconds. The last of these sockets then waits eight seconds, which is less than [`PATIENCE`].
const WAITING_PER_SOURCE: usize = 64;
/// Maximum number of waiting sockets of all sources. Each keeps the head of its request in memory, up to the maximum
/// length of a head.
const WAITING: usize = 512;
/// How long a socket waits. Within this time, the sockets before it have logged in or failed.
const TIMEOUT: Duration = Duration::from_secs(12);
/// Maximum number of stored sources per instance. Beyond it, the oldest is removed.
const PROVEN_PER_INSTANCE: usize = 32;

/// The slots, shared by all listeners.
#[derive(Debug, Default)]
pub struct PreLoginLimiter(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    unproven: Counts,
    proven: Counts,
    /// In order of arrival.
    waiting: VecDeque<Waiting>,
    sources: HashMap<InstanceId, VecDeque<IpAddr>>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    of: HashMap<IpAddr, HashMap<InstanceId, usize>>,
}

#[derive(Debug)]
struct Waiting {
    client: Client,
    place: oneshot::Sender<PreLoginPermit>,
}

/// What a socket is counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Client {
    instance: InstanceId,
    source: IpAddr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unproven,
    Proven,
}

/// The slot of one socket. Released when dropped.
#[derive(Debug)]
pub struct PreLoginPermit {
    places: Arc<PreLoginLimiter>,
    client: Client,
    kind: Kind,
}

impl Counts {
    /// Returns the number of a source at all instances.
    fn of(&self, source: IpAddr) -> usize {
        self.of.get(&source).map_or(0, |instances| instances.values().sum())
    }

    /// Returns the number of a source at one instance.
    fn at(&self, client: Client) -> usize {
        self.of.get(&client.source).and_then(|instances| instances.get(&client.instance)).copied().unwrap_or_default()
    }

    fn add(&mut self, client: Client) {
        *self.of.entry(client.source).or_default().entry(client.instance).or_default() += 1;
        self.all += 1;
    }

    fn remove(&mut self, client: Client) {
        let Some(instances) = self.of.get_mut(&client.source) else { return };
        let Some(own) = instances.get_mut(&client.instance) else { return };
        (*own, self.all) = (*own - 1, self.all - 1);
        if *own == 0 {
            instances.remove(&client.instance);
        }
        if instances.is_empty() {
            self.of.remove(&client.source);
        }
    }
}

impl State {
    fn is_proven(&self, client: Client) -> bool {
        self.sources.get(&client.instance).is_some_and(|sources| sources.contains(&client.source))
    }

    fn counts(&mut self, kind: Kind) -> &mut Counts {
        match kind {
            Kind::Unproven => &mut self.unproven,
            Kind::Proven => &mut self.proven,
        }
    }

    /// Returns the kind of slot that is free for the client, if any.
    fn free(&self, client: Client) -> Option<Kind> {
        let proven = self.proven.at(client);
        // A source may have at most as many slots as are free. The more sources there are, the fewer each gets.
        let has_room = |own: usize, counts: &Counts, all: usize| own < PER_SOURCE.min(all.saturating_sub(counts.all));
        if self.is_proven(client) && has_room(proven + self.unproven.at(client), &self.proven, ALL_PROVEN) {
            return Some(Kind::Proven);
        }
        has_room(proven + self.unproven.of(client.source), &self.unproven, ALL).then_some(Kind::Unproven)
    }

    /// Returns the number of sockets before the client in its queue: of the same source and, if the source is proven,
    /// at the same instance.
    fn waiting_before(&self, client: Client) -> usize {
        let is_proven = self.is_proven(client);
        let is_before =
            |other: Client| other.source == client.source && (!is_proven || other.instance == client.instance);
        self.waiting.iter().filter(|waiting| is_before(waiting.client)).count()
    }
}

impl PreLoginLimiter {
    /// Creates the limiter with the sources from earlier runs: instance and its sources, the latest last.
    #[must_use]
    pub fn remembered(sources: impl IntoIterator<Item = (InstanceId, Vec<IpAddr>)>) -> Arc<Self> {
        let sources = sources.into_iter().map(|(instance, all)| (instance, all.into())).collect();
        Arc::new(Self(Mutex::new(State { sources, ..State::default() })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a slot for a socket of `source` at `instance`, and waits if none is free. Returns `None` if no slot is
    /// released in time or too many sockets wait already. Dropping the future ends the wait.
    pub async fn enter(self: &Arc<Self>, instance: InstanceId, source: IpAddr) -> Option<PreLoginPermit> {
        // A customer's IPv6 network counts as one source.
        let client = Client { instance, source: network(source) };
        let waiting = {
            let mut state = self.lock();
            state.waiting.retain(|waiting| !waiting.place.is_closed());
            // Sockets that are already waiting have priority.
            let own = state.waiting_before(client);
            if own == 0
                && let Some(kind) = state.free(client)
            {
                return Some(self.take(&mut state, client, kind));
            }
            let free = WAITING.saturating_sub(state.waiting.len());
            if own >= WAITING_PER_SOURCE.min(free) {
                return None;
            }
            let (place, waiting) = oneshot::channel();
            state.waiting.push_back(Waiting { client, place });
            waiting
        };
        // A socket before this one may have been closed.
        self.grant_waiting();
        let place = tokio::time::timeout(TIMEOUT, waiting).await;
        place.ok()?.ok()
    }

    fn take(self: &Arc<Self>, state: &mut State, client: Client, kind: Kind) -> PreLoginPermit {
        state.counts(kind).add(client);
        PreLoginPermit { places: Arc::clone(self), client, kind }
    }

    /// Assigns free slots to waiting sockets.
    fn grant_waiting(self: &Arc<Self>) {
        // A slot that was not accepted must be released outside the lock.
        let mut left = Vec::new();
        let mut state = self.lock();
        let waiting = std::mem::take(&mut state.waiting);
        for one in waiting {
            if one.place.is_closed() {
                continue;
            }
            match state.free(one.client) {
                Some(kind) => left.extend(one.place.send(self.take(&mut state, one.client, kind)).err()),
                None => state.waiting.push_back(one),
            }
        }
        drop(state);
        drop(left);
    }

    /// Records a PBX login from `source`. Returns all sources of the instance if they have changed.
    pub fn prove(self: &Arc<Self>, instance: InstanceId, source: IpAddr) -> Option<Vec<IpAddr>> {
        let source = network(source);
        let mut state = self.lock();
        let sources = state.sources.entry(instance).or_default();
        if sources.contains(&source) {
            return None;
        }
        if sources.len() >= PROVEN_PER_INSTANCE {
            sources.pop_front();
        }
        sources.push_back(source);
        let all = sources.iter().copied().collect();
        drop(state);
        // Other sockets of this source may be waiting.
        self.grant_waiting();
        Some(all)
    }
}

impl PreLoginPermit {
    /// Whether a waiting socket could use this slot: one of the same source and, if the source is proven, at the same
    /// instance.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        let state = self.places.lock();
        let Client { instance, source } = self.client;
        let fits = |other: Client| {
            let is_shared = || self.kind == Kind::Unproven && !state.is_proven(other);
            other.source == source && (other.instance == instance || is_shared())
        };
        state.waiting.iter().any(|waiting| fits(waiting.client) && !waiting.place.is_closed())
    }
}

impl Drop for PreLoginPermit {
    fn drop(&mut self) {
        let has_waiting = {
            let mut state = self.places.lock();
            state.counts(self.kind).remove(self.client);
            !state.waiting.is_empty()
        };
        if has_waiting {
            self.places.grant_waiting();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const INSTANCE: InstanceId = InstanceId(1);

    fn host(number: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, number])
    }

    /// Returns a slot that is available without waiting.
    fn now(places: &Arc<PreLoginLimiter>, source: IpAddr) -> Option<PreLoginPermit> {
        places.enter(INSTANCE, source).now_or_never().flatten()
    }

    /// Takes sixteen slots for each source.
    fn crowd(places: &Arc<PreLoginLimiter>, sources: u32) -> Vec<PreLoginPermit> {
        let of = |source: u32| IpAddr::V4((0x0b00_0000 + source).into());
        (0..sources).flat_map(|source| (0..PER_SOURCE).filter_map(move |_| now(places, of(source)))).collect()
    }

    #[actix_rt::test]
    async fn a_source_has_a_bounded_number_of_sockets_before_login() {
        let places = Arc::new(PreLoginLimiter::default());
        let mut inside: Vec<PreLoginPermit> = (0..PER_SOURCE).map(|_| now(&places, host(1)).unwrap()).collect();
        assert!(now(&places, host(1)).is_none());
        assert!(now(&places, host(2)).is_some());
        inside.pop();
        assert!(now(&places, host(1)).is_some());
        drop(inside);
        assert!(places.lock().unproven.of.is_empty());
    }

    #[actix_rt::test]
    async fn an_ipv6_network_is_one_source_and_many_sources_leave_room_for_another() {
        let places = Arc::new(PreLoginLimiter::default());
        let address = |number: u32| format!("2001:db8::{number:x}").parse::<IpAddr>().unwrap();
        let inside: Vec<PreLoginPermit> = (0..100).filter_map(|number| now(&places, address(number))).collect();
        assert_eq!(inside.len(), PER_SOURCE);
        let others = crowd(&places, 64);
        assert!(others.len() > 900, "{}", others.len());
        assert!(now(&places, host(1)).is_some());
        drop((inside, others));
        assert_eq!(places.lock().unproven.all, 0);
    }

    #[actix_rt::test]
    async fn sixty_sockets_of_one_source_get_in_one_after_the_other() {
        let places = Arc::new(PreLoginLimiter::default());
        let sockets = (0..60).map(|_| {
            let places = Arc::clone(&places);
            async move {
                let place = places.enter(INSTANCE, host(1)).await;
                tokio::task::yield_now().await;
                place.is_some()
            }
        });
        let inside = futures_util::future::join_all(sockets).await;
        assert!(inside.iter().all(|is_inside| *is_inside));
        let state = places.lock();
        assert!(state.unproven.of.is_empty() && state.waiting.is_empty());
    }

    #[actix_rt::test]
    async fn those_that_wait_are_bounded_and_one_that_gave_up_takes_no_place() {
        let places = Arc::new(PreLoginLimiter::default());
        let inside: Vec<PreLoginPermit> = (0..PER_SOURCE).map(|_| now(&places, host(1)).unwrap()).collect();
        let mut waiting: Vec<_> = (0..WAITING_PER_SOURCE).map(|_| Box::pin(places.enter(INSTANCE, host(1)))).collect();
        for one in &mut waiting {
            assert!(one.now_or_never().is_none(), "it waits");
        }
        assert_eq!(
            places.enter(INSTANCE, host(1)).now_or_never().map(|place| place.is_none()),
            Some(true),
            "refused at once"
        );
        assert!(now(&places, host(2)).is_some());
        drop(waiting);
        drop(inside);
        let state = places.lock();
        assert!(state.unproven.of.is_empty() && state.waiting.is_empty());
    }

    #[actix_rt::test]
    async fn a_source_with_a_proven_pbx_has_reserved_slots() {
        let places = Arc::new(PreLoginLimiter::default());
        assert_eq!(places.prove(INSTANCE, host(1)), Some(vec![host(1)]));
        assert_eq!(places.prove(INSTANCE, host(1)), None, "known already");
        let unproven = crowd(&places, 5_000);
        assert_eq!(unproven.len(), ALL);
        assert!(now(&places, host(2)).is_none());
        let proven: Vec<PreLoginPermit> = (0..60).filter_map(|_| now(&places, host(1))).collect();
        assert_eq!(proven.len(), PER_SOURCE, "no more than any source: each could be a guess at a password");
    }

    #[actix_rt::test]
    async fn proven_sources_are_known_after_a_restart_and_the_oldest_is_forgotten() {
        let first = Arc::new(PreLoginLimiter::default());
        let stored: Vec<Vec<IpAddr>> = (1..=40).filter_map(|number| first.prove(INSTANCE, host(number))).collect();
        assert_eq!(stored.len(), 40);
        let second = PreLoginLimiter::remembered([(INSTANCE, stored[39].clone())]);
        let unproven = crowd(&second, 5_000);
        assert!(now(&second, host(40)).is_some() && now(&second, host(9)).is_some());
        assert!(now(&second, host(8)).is_none());
        drop(unproven);
    }

    #[actix_rt::test]
    async fn waiting_sockets_are_admitted_once_their_source_is_proven() {
        let places = Arc::new(PreLoginLimiter::default());
        let unproven = crowd(&places, 5_000);
        let mut waiting = Box::pin(places.enter(INSTANCE, host(1)));
        assert!((&mut waiting).now_or_never().is_none());
        places.prove(INSTANCE, host(1));
        assert!(waiting.await.is_some());
        drop(unproven);
    }

    #[actix_rt::test]
    async fn a_source_that_is_proven_meanwhile_has_no_more_places_than_before() {
        let places = Arc::new(PreLoginLimiter::default());
        let inside: Vec<PreLoginPermit> = (0..PER_SOURCE).map(|_| now(&places, host(1)).unwrap()).collect();
        places.prove(INSTANCE, host(1));
        assert!(now(&places, host(1)).is_none());
        drop(inside);
        assert!(now(&places, host(1)).is_some());
    }

    #[actix_rt::test]
    async fn a_place_is_wanted_while_a_socket_of_its_source_waits() {
        let places = Arc::new(PreLoginLimiter::default());
        let mut inside: Vec<PreLoginPermit> = (0..PER_SOURCE).map(|_| now(&places, host(1)).unwrap()).collect();
        let other = now(&places, host(2)).unwrap();
        assert!(!inside[0].is_awaited());
        let mut waiting = Box::pin(places.enter(INSTANCE, host(1)));
        assert!((&mut waiting).now_or_never().is_none());
        assert!(inside[0].is_awaited() && !other.is_awaited());
        let mut second = Box::pin(places.enter(INSTANCE, host(1)));
        assert!((&mut second).now_or_never().is_none());
        inside.pop();
        let _first = waiting.await.unwrap();
        assert!(inside[0].is_awaited(), "one place for one of them");
        drop(second);
        assert!(!inside[0].is_awaited(), "it has given up");
    }

    #[actix_rt::test]
    async fn sockets_of_one_instance_take_no_places_of_another_one_at_the_same_source() {
        let places = Arc::new(PreLoginLimiter::default());
        let other = InstanceId(2);
        places.prove(INSTANCE, host(1));
        let at_other = |_| places.enter(other, host(1)).now_or_never().flatten();
        let unproven: Vec<PreLoginPermit> = (0..60).filter_map(at_other).collect();
        let mut waiting = Box::pin(places.enter(other, host(1)));
        assert!((&mut waiting).now_or_never().is_none());
        let own: Vec<PreLoginPermit> = (0..60).filter_map(|_| now(&places, host(1))).collect();
        assert_eq!((unproven.len(), own.len()), (PER_SOURCE, PER_SOURCE));
    }
}
