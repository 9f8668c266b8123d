//! The data that all phones of a redirect account share: the bootstrap account, and the server entry written last.

use gangway_base::secret::Secret;

use crate::{
    base::failpoint::{Failpoint, failpoint},
    phone::instance::InstanceId,
    settings::Effective,
    store::{Store, StoreError},
};

/// User of the shared bootstrap account when the setting `provisioning_user` is empty.
pub const BOOTSTRAP_USER: &str = "gangway";

/// The shared bootstrap account: the settings `provisioning_user` and `provisioning_password`, else the account
/// generated at the first start. `None` before it is generated.
#[must_use]
pub fn shared_account(store: &Store, instance: InstanceId, settings: &Effective) -> Option<(String, Secret)> {
    let password = settings.secret("provisioning_password");
    if let Some(user) = settings.nonempty("provisioning_user")
        && !password.is_empty()
    {
        return Some((user.to_owned(), password));
    }
    let password = store.learned().bootstrap_password(instance)?;
    Some((BOOTSTRAP_USER.to_owned(), password))
}

/// Generates the shared bootstrap account if it does not exist.
pub async fn ensure_shared_account(store: &Store, instance: InstanceId) -> Result<(), StoreError> {
    if store.learned().bootstrap_password(instance).is_some() {
        return Ok(());
    }
    failpoint(Failpoint::SharedAccountWanted).await;
    store.learned().set_bootstrap_password(instance, Secret::generate(20)).await?;
    failpoint(Failpoint::SharedAccountWritten).await;
    Ok(())
}

/// Name and URL of the server entry written last.
#[must_use]
pub fn server_entry(store: &Store, instance: InstanceId, vendor: &str) -> Option<(String, Secret)> {
    store.learned().server_entry(instance, vendor)
}

/// Stores name and URL of the server entry.
pub async fn set_server_entry(
    store: &Store,
    instance: InstanceId,
    vendor: &str,
    name: &str,
    url: &str,
) -> Result<(), StoreError> {
    store.learned().set_server_entry(instance, vendor, name, &Secret::new(url)).await
}
