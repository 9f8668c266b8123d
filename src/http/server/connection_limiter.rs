//! Limits how many connections a source may have and how fast it may open them. With TLS, all connections count, and
//! the limit is checked before the handshake, which is the expensive part: a rejected connection costs only an accepted
//! socket. Without TLS, only connections that have not sent a complete request count ([`UNFINISHED`]). The limits are
//! sized for a whole site behind one address. Trusted proxies forward many sites and are not counted.

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gangway_base::clock::SharedClock;
use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};
use ipnet::IpNet;

use crate::{
    base::telemetry::metric::{Metric, increment},
    phone::request_evidence::network,
};

/// Maximum number of tracked sources; beyond it, sources without an open connection are removed.
const REMEMBERED: usize = 1 << 16;
/// A source that was idle may use the handshakes of this many seconds at once, for example a site where all phones
/// boot.
const BURST_SECONDS: u32 = 10;

/// Limits of the plain listeners. A request that is sent at once is complete within a few milliseconds. When ten
/// thousand phones behind one address boot within ten seconds, about fifty requests are incomplete at any time. Clients
/// that open connections and send nothing are disconnected after ten seconds.
pub const UNFINISHED: Bounds = Bounds { connections: 500, handshakes_per_second: 0 };

/// Limits per source: an IPv4 address or an IPv6 /64. 0 means unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Open connections.
    pub connections: u32,
    /// Handshakes per second on average. A burst of ten seconds' worth is allowed.
    pub handshakes_per_second: u32,
}

/// Why a connection was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionRejection {
    /// Too many open connections.
    Connections,
    /// Too many connections without a complete request.
    Unfinished,
    /// Too many handshakes in a short time.
    Handshakes,
    /// More than its share of the connections of all listeners.
    Share,
}

impl ConnectionRejection {
    /// The label in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Unfinished => "unfinished",
            Self::Handshakes => "handshakes",
            Self::Share => "share",
        }
    }

    /// Counts and logs a rejected connection.
    pub fn note(self, peer: IpAddr) {
        increment(Metric::ConnectionsTurnedAway, &[("limit", self.as_str())]);
        tracing::debug!(address = %peer, limit = self.as_str(), "a connection was turned away: its source has too many");
    }
}

/// The gateway's clock as the token buckets read it.
#[derive(Clone)]
struct BucketClock(SharedClock);

impl Clock for BucketClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(u64::try_from(self.0.now().as_nanosecond()).unwrap_or(0))
    }
}

type Bucket = RateLimiter<NotKeyed, InMemoryState, BucketClock, NoOpMiddleware<Nanos>>;

struct Source {
    open: u32,
    /// The remaining handshakes; `None` without a limit.
    handshakes: Option<Bucket>,
}

/// Counts connections. All workers share one instance, because the connections of a source are spread over them.
pub struct ConnectionLimiter {
    bounds: Bounds,
    clock: SharedClock,
    exempt: Vec<IpNet>,
    sources: Mutex<HashMap<IpAddr, Source>>,
}

/// The slot of one connection. Released when dropped.
#[derive(Debug)]
pub struct ConnectionPermit(Option<(Arc<ConnectionLimiter>, IpAddr)>);

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        if let Some((gate, source)) = &self.0 {
            let mut sources = gate.lock();
            if let Some(entry) = sources.get_mut(source) {
                entry.open = entry.open.saturating_sub(1);
            }
        }
    }
}

impl std::fmt::Debug for ConnectionLimiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionLimiter").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

impl ConnectionLimiter {
    /// `exempt`: networks without limits.
    #[must_use]
    pub fn new(bounds: Bounds, exempt: Vec<IpNet>, clock: SharedClock) -> Arc<Self> {
        Arc::new(Self { bounds, clock, exempt, sources: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Source>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bucket(&self) -> Option<Bucket> {
        let per_second = NonZeroU32::new(self.bounds.handshakes_per_second)?;
        let burst = per_second.saturating_mul(NonZeroU32::MIN.saturating_add(BURST_SECONDS - 1));
        Some(RateLimiter::direct_with_clock(
            Quota::per_second(per_second).allow_burst(burst),
            BucketClock(Arc::clone(&self.clock)),
        ))
    }

    /// Takes a slot for a connection that has just been accepted.
    ///
    /// # Errors
    /// If the source exceeds a limit.
    pub fn enter(self: &Arc<Self>, peer: IpAddr) -> Result<ConnectionPermit, ConnectionRejection> {
        let peer = peer.to_canonical();
        let unbounded = self.bounds == Bounds { connections: 0, handshakes_per_second: 0 };
        if unbounded || self.exempt.iter().any(|net| net.contains(&peer)) {
            return Ok(ConnectionPermit(None));
        }
        let source = network(peer);
        let mut sources = self.lock();
        if sources.len() >= REMEMBERED && !sources.contains_key(&source) {
            sources.retain(|_, entry| entry.open > 0);
        }
        let entry = sources.entry(source).or_insert_with(|| Source { open: 0, handshakes: self.bucket() });
        if self.bounds.connections > 0 && entry.open >= self.bounds.connections {
            return Err(ConnectionRejection::Connections);
        }
        if let Some(bucket) = &entry.handshakes {
            bucket.check().map_err(|_wait| ConnectionRejection::Handshakes)?;
        }
        entry.open += 1;
        Ok(ConnectionPermit(Some((Arc::clone(self), source))))
    }

    /// Returns the number of open connections of a source.
    #[must_use]
    pub fn open(&self, peer: IpAddr) -> u32 {
        self.lock().get(&network(peer.to_canonical())).map_or(0, |entry| entry.open)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gangway_base::clock::ManualClock;

    use super::*;

    fn gate(connections: u32, handshakes_per_second: u32) -> (Arc<ConnectionLimiter>, ManualClock) {
        let clock = ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap());
        let bounds = Bounds { connections, handshakes_per_second };
        let exempt = vec!["10.0.0.0/8".parse().unwrap()];
        (ConnectionLimiter::new(bounds, exempt, Arc::new(clock.clone())), clock)
    }

    const ONE: &str = "192.0.2.1";

    #[test]
    fn a_site_that_boots_passes_and_a_flood_does_not() {
        let (gate, clock) = gate(0, 500);
        let enter = || gate.enter(ONE.parse().unwrap()).map(drop);
        // 500 phones that open five connections each within a second.
        assert_eq!((0..2_500).filter(|_| enter().is_ok()).count(), 2_500);
        assert_eq!((0..10_000).filter(|_| enter().is_ok()).count(), 2_500, "ten seconds' worth altogether");
        assert_eq!(enter(), Err(ConnectionRejection::Handshakes));
        clock.advance(Duration::from_secs(2));
        assert_eq!((0..10_000).filter(|_| enter().is_ok()).count(), 1_000, "two seconds later two seconds' worth");
    }

    #[test]
    fn connections_are_counted_until_they_end() {
        let (gate, _clock) = gate(2, 0);
        let enter = || gate.enter(ONE.parse().unwrap());
        let (first, second) = (enter().unwrap(), enter().unwrap());
        assert_eq!(enter().map(drop), Err(ConnectionRejection::Connections));
        assert!(gate.enter("192.0.2.2".parse().unwrap()).is_ok(), "others are not concerned");
        drop(first);
        assert_eq!(gate.open(ONE.parse().unwrap()), 1);
        assert!(enter().is_ok());
        drop(second);
    }

    #[test]
    fn trusted_proxies_and_a_gate_without_bounds_count_nothing() {
        let (bounded, free) = (gate(1, 1).0, gate(0, 0).0);
        for _ in 0..100 {
            std::mem::forget(bounded.enter("10.1.1.1".parse().unwrap()).unwrap());
            std::mem::forget(free.enter(ONE.parse().unwrap()).unwrap());
        }
        assert!(free.lock().is_empty() && bounded.lock().is_empty());
    }

    #[test]
    fn a_clock_that_goes_back_turns_nobody_away() {
        let (gate, clock) = gate(0, 10);
        assert!(gate.enter(ONE.parse().unwrap()).is_ok());
        clock.set("2025-01-01T00:00:00Z".parse().unwrap());
        assert!(gate.enter(ONE.parse().unwrap()).is_ok());
    }

    #[test]
    fn many_sources_are_forgotten_again() {
        let (gate, _clock) = gate(5, 5);
        for host in 0..150_000_u32 {
            drop(gate.enter(IpAddr::V4((0x0b00_0000 + host).into())));
        }
        assert!(gate.lock().len() <= REMEMBERED);
    }
}
