//! Counts wrong credentials per source and suppresses repeated records. Both tables are bounded. An evicted entry is
//! forgotten, so overflow never locks out a source.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use super::source_prefix::CountedSource;

/// Number of wrong credentials after which only a phone's own credentials are accepted from a source.
pub const STRIKES: u32 = 10;
/// How long a source stays locked out after its last wrong credentials.
pub const LOCKOUT: Duration = Duration::from_secs(10 * 60);

/// Maximum size of an upload.
pub const UPLOAD_BYTES: usize = 64 * 1024;
/// Time limit for an upload.
pub const UPLOAD_PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy)]
struct Entry {
    count: u32,
    last: Timestamp,
}

/// A bounded table of expiring counters. When full, it drops the entry that was updated longest ago.
#[derive(Debug)]
struct Counters<K> {
    entries: Mutex<HashMap<K, Entry>>,
    capacity: usize,
    memory: Duration,
}

impl<K: Copy + Eq + Hash> Counters<K> {
    fn new(capacity: usize, memory: Duration) -> Self {
        Self { entries: Mutex::new(HashMap::new()), capacity: capacity.max(1), memory }
    }

    fn alive(&self, entry: &Entry, now: Timestamp) -> bool {
        entry.last.saturating_add(self.memory).is_ok_and(|end| now < end)
    }

    fn get(&self, key: &K, now: Timestamp) -> u32 {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(key).filter(|entry| self.alive(entry, now)).map_or(0, |entry| entry.count)
    }

    fn add(&self, key: K, now: Timestamp) -> u32 {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if !entries.contains_key(&key) && entries.len() >= self.capacity {
            entries.retain(|_, entry| self.alive(entry, now));
            if entries.len() >= self.capacity {
                // Drop an eighth of the entries at once, so that this is rare when many sources arrive.
                let mut ages: Vec<Timestamp> = entries.values().map(|entry| entry.last).collect();
                let eighth = ages.len() / 8;
                let (_, limit, _) = ages.select_nth_unstable(eighth);
                let limit = *limit;
                entries.retain(|_, entry| entry.last > limit);
            }
        }
        let entry = entries.entry(key).or_insert(Entry { count: 0, last: now });
        if !self.alive(entry, now) {
            entry.count = 0;
        }
        entry.count = entry.count.saturating_add(1);
        entry.last = now;
        entry.count
    }
}

/// Wrong credentials per source.
#[derive(Debug)]
pub struct FailureCounter(Counters<CountedSource>);

impl Default for FailureCounter {
    fn default() -> Self {
        Self::new(4096)
    }
}

impl FailureCounter {
    /// Tracks at most `capacity` sources.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(Counters::new(capacity, LOCKOUT))
    }

    /// Counts wrong credentials.
    pub fn add(&self, origin: impl Into<CountedSource>, now: Timestamp) {
        let origin = origin.into();
        self.0.add(origin, now);
        if let Some(whole) = origin.whole() {
            self.0.add(whole, now);
        }
    }

    /// Whether only own credentials are accepted from this source.
    #[must_use]
    pub fn is_locked_out(&self, origin: impl Into<CountedSource>, now: Timestamp) -> bool {
        let origin = origin.into();
        let over = |origin: CountedSource| self.0.get(&origin, now) >= STRIKES.saturating_mul(origin.share());
        over(origin) || origin.whole().is_some_and(over)
    }
}

/// Lets one event per key through in each interval.
#[derive(Debug)]
pub struct DedupWindow<K>(Counters<K>);

impl<K: Copy + Eq + Hash> DedupWindow<K> {
    /// Tracks at most `capacity` keys, each for `pause`.
    #[must_use]
    pub fn new(capacity: usize, pause: Duration) -> Self {
        Self(Counters::new(capacity, pause))
    }

    /// Returns true if this key was not let through within the interval.
    pub fn allow(&self, key: K, now: Timestamp) -> bool {
        // A repeated event must not extend the interval, so do not touch an existing key.
        self.0.get(&key, now) == 0 && self.0.add(key, now) == 1
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn source(address: &str) -> CountedSource {
        CountedSource::source(address.parse().unwrap())
    }

    #[test]
    fn ten_wrong_ones_lock_a_source_out_for_a_while() {
        let strikes = FailureCounter::new(16);
        let here = source("192.0.2.1");
        for _ in 0..9 {
            strikes.add(here, at(0));
        }
        assert!(!strikes.is_locked_out(here, at(1)));
        strikes.add(here, at(1));
        assert!(strikes.is_locked_out(here, at(2)));
        assert!(!strikes.is_locked_out(source("192.0.2.2"), at(2)));
        assert!(!strikes.is_locked_out(here, at(1 + 600)));
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let strikes = FailureCounter::new(16);
        for host in 1..=10 {
            strikes.add(source(&format!("2001:db8::{host}")), at(0));
        }
        assert!(strikes.is_locked_out(source("2001:db8::ffff"), at(1)));
        assert!(!strikes.is_locked_out(source("2001:db8:0:1::1"), at(1)));
    }

    #[test]
    fn behind_a_proxy_one_client_is_locked_out_and_invented_ones_all_together() {
        let strikes = FailureCounter::new(4096);
        let client = |n: u32| CountedSource::behind([127, 0, 0, 1].into(), IpAddr::V4(n.into()));
        for _ in 0..STRIKES {
            strikes.add(client(1), at(0));
        }
        assert!(strikes.is_locked_out(client(1), at(1)) && !strikes.is_locked_out(client(2), at(1)));
        for n in 0..STRIKES * CountedSource::Proxy([127, 0, 0, 1].into()).share() {
            strikes.add(client(1000 + n), at(0));
        }
        assert!(strikes.is_locked_out(client(2), at(1)));
    }

    #[test]
    fn the_table_stays_bounded() {
        let strikes = FailureCounter::new(64);
        for host in 0..10_000u32 {
            strikes.add(CountedSource::Source(IpAddr::V4(host.into())), at(i64::from(host / 100)));
        }
        assert!(strikes.0.entries.lock().unwrap().len() <= 64);
    }

    #[test]
    fn seldom_lets_one_through_per_pause() {
        let seldom = DedupWindow::new(4, Duration::from_secs(60));
        assert!(seldom.allow(1, at(0)));
        assert!(!seldom.allow(1, at(59)));
        assert!(seldom.allow(1, at(60)));
        assert!(seldom.allow(2, at(60)));
    }
}
