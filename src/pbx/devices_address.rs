//! Stores the address of Devices that the PBX announced last, so that a restart does not have to wait for the PBX.

use url::Url;

use crate::{
    phone::instance::InstanceId,
    store::{Store, StoreError},
};

/// The stored address.
#[must_use]
pub fn stored(store: &Store, instance: InstanceId) -> Option<Url> {
    store.learned().devices_address(instance).and_then(|url| url.parse().ok())
}

/// Stores an address that a PBX announced.
///
/// # Errors
/// When the store cannot write.
pub async fn store_announced(store: &Store, instance: InstanceId, url: &str) -> Result<(), StoreError> {
    store.learned().set_devices_address(instance, url).await
}
