//! Remembers which Digest responses were used, so that a captured request cannot be replayed (RFC 7616, 5.12).
//!
//! Nonce counts are tracked per session. A session is identified by account, nonce, client nonce, method and target.
//! For each session the cache stores the highest count and which of the 64 counts below it were used, like the IPsec
//! anti-replay window. Requests that overtake each other on parallel connections are therefore all accepted. Because
//! the nonce alone does not identify a session, many phones can use one challenge, and a phone may start every file
//! with count 1.
//!
//! The cache is in memory and bounded. When a session is evicted, unknown sessions whose challenge is not newer count
//! as used. This costs the client a new challenge and never accepts a replay. A restart empties the cache: a request
//! captured before it may be accepted once more until its nonce expires.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

/// Number of shards, each with its own lock. Two workers contend only when both handle sessions of the same shard.
const PARTS: usize = 32;

/// The sessions of all accounts.
#[derive(Debug)]
pub struct ReplayCache {
    hasher: RandomState,
    parts: Vec<Mutex<Part>>,
    capacity: usize,
    lifetime: i64,
}

#[derive(Debug)]
struct Part {
    sessions: HashMap<u64, Window>,
    order: VecDeque<(u64, i64)>,
    /// Nonces issued up to this time may belong to an evicted session.
    forgotten: i64,
}

/// The highest count and which of the 64 below it were used.
#[derive(Debug, Clone, Copy)]
struct Window {
    highest: u32,
    used: u64,
}

/// What a verified response was made for.
#[derive(Debug, Clone, Copy)]
pub struct ProvenResponse<'a> {
    /// The account whose password was proven. A user name does not identify it: several accounts may have the same one.
    pub account: i64,
    /// The nonce.
    pub nonce: &'a str,
    /// When the nonce was issued, in Unix seconds.
    pub issued: i64,
    /// The client nonce; empty in the old form of Digest.
    pub cnonce: &'a str,
    /// HA2: the hash of method and target.
    pub request: &'a [u8],
    /// The nonce count. 0 in the old form of Digest, where every response is accepted once.
    pub count: u32,
}

impl ReplayCache {
    /// Remembers at most about `capacity` sessions (60 bytes each) of nonces that are valid for `lifetime`.
    #[must_use]
    pub fn new(capacity: usize, lifetime: Duration) -> Self {
        let part = || Mutex::new(Part { sessions: HashMap::new(), order: VecDeque::new(), forgotten: i64::MIN });
        Self {
            hasher: RandomState::new(),
            parts: (0..PARTS).map(|_| part()).collect(),
            capacity: capacity.div_ceil(PARTS).max(1),
            lifetime: i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX),
        }
    }

    /// Records a use. Returns false if this count was used before, is more than 64 behind the highest, or may have been
    /// used in an evicted session. Record only verified responses; otherwise unknown clients could use up the counts of
    /// a phone.
    #[must_use]
    pub fn note(&self, proven: &ProvenResponse<'_>, now: Timestamp) -> bool {
        let key = self.hasher.hash_one((proven.account, proven.nonce, proven.cnonce, proven.request));
        let Some(mut part) = self.part(key) else { return false };
        if let Some(window) = part.sessions.get_mut(&key) {
            return window.note(proven.count);
        }
        if proven.issued <= part.forgotten {
            return false;
        }
        part.make_room(self.capacity, now.as_second().saturating_sub(self.lifetime));
        part.order.push_back((key, proven.issued));
        part.sessions.insert(key, Window { highest: proven.count, used: 1 });
        true
    }

    fn part(&self, key: u64) -> Option<MutexGuard<'_, Part>> {
        let index = usize::try_from(key >> 59).unwrap_or_default() % PARTS;
        Some(self.parts.get(index)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.parts.iter().map(|part| part.lock().unwrap().sessions.len()).sum()
    }
}

impl Part {
    /// Removes up to two expired sessions (issued before `oldest`), and evicts the oldest session if the shard is still
    /// full.
    fn make_room(&mut self, capacity: usize, oldest: i64) {
        for _ in 0..2 {
            match self.order.front() {
                Some((key, issued)) if *issued < oldest => {
                    self.sessions.remove(key);
                    self.order.pop_front();
                }
                _ => break,
            }
        }
        if self.order.len() >= capacity
            && let Some((key, issued)) = self.order.pop_front()
        {
            self.sessions.remove(&key);
            self.forgotten = self.forgotten.max(issued);
        }
    }
}

impl Window {
    fn note(&mut self, count: u32) -> bool {
        if count > self.highest {
            self.used = self.used.checked_shl(count - self.highest).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let Some(bit) = 1_u64.checked_shl(self.highest - count) else { return false };
        let fresh = self.used & bit == 0;
        self.used |= bit;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::Arc};

    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn proven(nonce: &str, count: u32) -> ProvenResponse<'_> {
        ProvenResponse { account: 7, nonce, issued: 100, cnonce: "c", request: b"GET:/f", count }
    }

    #[test]
    fn a_count_works_once_in_any_order() {
        let replays = ReplayCache::new(64, HOUR);
        let counts = [1, 1, 3, 2, 2, 100, 3, 37, 37, 36];
        let noted = counts.map(|count| replays.note(&proven("n", count), at(100)));
        assert_eq!(noted, [true, false, true, true, false, true, false, true, false, false]);
    }

    #[test]
    fn everything_the_answer_was_made_for_tells_sessions_apart() {
        let replays = ReplayCache::new(64, HOUR);
        let first = proven("n", 1);
        let others = [
            ProvenResponse { account: 8, ..first },
            ProvenResponse { nonce: "m", ..first },
            ProvenResponse { cnonce: "d", ..first },
            ProvenResponse { request: b"GET:/g", ..first },
        ];
        for one in std::iter::once(first).chain(others) {
            assert!(replays.note(&one, at(100)), "{one:?}");
            assert!(!replays.note(&one, at(100)), "{one:?}");
        }
    }

    #[test]
    fn eviction_does_not_allow_replays() {
        let replays = ReplayCache::new(PARTS * 4, HOUR);
        let nonces: Vec<String> = (0..10_000).map(|number| format!("nonce {number}")).collect();
        let made = |number: usize| 100 + i64::try_from(number).unwrap() / 100;
        let session = |number: usize| ProvenResponse { issued: made(number), ..proven(&nonces[number], 1) };
        for number in 0..nonces.len() {
            // A fresh nonce is newer than all evicted sessions except those issued in the same second.
            let _ = replays.note(&session(number), at(200));
        }
        assert!(replays.len() <= PARTS * 4);
        let again = (0..nonces.len()).filter(|number| replays.note(&session(*number), at(200))).count();
        assert_eq!(again, 0, "captures worked");
        assert!(replays.note(&ProvenResponse { issued: 201, ..proven("fresh", 1) }, at(201)), "who asks anew gets in");
    }

    #[test]
    fn expired_entries_are_evicted_first() {
        let replays = ReplayCache::new(PARTS, HOUR);
        for number in 0..1_000 {
            let nonce = format!("{number}");
            let issued = number * 4_000;
            assert!(replays.note(&ProvenResponse { issued, ..proven(&nonce, 1) }, at(issued)), "{number}");
        }
    }

    /// One phone uses several connections on several threads: every count is accepted exactly once.
    #[test]
    fn threads_neither_lose_nor_repeat_a_count() {
        let replays = Arc::new(ReplayCache::new(1024, HOUR));
        let passed: usize = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (1..=60).filter(|count| replays.note(&proven("n", *count), at(100))).count()))
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        assert_eq!(passed, 60);
    }

    proptest! {
        #[test]
        fn no_count_works_twice(counts in prop::collection::vec(0..200_u32, 0..80)) {
            let replays = ReplayCache::new(64, HOUR);
            let mut taken = HashSet::new();
            for count in counts {
                if replays.note(&proven("n", count), at(100)) { prop_assert!(taken.insert(count)); }
            }
        }

        #[test]
        fn requests_that_overtake_each_other_all_pass(order in Just((1..=60_u32).collect::<Vec<_>>()).prop_shuffle()) {
            let replays = ReplayCache::new(64, HOUR);
            for count in order {
                prop_assert!(replays.note(&proven("n", count), at(100)));
            }
        }
    }
}
