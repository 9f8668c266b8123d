//! Which provisioning code of a phone was spent last: a repeated request must not send it again. Kept as a keyed hash,
//! because the record drops the code itself.

use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;

use crate::{
    phone::{instance::InstanceId, mac::Mac},
    secret::Secret,
    store::{Store, StoreError},
};

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
    let spent = store.fact(instance, &key(mac));
    spent.is_some() && spent == hash(store, mac, code)
}

/// Remembers that it is.
pub(super) async fn remember(store: &Store, instance: InstanceId, mac: Mac, code: &Secret) -> Result<(), StoreError> {
    store.set_fact(instance, &key(mac), hash(store, mac, code).as_deref()).await
}
