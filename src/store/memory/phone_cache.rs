//! All phones in memory. The cache holds only committed records; a look-up waits only for a short lock.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use gangway_base::mac::Mac;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    phone::{
        instance::InstanceId,
        record::{Phone, PhoneId},
    },
    store::sealing::keyring::Keyring,
};

/// Finds phones by token without keeping readable tokens as keys: HMAC-SHA256 under a derived key.
pub(in crate::store) struct TokenIndex {
    /// Initialised with the key: a look-up costs half as much as a new HMAC.
    hmac: Hmac<Sha256>,
}

impl TokenIndex {
    pub(in crate::store) fn new(keyring: &Keyring) -> Self {
        let key = Zeroizing::new(keyring.derive("token index"));
        // HMAC pads a short key with zeros to its block size. Done here, the conversion cannot fail.
        let mut block = Zeroizing::new([0_u8; 64]);
        block[..32].copy_from_slice(&*key);
        Self { hmac: Hmac::new((&*block).into()) }
    }

    /// The first 128 bits of the keyed hash, as many as the token has.
    pub(in crate::store) fn of(&self, token: &str) -> [u8; 16] {
        let mut hmac = self.hmac.clone();
        hmac.update(token.as_bytes());
        let hash = hmac.finalize().into_bytes();
        let mut index = [0; 16];
        index.copy_from_slice(&hash[..16]);
        index
    }
}

struct Entry {
    phone: Arc<Phone>,
    token: [u8; 16],
    change: i64,
}

#[derive(Default)]
struct Maps {
    phones: HashMap<PhoneId, Entry>,
    by_mac: HashMap<(InstanceId, Mac), PhoneId>,
    by_token: HashMap<[u8; 16], PhoneId>,
}

/// The number of phones and of their changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Extent {
    /// Phones, tombstones included.
    pub(in crate::store) phones: i64,
    /// The newest change.
    pub(in crate::store) newest: i64,
    /// The sum of the change counters of all phones. A smaller sum means an older state, even if only of one phone.
    pub(in crate::store) changes: i64,
}

impl Extent {
    /// Whether everything counted in `other` is included.
    pub(in crate::store) fn covers(&self, other: &Self) -> bool {
        self.phones >= other.phones && self.newest >= other.newest && self.changes >= other.changes
    }
}

/// All phones of all instances.
pub struct PhoneCache {
    maps: RwLock<Maps>,
    tokens: TokenIndex,
}

impl std::fmt::Debug for PhoneCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Roster").field("phones", &self.len()).finish_non_exhaustive()
    }
}

impl PhoneCache {
    pub(in crate::store) fn new(tokens: TokenIndex) -> Self {
        Self { maps: RwLock::default(), tokens }
    }

    // Ignore poisoning: continuing with half-changed maps is better than failing every request.
    fn read(&self) -> RwLockReadGuard<'_, Maps> {
        self.maps.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Maps> {
        self.maps.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::store) fn tokens(&self) -> &TokenIndex {
        &self.tokens
    }

    /// Inserts the record unless a newer one is present. Returns whether it was inserted.
    pub(in crate::store) fn put(&self, phone: Arc<Phone>, change: i64) -> bool {
        let token = self.tokens.of(phone.token.expose());
        let mut maps = self.write();
        if let Some(entry) = maps.phones.get(&phone.id) {
            if entry.change >= change {
                return false;
            }
            let (old_token, old_key) = (entry.token, (entry.phone.instance, entry.phone.mac));
            maps.by_token.remove(&old_token);
            maps.by_mac.remove(&old_key);
        }
        maps.by_token.insert(token, phone.id);
        maps.by_mac.insert((phone.instance, phone.mac), phone.id);
        maps.phones.insert(phone.id, Entry { phone, token, change });
        true
    }

    /// The record and its change counter.
    pub(in crate::store) fn entry(&self, id: PhoneId) -> Option<(Arc<Phone>, i64)> {
        self.read().phones.get(&id).map(|entry| (entry.phone.clone(), entry.change))
    }

    /// By record number.
    #[must_use]
    pub fn get(&self, id: PhoneId) -> Option<Arc<Phone>> {
        self.read().phones.get(&id).map(|entry| entry.phone.clone())
    }

    /// By MAC inside an instance.
    #[must_use]
    pub fn by_mac(&self, instance: InstanceId, mac: Mac) -> Option<Arc<Phone>> {
        let maps = self.read();
        maps.by_mac.get(&(instance, mac)).and_then(|id| maps.phones.get(id)).map(|entry| entry.phone.clone())
    }

    /// By the token of its URL, in any instance: compare [`Phone::instance`] with the instance of the path.
    #[must_use]
    pub fn by_token(&self, token: &str) -> Option<Arc<Phone>> {
        let index = self.tokens.of(token);
        let maps = self.read();
        let phone = maps.by_token.get(&index).and_then(|id| maps.phones.get(id)).map(|entry| entry.phone.clone());
        drop(maps);
        phone.filter(|phone| phone.token.matches(token))
    }

    /// The phones of one instance, by record number.
    #[must_use]
    pub fn in_instance(&self, instance: InstanceId) -> Vec<Arc<Phone>> {
        self.collect(|phone| phone.instance == instance)
    }

    /// All phones, by record number.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Phone>> {
        self.collect(|_| true)
    }

    fn collect(&self, wanted: impl Fn(&Phone) -> bool) -> Vec<Arc<Phone>> {
        let mut phones: Vec<_> =
            self.read().phones.values().filter(|entry| wanted(&entry.phone)).map(|entry| entry.phone.clone()).collect();
        phones.sort_unstable_by_key(|phone| phone.id);
        phones
    }

    /// The highest change counter of any phone.
    pub(in crate::store) fn newest_change(&self) -> i64 {
        self.read().phones.values().map(|entry| entry.change).max().unwrap_or_default()
    }

    /// The minimum the database must contain: each number only increases, and cached records were committed before.
    pub(in crate::store) fn extent(&self) -> Extent {
        let maps = self.read();
        let changes = maps.phones.values().map(|entry| entry.change);
        let newest = changes.clone().max().unwrap_or_default();
        Extent { phones: i64::try_from(maps.phones.len()).unwrap_or(i64::MAX), newest, changes: changes.sum() }
    }

    /// Number of phones, tombstones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().phones.len()
    }

    /// True when there are no phones.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
