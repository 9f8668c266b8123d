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
/// Secret fact with the generated password of the shared bootstrap account.
pub const BOOTSTRAP_PASSWORD: &str = "bootstrap_password";

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
    let password = store.secret_fact(instance, BOOTSTRAP_PASSWORD)?;
    Some((BOOTSTRAP_USER.to_owned(), password))
}

/// Generates the shared bootstrap account if it does not exist.
pub async fn ensure_shared_account(store: &Store, instance: InstanceId) -> Result<(), StoreError> {
    if store.secret_fact(instance, BOOTSTRAP_PASSWORD).is_some() {
        return Ok(());
    }
    failpoint(Failpoint::SharedAccountWanted).await;
    store.set_secret_fact(instance, BOOTSTRAP_PASSWORD, Some(&Secret::generate(20))).await?;
    failpoint(Failpoint::SharedAccountWritten).await;
    Ok(())
}

fn server_key(vendor: &str) -> String {
    format!("server_entry.{vendor}")
}

/// Name and URL of the server entry written last.
#[must_use]
pub fn server_entry(store: &Store, instance: InstanceId, vendor: &str) -> Option<(String, Secret)> {
    let text = store.secret_fact(instance, &server_key(vendor))?;
    let (name, url) = text.expose().split_once('\n')?;
    Some((name.to_owned(), Secret::new(url)))
}

/// Stores name and URL of the server entry.
pub async fn set_server_entry(
    store: &Store,
    instance: InstanceId,
    vendor: &str,
    name: &str,
    url: &str,
) -> Result<(), StoreError> {
    store.set_secret_fact(instance, &server_key(vendor), Some(&Secret::new(format!("{name}\n{url}")))).await
}
