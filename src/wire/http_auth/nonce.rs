//! Nonces that prove by themselves that we made them and when: nothing to store, and a restart or a second process does
//! not matter.
//!
//! A nonce is hex of 6 bytes Unix seconds, 6 random bytes, 12 bytes of HMAC-SHA256 over both and the realm.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::wire::hex;

const TAG: usize = 12;
const HEAD: usize = 12;
/// Clocks of two processes may differ by this much.
const SKEW: i64 = 60;

/// The key nonces are made with. Keep it over restarts, separate from other keys.
#[derive(Clone)]
pub struct NonceKey(Hmac<Sha256>);

/// What a nonce turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Ours and young enough.
    Fresh,
    /// Ours and too old.
    Expired,
    /// Not ours: another key, another realm, made up, or from another server.
    Foreign,
}

impl NonceKey {
    /// Takes 32 secret bytes.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        // HMAC takes keys of any length; the fallible constructor is for other algorithms.
        Self(Hmac::new(&(*key).into()))
    }

    /// Makes a nonce; `random` must be.
    #[must_use]
    pub fn issue(&self, realm: &str, now: Timestamp, random: u64) -> String {
        let seconds = now.as_second().to_be_bytes();
        let random = random.to_be_bytes();
        let mut bytes = [0_u8; HEAD + TAG];
        bytes[..6].copy_from_slice(&seconds[2..]);
        bytes[6..HEAD].copy_from_slice(&random[2..]);
        let tag = self.tag(&bytes[..HEAD], realm);
        bytes[HEAD..].copy_from_slice(&tag);
        hex::encode(&bytes)
    }

    /// Judges a nonce. Costs one short HMAC, no allocation.
    #[must_use]
    pub fn check(&self, nonce: &str, realm: &str, now: Timestamp, lifetime: Duration) -> Freshness {
        let Some(bytes) = hex::decode_array::<{ HEAD + TAG }>(nonce) else { return Freshness::Foreign };
        let (head, tag) = bytes.split_at(HEAD);
        if !bool::from(self.tag(head, realm).ct_eq(tag)) {
            return Freshness::Foreign;
        }
        let mut seconds = [0_u8; 8];
        seconds[2..].copy_from_slice(&head[..6]);
        let age = now.as_second().saturating_sub(i64::from_be_bytes(seconds));
        let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        if (-SKEW..=lifetime).contains(&age) { Freshness::Fresh } else { Freshness::Expired }
    }

    fn tag(&self, head: &[u8], realm: &str) -> [u8; TAG] {
        let mut mac = self.0.clone();
        mac.update(head);
        mac.update(realm.as_bytes());
        let full = mac.finalize().into_bytes();
        let mut tag = [0_u8; TAG];
        for (slot, byte) in tag.iter_mut().zip(full) {
            *slot = byte;
        }
        tag
    }
}

impl fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceKey(***)")
    }
}

/// Remembers which nonce counts were used, so that a captured request does not work twice. In memory and bounded: the
/// nonces used longest ago are forgotten first. Optional; without it a capture works as long as its nonce.
#[derive(Debug)]
pub struct Replays {
    capacity: usize,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    counts: HashMap<[u8; HEAD + TAG], Window>,
    order: VecDeque<[u8; HEAD + TAG]>,
}

/// The highest count of a nonce and which of the 64 below it were used: a client may send in parallel.
#[derive(Debug, Clone, Copy)]
struct Window {
    highest: u32,
    used: u64,
}

impl Replays {
    /// Remembers at most `capacity` nonces (about 100 bytes each).
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), seen: Mutex::default() }
    }

    /// Notes a use; false when this count of this nonce was used before (or is more than 64 behind the highest). Note only
    /// what was proven, or strangers could use up the counts of a phone. The old form of Digest has no count: pass 0,
    /// then every nonce works once.
    #[must_use]
    pub fn note(&self, nonce: &str, count: u32) -> bool {
        let Some(nonce) = hex::decode_array(nonce) else { return false };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(window) = seen.counts.get_mut(&nonce) {
            return window.note(count);
        }
        if seen.order.len() >= self.capacity
            && let Some(oldest) = seen.order.pop_front()
        {
            seen.counts.remove(&oldest);
        }
        seen.order.push_back(nonce);
        seen.counts.insert(nonce, Window { highest: count, used: 1 });
        true
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
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_nonce_is_ours_for_its_time_and_realm_and_survives_a_restart() {
        let nonce = NonceKey::new(&[7; 32]).issue("r", at(1_800_000_000), 99);
        assert_eq!(nonce.len(), 48);
        let key = NonceKey::new(&[7; 32]);
        let check = |realm, second| key.check(&nonce, realm, at(second), HOUR);
        assert_eq!(check("r", 1_800_000_000), Freshness::Fresh);
        assert_eq!(check("r", 1_800_003_600), Freshness::Fresh);
        assert_eq!(check("r", 1_800_003_601), Freshness::Expired);
        assert_eq!(check("r", 1_799_999_900), Freshness::Expired);
        assert_eq!(check("s", 1_800_000_000), Freshness::Foreign);
        let other = NonceKey::new(&[8; 32]);
        assert_eq!(other.check(&nonce, "r", at(1_800_000_000), HOUR), Freshness::Foreign);
    }

    #[test]
    fn every_changed_digit_makes_it_foreign() {
        let key = NonceKey::new(&[7; 32]);
        let nonce = key.issue("r", at(1), 1);
        for at_digit in 0..nonce.len() {
            let digit = if &nonce[at_digit..=at_digit] == "0" { "1" } else { "0" };
            let changed = format!("{}{digit}{}", &nonce[..at_digit], &nonce[at_digit + 1..]);
            assert_eq!(key.check(&changed, "r", at(1), HOUR), Freshness::Foreign);
            assert_eq!(key.check(&nonce[..at_digit], "r", at(1), HOUR), Freshness::Foreign);
        }
    }

    #[test]
    fn a_count_works_once_in_any_order() {
        let key = NonceKey::new(&[7; 32]);
        let nonce = key.issue("r", at(1), 1);
        let replays = Replays::new(2);
        let noted: Vec<_> = [1, 1, 3, 2, 2, 100, 3, 37, 37, 36].map(|count| replays.note(&nonce, count)).into();
        assert_eq!(noted, [true, false, true, true, false, true, false, true, false, false]);
        // Bounded: two newer nonces push it out.
        assert!(replays.note(&key.issue("r", at(1), 2), 0) && replays.note(&key.issue("r", at(1), 3), 0));
        assert!(replays.note(&nonce, 1));
        assert!(!replays.note("nonsense", 1));
        assert!(replays.seen.lock().unwrap().counts.len() <= 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]
        #[test]
        fn any_text_is_foreign(text: String, digits in "[0-9a-f]{48}") {
            let key = NonceKey::new(&[7; 32]);
            prop_assert_eq!(key.check(&text, "r", at(1), HOUR), Freshness::Foreign);
            prop_assert_eq!(key.check(&digits, "r", at(1), HOUR), Freshness::Foreign);
        }

        #[test]
        fn no_count_works_twice(counts in prop::collection::vec(0..200_u32, 0..80)) {
            let replays = Replays::new(1);
            let nonce = NonceKey::new(&[7; 32]).issue("r", at(1), 1);
            let mut taken = std::collections::HashSet::new();
            for count in counts {
                if replays.note(&nonce, count) { prop_assert!(taken.insert(count)); }
            }
        }
    }
}
