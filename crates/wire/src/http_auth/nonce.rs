//! Nonces that carry proof of their origin and age. Nothing is stored, so restarts and multiple processes do not
//! matter.
//!
//! A nonce is the hex encoding of 6 bytes of Unix seconds, 6 random bytes and 12 bytes of HMAC-SHA256 over both and the
//! realm.

use std::{fmt, time::Duration};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const TAG: usize = 12;
const HEAD: usize = 12;
/// Tolerated clock difference between two processes, in seconds.
const SKEW: i64 = 60;

/// The key that authenticates nonces. It must persist across restarts and be separate from other keys.
#[derive(Clone)]
pub struct NonceKey(Hmac<Sha256>);

/// The result of checking a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Issued by us and still valid.
    Fresh {
        /// When it was issued, in Unix seconds.
        issued: i64,
    },
    /// Issued by us, but expired.
    Expired,
    /// Not issued by us: another key, another realm, invented, or from another server.
    Foreign,
}

impl NonceKey {
    /// Creates a key from 32 secret bytes.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        // HMAC pads a short key with zeros to its block size. Padding it here makes the length valid by construction.
        let mut block = Zeroizing::new([0_u8; 64]);
        block[..32].copy_from_slice(key);
        Self(Hmac::new((&*block).into()))
    }

    /// Issues a nonce. `random` must be random.
    #[must_use]
    pub fn issue(&self, realm: &str, now: Timestamp, random: u64) -> String {
        let seconds = now.as_second().to_be_bytes();
        let random = random.to_be_bytes();
        let mut bytes = [0_u8; HEAD + TAG];
        bytes[..6].copy_from_slice(&seconds[2..]);
        bytes[6..HEAD].copy_from_slice(&random[2..]);
        let tag = self.tag(&bytes[..HEAD], realm);
        bytes[HEAD..].copy_from_slice(&tag);
        HEXLOWER.encode(&bytes)
    }

    /// Checks a nonce. Costs one short HMAC and no allocation.
    #[must_use]
    pub fn check(&self, nonce: &str, realm: &str, now: Timestamp, lifetime: Duration) -> Freshness {
        let mut bytes = [0_u8; HEAD + TAG];
        let is_hex =
            nonce.len() == 2 * bytes.len() && HEXLOWER_PERMISSIVE.decode_mut(nonce.as_bytes(), &mut bytes).is_ok();
        if !is_hex {
            return Freshness::Foreign;
        }
        let (head, tag) = bytes.split_at(HEAD);
        if !bool::from(self.tag(head, realm).ct_eq(tag)) {
            return Freshness::Foreign;
        }
        let mut seconds = [0_u8; 8];
        seconds[2..].copy_from_slice(&head[..6]);
        let issued = i64::from_be_bytes(seconds);
        let age = now.as_second().saturating_sub(issued);
        let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        if (-SKEW..=lifetime).contains(&age) { Freshness::Fresh { issued } } else { Freshness::Expired }
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
        assert_eq!(check("r", 1_800_000_000), Freshness::Fresh { issued: 1_800_000_000 });
        assert_eq!(check("r", 1_800_003_600), Freshness::Fresh { issued: 1_800_000_000 });
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]
        #[test]
        fn any_text_is_foreign(text: String, digits in "[0-9a-f]{48}") {
            let key = NonceKey::new(&[7; 32]);
            prop_assert_eq!(key.check(&text, "r", at(1), HOUR), Freshness::Foreign);
            prop_assert_eq!(key.check(&digits, "r", at(1), HOUR), Freshness::Foreign);
        }
    }
}
