//! Caches rendered files, bounded by their total size. The cache is sharded, and a lock is held only for map
//! operations. Stale entries need no invalidation: their key contains all revisions, so they are never requested again
//! and are evicted in time.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, Hash, RandomState},
    sync::{Arc, Mutex, PoisonError},
};

use super::rendered_file::Rendered;

/// The revisions of all inputs, combined into two independent keyed hashes so that clients cannot provoke collisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CacheKey(u64, u64);

const SHARDS: usize = 16;
/// Memory cost of an entry besides its bytes: maps, queue, header values.
const OVERHEAD: usize = 256;

pub(super) struct Cache {
    hashers: [RandomState; 2],
    shards: [Mutex<Shard>; SHARDS],
    most: usize,
}

#[derive(Default)]
struct Shard {
    entries: HashMap<CacheKey, Entry>,
    queue: VecDeque<CacheKey>,
    bytes: usize,
}

struct Entry {
    rendered: Arc<Rendered>,
    used: bool,
}

fn cost(rendered: &Rendered) -> usize {
    rendered.body.len() + OVERHEAD
}

impl Cache {
    pub fn new(bytes: usize) -> Self {
        Self {
            hashers: [RandomState::new(), RandomState::new()],
            shards: std::array::from_fn(|_| Mutex::default()),
            most: bytes / SHARDS,
        }
    }

    pub fn key(&self, inputs: &impl Hash) -> CacheKey {
        CacheKey(self.hashers[0].hash_one(inputs), self.hashers[1].hash_one(inputs))
    }

    fn shard(&self, key: CacheKey) -> &Mutex<Shard> {
        &self.shards[usize::try_from(key.0 % SHARDS as u64).unwrap_or_default()]
    }

    pub fn get(&self, key: CacheKey) -> Option<Arc<Rendered>> {
        let mut shard = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        let entry = shard.entries.get_mut(&key)?;
        entry.used = true;
        Some(Arc::clone(&entry.rendered))
    }

    /// Caches the file unless it is too large. Evicts the oldest entries that were not requested since.
    pub fn put(&self, key: CacheKey, rendered: &Arc<Rendered>) {
        let size = cost(rendered);
        if size > self.most {
            return;
        }
        let mut dropped = Vec::new();
        let mut shard = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        let shard_of = &mut *shard;
        if shard_of.entries.contains_key(&key) {
            return;
        }
        while shard_of.bytes + size > self.most {
            let Some(oldest) = shard_of.queue.pop_front() else { break };
            match shard_of.entries.get_mut(&oldest) {
                Some(entry) if entry.used => {
                    entry.used = false;
                    shard_of.queue.push_back(oldest);
                }
                _ => {
                    if let Some(entry) = shard_of.entries.remove(&oldest) {
                        shard_of.bytes -= cost(&entry.rendered);
                        dropped.push(entry);
                    }
                }
            }
        }
        shard_of.entries.insert(key, Entry { rendered: Arc::clone(rendered), used: false });
        shard_of.queue.push_back(key);
        shard_of.bytes += size;
        drop(shard);
        // Free the bytes outside the lock.
        drop(dropped);
    }

    pub fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn it_keeps_its_bound_and_what_is_used() {
        let cache = Cache::new(SHARDS * 10_000);
        let one = Arc::new(Rendered {
            body: Bytes::from(vec![b'x'; 744]),
            etag: String::new(),
            content_type: String::new(),
            format: crate::catalog::Format::YealinkCfg,
            notes: Vec::new(),
        });
        let hot = cache.key(&"hot");
        cache.put(hot, &one);
        for number in 0..2_000 {
            assert!(cache.get(hot).is_some(), "{number}");
            cache.put(cache.key(&number), &one);
            assert!(cache.bytes() <= SHARDS * 10_000);
        }
        assert!(cache.get(cache.key(&3)).is_none());
        assert!(cache.get(cache.key(&1_999)).is_some());
        let huge = Arc::new(Rendered { body: Bytes::from(vec![b'x'; 20_000]), ..(*one).clone() });
        cache.put(cache.key(&"huge"), &huge);
        assert!(cache.get(cache.key(&"huge")).is_none());
    }
}
