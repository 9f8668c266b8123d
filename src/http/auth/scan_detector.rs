//! Detects sources that try one MAC address after another. The signs are a request for a honeypot address, consecutive
//! addresses in a row, or very many unknown addresses. Such a source is frozen for a while: it gets no access that
//! needs only a MAC and widely known data (the account that all phones share, or a first contact without a token).
//! Phones behind the same address that authenticate with their own credentials, certificate, or redirect URL are not
//! affected.
//!
//! **A batch of new phones is not a scan.** New phones of one vendor have consecutive addresses. If they are plugged in
//! before their addresses are entered, all of them send requests. An attempt reads like a phone if the User-Agent is a
//! vendor's and contains this address, or contains none while the file name is this vendor's own. It then counts as an
//! unknown address but not as a consecutive one. A scanner can imitate such a User-Agent. It gains no more than by
//! trying addresses in random order: the limit of [`MANY`] addresses in [`WITHIN`] applies to every source.
//!
//! **A bootstrap window opened later is not blocked.** A freeze applies to the windows that were open when the source
//! was detected ([`FrozenSource::signed`]). A window that an administrator or provisioning opens afterwards admits its
//! phone until the source is detected again, for which counting restarts at zero. So no source can try more than
//! [`MANY`] unknown addresses against any window, regardless of when it is opened.
//!
//! All tables are bounded: sources, addresses per source, and frozen sources. Evicted entries are forgotten.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use gangway_base::mac::Mac;
use ipnet::IpNet;
use jiff::Timestamp;

use super::{honeypot_macs::HoneypotMacs, source_prefix::CountedSource};
use crate::{
    base::telemetry::metric::{Metric, increment},
    phone::{instance::InstanceId, request_evidence::network},
};

/// Number of unknown addresses after which a source counts as a scanner.
pub const MANY: usize = 64;
/// Number of consecutive addresses in a row after which a source counts as a scanner. Attempts that read like a phone
/// do not count.
pub const IN_A_ROW: u32 = 8;
/// Maximum distance between consecutive addresses.
const STEP: u64 = 4;
/// The period in which the attempts must occur.
pub const WITHIN: Duration = Duration::from_secs(10 * 60);
/// How long a source stays frozen after its last unknown address.
pub const FREEZE: Duration = Duration::from_secs(30 * 60);
/// Minimum interval between extensions of a freeze.
const PROLONG: Duration = Duration::from_secs(60);

/// Maximum number of tracked sources.
const SOURCES: usize = 4096;
/// Maximum number of frozen sources.
const FROZEN: usize = 1024;
/// Number of separately locked parts, so that a scanner causes lock contention in one of them only.
const PARTS: usize = 16;

/// Why a source was detected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanSign {
    /// It requested a honeypot address.
    Decoy,
    /// It requested consecutive addresses in a row.
    Sequence,
    /// It requested very many unknown addresses.
    Many,
}

impl ScanSign {
    /// The name in metrics and texts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decoy => "decoy",
            Self::Sequence => "sequence",
            Self::Many => "many",
        }
    }
}

/// A request for an unknown phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanAttempt {
    /// The requested address.
    pub mac: Mac,
    /// Whether the request reads like a phone with this address.
    pub reads_like_phone: bool,
}

/// A frozen source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrozenSource {
    /// The address of its last request.
    pub address: IpAddr,
    /// Why it was detected.
    pub sign: ScanSign,
    /// Start of the freeze.
    pub since: Timestamp,
    /// Time of the last detection. Bootstrap windows opened later are not blocked.
    pub signed: Timestamp,
    /// End of the freeze, if the source stops.
    pub until: Timestamp,
}

type Key = (InstanceId, CountedSource);

/// Tracked and frozen sources.
pub struct ScanDetector {
    hasher: RandomState,
    parts: Vec<Mutex<HashMap<Key, Source>>>,
    frozen: ArcSwap<HashMap<Key, FrozenSource>>,
    decoys: HoneypotMacs,
}

#[derive(Debug)]
struct Source {
    since: Timestamp,
    /// Unknown addresses, without duplicates.
    seen: Vec<u64>,
    last_at: Timestamp,
    /// Length of the current row of consecutive addresses, its last address and time, and its direction.
    run: u32,
    row: u64,
    row_at: Timestamp,
    upwards: bool,
}

impl ScanDetector {
    /// `key` is secret and survives a restart.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self {
            hasher: RandomState::new(),
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            frozen: ArcSwap::default(),
            decoys: HoneypotMacs::new(key),
        }
    }

    /// Whether a source is frozen for a phone whose bootstrap window was opened at `opened`. Takes no lock.
    #[must_use]
    pub fn is_frozen(
        &self,
        instance: InstanceId,
        origin: CountedSource,
        opened: Option<Timestamp>,
        now: Timestamp,
    ) -> bool {
        let frozen = self.frozen.load();
        let shuts = |origin: CountedSource| {
            let frozen = frozen.get(&(instance, origin)).filter(|frozen| frozen.holds(now));
            frozen.is_some_and(|frozen| opened.is_none_or(|opened| opened <= frozen.signed))
        };
        !frozen.is_empty() && (shuts(origin) || origin.whole().is_some_and(shuts))
    }

    /// Returns the frozen sources of an instance, newest first.
    #[must_use]
    pub fn frozen(&self, instance: InstanceId, now: Timestamp) -> Vec<FrozenSource> {
        let frozen = self.frozen.load();
        let mut found: Vec<FrozenSource> =
            frozen.iter().filter(|(key, frozen)| key.0 == instance && frozen.holds(now)).map(|(_, one)| *one).collect();
        found.sort_by_key(|frozen| std::cmp::Reverse(frozen.since));
        found
    }

    /// Counts an unauthenticated request for the file of an unknown phone.
    pub fn saw(&self, instance: InstanceId, origin: CountedSource, attempt: ScanAttempt, now: Timestamp) {
        let address = match origin {
            CountedSource::Source(address)
            | CountedSource::Proxy(address)
            | CountedSource::Behind { client: address, .. } => address,
        };
        let decoy = self.decoys.holds(instance, attempt.mac).then_some(ScanSign::Decoy);
        // For an unlisted proxy, count pairs of client and address, so that invented clients do not fill the table.
        let whole = origin.whole().map(|whole| (whole, self.hasher.hash_one((origin, attempt.mac))));
        if let Some((whole, pair)) = whole {
            let key = (instance, whole);
            let CountedSource::Proxy(proxy) = whole else { return };
            if let Some(sign) = self.count(key, pair, true, now) {
                self.freeze(key, proxy, sign, now);
            }
            if self.is_frozen(instance, whole, None, now) {
                return;
            }
        }
        let key = (instance, origin);
        match decoy.or_else(|| self.count(key, number(attempt.mac), attempt.reads_like_phone, now)) {
            Some(sign) => self.freeze(key, address, sign, now),
            None if !attempt.reads_like_phone => self.prolong(key, address, now),
            None => {}
        }
    }

    /// Ends the freeze of the source with this address. Returns false if there was none.
    pub fn thaw(&self, instance: InstanceId, address: IpAddr) -> bool {
        self.thaw_where(|key, frozen| key.0 == instance && network(frozen.address) == network(address))
    }

    /// Ends the freeze of every source in a network that was detected before `opened`, when an administrator opened a
    /// bootstrap window for this network.
    pub fn thaw_network(&self, instance: InstanceId, within: IpNet, opened: Timestamp) -> bool {
        self.thaw_where(|key, frozen| key.0 == instance && holds(within, frozen.address) && frozen.signed < opened)
    }

    fn thaw_where(&self, ends: impl Fn(&Key, &FrozenSource) -> bool) -> bool {
        if !self.frozen.load().iter().any(|(key, frozen)| ends(key, frozen)) {
            return false;
        }
        let before = self.frozen.rcu(|present| {
            let mut next: HashMap<Key, FrozenSource> = HashMap::clone(present);
            next.retain(|key, frozen| !ends(key, frozen));
            Arc::new(next)
        });
        for (key, frozen) in before.iter().filter(|(key, frozen)| ends(key, frozen)) {
            tracing::info!(instance = key.0.0, address = %frozen.address, "an administrator ends the freeze of a source");
        }
        true
    }

    fn count(&self, key: Key, number: u64, reads_like_phone: bool, now: Timestamp) -> Option<ScanSign> {
        let index = usize::try_from(self.hasher.hash_one(key) % PARTS as u64).unwrap_or_default();
        let mut part = self.parts.get(index)?.lock().unwrap_or_else(PoisonError::into_inner);
        if !part.contains_key(&key) && part.len() >= SOURCES / PARTS {
            make_room(&mut part, now);
        }
        let many = MANY * key.1.share() as usize;
        part.entry(key).or_insert_with(|| Source::new(now)).ask(number, reads_like_phone, many, now)
    }

    /// Extends the freeze of a source that continues.
    fn prolong(&self, key: Key, address: IpAddr, now: Timestamp) {
        let until = now.saturating_add(FREEZE).unwrap_or(Timestamp::MAX);
        let known = self.frozen.load().get(&key).copied().filter(|known| known.holds(now));
        let due = |known: &FrozenSource| known.until.saturating_add(PROLONG).is_ok_and(|soon| soon <= until);
        if let Some(known) = known.filter(due) {
            self.put(key, FrozenSource { address, until, ..known }, now);
        }
    }

    fn freeze(&self, key: Key, address: IpAddr, sign: ScanSign, now: Timestamp) {
        let until = now.saturating_add(FREEZE).unwrap_or(Timestamp::MAX);
        let known = self.frozen.load().get(&key).copied().filter(|known| known.holds(now));
        let since = known.map_or(now, |known| known.since);
        let sign = known.map_or(sign, |known| known.sign);
        self.put(key, FrozenSource { address, sign, since, signed: now, until }, now);
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

    fn put(&self, key: Key, frozen: FrozenSource, now: Timestamp) {
        self.frozen.rcu(|present| {
            let mut next: HashMap<Key, FrozenSource> = HashMap::clone(present);
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
    }
}

impl std::fmt::Debug for ScanDetector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scanners").field("frozen", &self.frozen.load().len()).finish_non_exhaustive()
    }
}

impl FrozenSource {
    /// Whether the freeze applies. If the clock was set back, it ends, so that a source is never frozen for longer than
    /// intended.
    fn holds(&self, now: Timestamp) -> bool {
        now < self.until && self.until.duration_since(now).unsigned_abs() <= FREEZE
    }
}

impl Source {
    fn new(now: Timestamp) -> Self {
        Self { since: now, seen: Vec::new(), last_at: now, run: 1, row: 0, row_at: now, upwards: true }
    }

    fn ask(&mut self, mac: u64, reads_like_phone: bool, many: usize, now: Timestamp) -> Option<ScanSign> {
        let is_over = |since: Timestamp| now.duration_since(since).unsigned_abs() > WITHIN;
        if is_over(self.since) {
            self.since = now;
            self.seen.clear();
        }
        // Attempts of phones neither interrupt the row of a scanner nor form one.
        if !reads_like_phone {
            if mac != self.row {
                let upwards = mac > self.row;
                let near = mac.abs_diff(self.row) <= STEP && !is_over(self.row_at);
                self.run = match near {
                    true if self.run == 1 || upwards == self.upwards => self.run.saturating_add(1),
                    true => 2,
                    false => 1,
                };
                (self.row, self.upwards) = (mac, upwards);
            }
            self.row_at = now;
        }
        self.last_at = now;
        if self.seen.len() < many && !self.seen.contains(&mac) {
            self.seen.push(mac);
        }
        let sign = match () {
            () if self.run >= IN_A_ROW => ScanSign::Sequence,
            () if self.seen.len() >= many => ScanSign::Many,
            () => return None,
        };
        // Later attempts count towards the next detection.
        (self.run, self.since) = (1, now);
        self.seen.clear();
        Some(sign)
    }
}

/// Whether an address is in a network. For an IPv6 source only the /64 is known.
fn holds(within: IpNet, address: IpAddr) -> bool {
    within.contains(&address) || (address.is_ipv6() && network(within.addr()) == network(address))
}

/// Removes sources that have been idle for long, or else the one that has been idle the longest.
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
mod tests;
