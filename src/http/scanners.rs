//! Sources that try one MAC address after the other. What gives them away: a decoy, neighbours in a row, or very many
//! addresses nobody has. Such a source is frozen for a while: what takes no more than a MAC and something that many know
//! (the account all phones share, a first contact without token) opens nothing to it. Phones behind the same address that
//! prove themselves, by their own credentials, certificate or redirect URL, never notice.
//!
//! Everything is bounded: sources, addresses remembered of each, frozen ones. What falls out is forgotten.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use jiff::Timestamp;

use super::decoys::Decoys;
use crate::{
    phone::{identity::network, instance::InstanceId, mac::Mac},
    telemetry::metric::{Metric, increment},
};

/// Unknown addresses from one source that make it a scanner.
pub const MANY: usize = 64;
/// Neighbours asked for in a row that make it one.
pub const IN_A_ROW: u32 = 8;
/// How far apart neighbours are at most.
const STEP: u64 = 4;
/// The time all this has to happen in.
pub const WITHIN: Duration = Duration::from_secs(10 * 60);
/// How long a source is frozen after its last unknown address.
pub const FREEZE: Duration = Duration::from_secs(30 * 60);
/// A frozen source that goes on has its time prolonged no more often than this.
const PROLONG: Duration = Duration::from_secs(60);

/// Sources watched.
const SOURCES: usize = 4096;
/// Frozen ones remembered.
const FROZEN: usize = 1024;
/// Parts with a lock of their own; a scanner keeps workers waiting at one only.
const PARTS: usize = 16;

/// What gave a source away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It asked for an address nobody has.
    Decoy,
    /// Neighbours in a row.
    Sequence,
    /// Very many unknown addresses.
    Many,
}

impl Sign {
    /// The word in metrics and texts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decoy => "decoy",
            Self::Sequence => "sequence",
            Self::Many => "many",
        }
    }
}

/// A frozen source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frozen {
    /// The address it asked from last.
    pub address: IpAddr,
    /// What gave it away.
    pub sign: Sign,
    /// Since when.
    pub since: Timestamp,
    /// Until when, if it stops.
    pub until: Timestamp,
}

type Key = (InstanceId, IpAddr);

/// What is known of all sources.
pub struct Scanners {
    hasher: RandomState,
    parts: Vec<Mutex<HashMap<Key, Source>>>,
    frozen: ArcSwap<HashMap<Key, Frozen>>,
    decoys: Decoys,
}

#[derive(Debug)]
struct Source {
    since: Timestamp,
    /// Unknown addresses, each once.
    seen: Vec<u64>,
    last: u64,
    last_at: Timestamp,
    /// Neighbours so far and the way they go.
    run: u32,
    upwards: bool,
}

impl Scanners {
    /// `key` is secret and survives a restart.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self {
            hasher: RandomState::new(),
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            frozen: ArcSwap::default(),
            decoys: Decoys::new(key),
        }
    }

    /// Whether a source is frozen; takes no lock.
    #[must_use]
    pub fn is_frozen(&self, instance: InstanceId, address: IpAddr, now: Timestamp) -> bool {
        let frozen = self.frozen.load();
        !frozen.is_empty() && frozen.get(&(instance, network(address))).is_some_and(|frozen| frozen.holds(now))
    }

    /// The frozen sources of an instance, the newest first.
    #[must_use]
    pub fn frozen(&self, instance: InstanceId, now: Timestamp) -> Vec<Frozen> {
        let frozen = self.frozen.load();
        let mut found: Vec<Frozen> =
            frozen.iter().filter(|(key, frozen)| key.0 == instance && frozen.holds(now)).map(|(_, one)| *one).collect();
        found.sort_by_key(|frozen| std::cmp::Reverse(frozen.since));
        found
    }

    /// Somebody asked for the file of a phone nobody knows, proving nothing.
    pub fn saw(&self, instance: InstanceId, address: IpAddr, mac: Mac, now: Timestamp) {
        let key = (instance, network(address));
        let decoy = self.decoys.holds(instance, mac).then_some(Sign::Decoy);
        if let Some(sign) = decoy.or(self.count(key, mac, now)) {
            self.freeze(key, address, sign, now);
        }
    }

    fn count(&self, key: Key, mac: Mac, now: Timestamp) -> Option<Sign> {
        let index = usize::try_from(self.hasher.hash_one(key) % PARTS as u64).unwrap_or_default();
        let mut part = self.parts.get(index)?.lock().unwrap_or_else(PoisonError::into_inner);
        if !part.contains_key(&key) && part.len() >= SOURCES / PARTS {
            make_room(&mut part, now);
        }
        part.entry(key).or_insert_with(|| Source::new(now)).ask(number(mac), now)
    }

    fn freeze(&self, key: Key, address: IpAddr, sign: Sign, now: Timestamp) {
        let until = now.saturating_add(FREEZE).unwrap_or(Timestamp::MAX);
        let known = self.frozen.load().get(&key).copied().filter(|known| known.holds(now));
        if known.is_some_and(|known| known.until.saturating_add(PROLONG).is_ok_and(|soon| soon > until)) {
            return;
        }
        let since = known.map_or(now, |known| known.since);
        let frozen = Frozen { address, sign: known.map_or(sign, |known| known.sign), since, until };
        self.frozen.rcu(|present| {
            let mut next: HashMap<Key, Frozen> = HashMap::clone(present);
            if next.len() >= FROZEN && !next.contains_key(&key) {
                next.retain(|_, one| one.holds(now));
            }
            if next.len() >= FROZEN
                && let Some(first) = next.iter().min_by_key(|(_, one)| one.until).map(|(key, _)| *key)
            {
                next.remove(&first);
            }
            next.insert(key, frozen);
            Arc::new(next)
        });
        if known.is_none() {
            increment(Metric::ScanningSources, &[("sign", sign.as_str())]);
            tracing::warn!(
                instance = key.0.0,
                %address,
                sign = sign.as_str(),
                %until,
                "a source tries MAC addresses: requests of it that prove nothing of their own are refused for a while"
            );
        }
    }
}

impl std::fmt::Debug for Scanners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scanners").field("frozen", &self.frozen.load().len()).finish_non_exhaustive()
    }
}

impl Frozen {
    /// A clock that was set back ends it: nobody stays frozen for longer than was meant.
    fn holds(&self, now: Timestamp) -> bool {
        now < self.until && self.until.duration_since(now).unsigned_abs() <= FREEZE
    }
}

impl Source {
    fn new(now: Timestamp) -> Self {
        Self { since: now, seen: Vec::new(), last: 0, last_at: now, run: 1, upwards: true }
    }

    fn ask(&mut self, mac: u64, now: Timestamp) -> Option<Sign> {
        let is_over = |since: Timestamp| now.duration_since(since).unsigned_abs() > WITHIN;
        if is_over(self.since) {
            self.since = now;
            self.seen.clear();
        }
        if mac != self.last {
            let upwards = mac > self.last;
            let near = mac.abs_diff(self.last) <= STEP && !is_over(self.last_at);
            self.run = match near {
                true if self.run == 1 || upwards == self.upwards => self.run.saturating_add(1),
                true => 2,
                false => 1,
            };
            (self.last, self.upwards) = (mac, upwards);
        }
        self.last_at = now;
        if self.seen.len() < MANY && !self.seen.contains(&mac) {
            self.seen.push(mac);
        }
        match () {
            () if self.run >= IN_A_ROW => Some(Sign::Sequence),
            () if self.seen.len() >= MANY => Some(Sign::Many),
            () => None,
        }
    }
}

/// Forgets who was silent for long, else who was silent for longest.
fn make_room(part: &mut HashMap<Key, Source>, now: Timestamp) {
    let before = part.len();
    part.retain(|_, source| now.duration_since(source.last_at).unsigned_abs() <= WITHIN);
    if part.len() == before
        && let Some(oldest) = part.iter().min_by_key(|(_, source)| source.last_at).map(|(key, _)| *key)
    {
        part.remove(&oldest);
    }
}

fn number(mac: Mac) -> u64 {
    mac.bytes().into_iter().fold(0, |number, octet| number << 8 | u64::from(octet))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HERE: InstanceId = InstanceId(1);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn mac(number: u32) -> Mac {
        let [_, d, e, f] = number.to_be_bytes();
        Mac::new([0x80, 0x5e, 0xc0, d, e, f]).unwrap()
    }

    fn source(host: u8) -> IpAddr {
        [192, 0, 2, host].into()
    }

    fn scanners() -> Scanners {
        Scanners::new(&[7; 32])
    }

    #[test]
    fn neighbours_in_a_row_freeze_their_source_for_a_while() {
        for step in [1_i64, -1, 3] {
            let scanners = scanners();
            for n in 0..i64::from(IN_A_ROW) {
                assert!(!scanners.is_frozen(HERE, source(1), at(n)));
                // Asking for several names of each changes nothing.
                for _ in 0..3 {
                    scanners.saw(HERE, source(1), mac(u32::try_from(5_000 + n * step).unwrap()), at(n));
                }
            }
            assert!(scanners.is_frozen(HERE, source(1), at(8)), "step {step}");
            assert_eq!(scanners.frozen(HERE, at(8))[0].sign, Sign::Sequence);
            assert!(!scanners.is_frozen(HERE, source(2), at(8)), "nobody else");
            assert!(!scanners.is_frozen(InstanceId(2), source(1), at(8)), "no other tenant");
            assert!(!scanners.is_frozen(HERE, source(1), at(8 + 1800)));
            assert!(!scanners.is_frozen(HERE, source(1), at(-86_400)), "a clock set back ends it");
            assert!(scanners.frozen(HERE, at(2000)).is_empty());
        }
    }

    #[test]
    fn going_on_prolongs_it() {
        let scanners = scanners();
        for n in 0..100 {
            scanners.saw(HERE, source(1), mac(n), at(i64::from(n) * 60));
        }
        assert!(scanners.is_frozen(HERE, source(1), at(99 * 60 + 1700)));
        assert_eq!(scanners.frozen(HERE, at(99 * 60))[0].since, at(7 * 60));
    }

    #[test]
    fn very_many_unknown_ones_do_as_well() {
        let scanners = scanners();
        let far_apart = |n: u32| mac(n.wrapping_mul(2_654_435_761) % 0xff_ffff);
        for n in 0..u32::try_from(MANY).unwrap() {
            assert!(!scanners.is_frozen(HERE, source(1), at(0)), "{n}");
            scanners.saw(HERE, source(1), far_apart(n), at(0));
        }
        assert_eq!(scanners.frozen(HERE, at(0))[0].sign, Sign::Many);
        let slow = super::Scanners::new(&[7; 32]);
        for n in 0..500 {
            slow.saw(HERE, source(1), far_apart(n), at(i64::from(n) * 10));
        }
        assert!(!slow.is_frozen(HERE, source(1), at(5_000)), "as a large site does in an hour");
    }

    #[test]
    fn a_decoy_is_enough() {
        let scanners = scanners();
        let decoy = scanners.decoys.beside(HERE, mac(1))[0];
        scanners.saw(HERE, "2001:db8::1".parse().unwrap(), decoy, at(0));
        assert!(scanners.is_frozen(HERE, "2001:db8::2".parse().unwrap(), at(1)), "one IPv6 network is one source");
        assert_eq!(scanners.frozen(HERE, at(1))[0].sign, Sign::Decoy);
    }

    #[test]
    fn a_phone_that_asks_again_and_again_is_none() {
        let scanners = scanners();
        for n in 0..10_000 {
            scanners.saw(HERE, source(1), mac(100 + n % 7 * 1000), at(i64::from(n)));
        }
        assert!(scanners.frozen(HERE, at(10_000)).is_empty());
    }

    #[test]
    fn whatever_strangers_do_the_tables_stay_bounded() {
        let scanners = scanners();
        for host in 0..20_000_u32 {
            for n in 0..IN_A_ROW {
                scanners.saw(HERE, IpAddr::V4(host.into()), mac(n), at(i64::from(host / 100)));
            }
        }
        let sources: usize = scanners.parts.iter().map(|part| part.lock().unwrap().len()).sum();
        assert!(sources <= SOURCES);
        assert!(scanners.frozen.load().len() <= FROZEN);
    }

    proptest! {
        /// What a site's unknown phones do: each asks for its own name, in any order, boot after boot.
        #[test]
        fn fewer_phones_than_many_in_random_order_freeze_nobody(
            macs in prop::collection::hash_set((0..0x0f_ffff_u32).prop_map(|n| n * 8), 1..MANY),
            times in prop::collection::vec(0..600_i64, 200),
        ) {
            let scanners = scanners();
            let macs: Vec<_> = macs.into_iter().filter(|n| !scanners.decoys.holds(HERE, mac(*n))).collect();
            let mut times = times;
            times.sort_unstable();
            for (n, second) in times.into_iter().enumerate() {
                if let Some(one) = macs.get(n % macs.len().max(1)) {
                    scanners.saw(HERE, source(1), mac(*one), at(second));
                }
            }
            prop_assert!(!scanners.is_frozen(HERE, source(1), at(600)));
        }
    }
}
