//! Which provisioning codes of a phone are spent: a repeated request must not send one again. Kept as keyed hashes,
//! because the record drops the code itself. A base has a user per handset and so several codes.

use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;

use crate::{
    phone::{instance::InstanceId, mac::Mac},
    secret::Secret,
    store::{Store, StoreError},
};

/// Codes remembered per phone, the newest: a code is good for seven days at most.
const MOST: usize = 32;

fn key(mac: Mac) -> String {
    format!("spent_code.{mac}")
}

fn hash(store: &Store, mac: Mac, code: &Secret) -> Option<String> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(&store.derive_key("spent codes")).ok()?;
    hmac.update(mac.to_string().as_bytes());
    hmac.update(code.expose().as_bytes());
    Some(hmac.finalize().into_bytes().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

/// Whether this code was spent.
pub(super) fn is_spent(store: &Store, instance: InstanceId, mac: Mac, code: &Secret) -> bool {
    let spent = store.fact(instance, &key(mac)).unwrap_or_default();
    hash(store, mac, code).is_some_and(|hash| spent.split(' ').any(|known| known == hash))
}

/// Remembers that it is.
pub(super) async fn remember(store: &Store, instance: InstanceId, mac: Mac, code: &Secret) -> Result<(), StoreError> {
    let Some(hash) = hash(store, mac, code) else { return Ok(()) };
    let before = store.fact(instance, &key(mac)).unwrap_or_default();
    let others = before.split(' ').filter(|known| !known.is_empty() && *known != hash);
    let all: Vec<&str> = std::iter::once(hash.as_str()).chain(others).take(MOST).collect();
    store.set_fact(instance, &key(mac), Some(&all.join(" "))).await
}
