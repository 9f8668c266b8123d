//! MAC addresses that no phone has: a few in every manufacturer's block, different ones for each instance. No phone was
//! ever provisioned under one, so a client that requests its file is guessing addresses. They are derived from a key,
//! so nothing is stored, and a client without the key cannot distinguish them from other addresses. If one is
//! provisioned nevertheless, it is treated as a phone.

use gangway_base::mac::Mac;
use sha2::{Digest, Sha256};

use crate::phone::instance::InstanceId;

/// Honeypot addresses per block of 16 million addresses. The chance that a phone without a record has one is one in two
/// million.
const EACH: usize = 8;

/// The honeypot addresses of all instances.
#[derive(Clone)]
pub struct HoneypotMacs([u8; 32]);

impl HoneypotMacs {
    /// Derives the addresses from a secret key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Sha256::new_with_prefix(b"decoys").chain_update(key).finalize().into())
    }

    /// Whether `mac` is a honeypot address.
    #[must_use]
    pub fn holds(&self, instance: InstanceId, mac: Mac) -> bool {
        let [_, _, _, rest @ ..] = mac.bytes();
        self.endings(instance, mac).as_chunks::<3>().0.contains(&rest)
    }

    /// Returns the honeypot addresses in the block of this address.
    #[must_use]
    pub fn beside(&self, instance: InstanceId, mac: Mac) -> Vec<Mac> {
        let [a, b, c, ..] = mac.bytes();
        let endings = self.endings(instance, mac);
        endings.as_chunks::<3>().0.iter().filter_map(|[d, e, f]| Mac::new([a, b, c, *d, *e, *f]).ok()).collect()
    }

    fn endings(&self, instance: InstanceId, mac: Mac) -> [u8; 3 * EACH] {
        let [a, b, c, ..] = mac.bytes();
        let hash = Sha256::new_with_prefix(self.0).chain_update(instance.0.to_be_bytes()).chain_update([a, b, c]);
        let mut endings = [0; 3 * EACH];
        for (slot, byte) in endings.iter_mut().zip(hash.finalize()) {
            *slot = byte;
        }
        endings
    }
}

impl std::fmt::Debug for HoneypotMacs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decoys(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instance_block_and_key_has_its_own_few() {
        let mac = |text: &str| text.parse::<Mac>().unwrap();
        let decoys = HoneypotMacs::new(&[7; 32]);
        let here = decoys.beside(InstanceId(1), mac("805ec0123456"));
        assert_eq!(here.len(), EACH);
        assert!(here.iter().all(|decoy| decoys.holds(InstanceId(1), *decoy) && decoy.oui() == "805ec0"));
        assert!(here.iter().all(|decoy| !decoys.holds(InstanceId(2), *decoy)));
        assert!(here.iter().all(|decoy| !HoneypotMacs::new(&[8; 32]).holds(InstanceId(1), *decoy)));
        assert_ne!(here, decoys.beside(InstanceId(1), mac("000413123456")));
        assert!(!decoys.holds(InstanceId(1), mac("805ec0123456")));
    }
}
