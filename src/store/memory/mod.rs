//! What the store keeps in memory.

pub(in crate::store) mod phone_cache;
