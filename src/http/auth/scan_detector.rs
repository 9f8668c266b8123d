//! Sources that try one MAC address after the other. What gives them away: a decoy, neighbours in a row, or very many
//! addresses that no phone has. Such a source is frozen for a while: what takes no more than a MAC and something that many
//! know (the account all phones share, a first contact without token) opens nothing to it. Phones behind the same address
//! that prove themselves, by their own credentials, certificate or redirect URL, never notice.
//!
//! **A carton is no scan.** New phones of one make have neighbouring addresses, and plugged in before their addresses are
//! entered they all ask. An attempt that reads like a phone of its own (the User-Agent is a vendor's and names the very
//! address, or names none while the file name is this vendor's own) therefore counts as an unknown address, but not as a
//! neighbour. A scanner can write the same User-Agents. It gains nothing that a scanner who takes the addresses in random
//! order does not have: [`MANY`] addresses in [`WITHIN`] is the limit that holds for every source.
//!
//! **A window opened later is not shut.** A freeze holds against the windows that were open when its source gave itself away
//! (`Frozen::signed`). A window that an administrator or a provisioning opens after that admits its phone, until the source
//! gives itself away again; for that it starts counting at nothing. So no source tries more than [`MANY`]
//! unknown addresses against any window, whenever it is opened.
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
use gangway_base::mac::Mac;
use ipnet::IpNet;
use jiff::Timestamp;

use super::{honeypot_macs::HoneypotMacs, source_prefix::CountedSource};
use crate::{
    base::telemetry::metric::{Metric, increment},
    phone::{instance::InstanceId, request_evidence::network},
};

/// Unknown addresses from one source that make it a scanner.
pub const MANY: usize = 64;
/// Neighbours asked for in a row that make it one, unless each reads like a phone of its own.
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
pub enum ScanSign {
    /// It asked for an address nobody has.
    Decoy,
    /// Neighbours in a row.
    Sequence,
    /// Very many unknown addresses.
    Many,
}

impl ScanSign {
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

/// A request for a phone that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanAttempt {
    /// The address it names.
    pub mac: Mac,
    /// Whether it reads like a phone of this very address.
    pub reads_like_phone: bool,
}

/// A frozen source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrozenSource {
    /// The address it asked from last.
    pub address: IpAddr,
    /// What gave it away.
    pub sign: ScanSign,
    /// Since when.
    pub since: Timestamp,
    /// When it gave itself away last: windows opened later are not shut.
    pub signed: Timestamp,
    /// Until when, if it stops.
    pub until: Timestamp,
}

type Key = (InstanceId, CountedSource);

/// What is known of all sources.
pub struct ScanDetector {
    hasher: RandomState,
    parts: Vec<Mutex<HashMap<Key, Source>>>,
    frozen: ArcSwap<HashMap<Key, FrozenSource>>,
    decoys: HoneypotMacs,
}

#[derive(Debug)]
struct Source {
    since: Timestamp,
    /// Unknown addresses, each once.
    seen: Vec<u64>,
    last_at: Timestamp,
    /// Neighbours so far, where and when the row ended, and the way it goes.
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

    /// Whether a source is frozen for a phone whose window was opened then; takes no lock.
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

    /// The frozen sources of an instance, the newest first.
    #[must_use]
    pub fn frozen(&self, instance: InstanceId, now: Timestamp) -> Vec<FrozenSource> {
        let frozen = self.frozen.load();
        let mut found: Vec<FrozenSource> =
            frozen.iter().filter(|(key, frozen)| key.0 == instance && frozen.holds(now)).map(|(_, one)| *one).collect();
        found.sort_by_key(|frozen| std::cmp::Reverse(frozen.since));
        found
    }

    /// Counts an unproven request for the file of a phone that is not known.
    pub fn saw(&self, instance: InstanceId, origin: CountedSource, attempt: ScanAttempt, now: Timestamp) {
        let address = match origin {
            CountedSource::Source(address)
            | CountedSource::Proxy(address)
            | CountedSource::Behind { client: address, .. } => address,
        };
        let decoy = self.decoys.holds(instance, attempt.mac).then_some(ScanSign::Decoy);
        // Of a proxy that is not listed pairs of client and address count, so that invented clients fill no table.
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

    /// Ends the freeze of the source with this address; false when none was frozen.
    pub fn thaw(&self, instance: InstanceId, address: IpAddr) -> bool {
        self.thaw_where(|key, frozen| key.0 == instance && network(frozen.address) == network(address))
    }

    /// Ends the freeze of every source of a network that gave itself away before `opened`: an administrator then opened a
    /// window for this network.
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

    /// Adds time to a source that is frozen and goes on.
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
    /// A clock that was set back ends it: nobody stays frozen for longer than was meant.
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
        // Phones between the addresses of a scanner do not break its row, and make none.
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
        // What it does from now on is the beginning of another sign.
        (self.run, self.since) = (1, now);
        self.seen.clear();
        Some(sign)
    }
}

/// Whether an address lies in a network. Of an IPv6 source only its /64 is known.
fn holds(within: IpNet, address: IpAddr) -> bool {
    within.contains(&address) || (address.is_ipv6() && network(within.addr()) == network(address))
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
mod tests;
