//! The URLs phones are sent to: learned from the PBX, moved when they change, never guessed between two.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use url::Url;

use super::world::same_base;
use crate::{
    crash_point::{CrashPoint, pass},
    phone::{instance::InstanceId, settings::Effective},
    secret::Secret,
    store::{Store, StoreError},
};

/// Fact with the base URL of the instance as learned last, from whichever provider's app object.
pub const LEARNED: &str = "learned_url";
/// User of the shared bootstrap account when the setting `provisioning_user` is empty.
pub const BOOTSTRAP_USER: &str = "gangway";
/// Secret fact with the generated password of the shared bootstrap account.
pub const BOOTSTRAP_PASSWORD: &str = "bootstrap_password";

fn learned_key(provider: &str) -> String {
    format!("learned_url.{provider}")
}

/// Fact that holds the second URL while two PBXs name different ones for the same provider.
#[must_use]
pub fn conflict_key(provider: &str) -> String {
    format!("learned_url_conflict.{provider}")
}

/// What the provider's app object said; without a provider (an entry all phones share) what any provider's said.
#[must_use]
pub fn learned(store: &Store, instance: InstanceId, provider: Option<&str>) -> Option<Url> {
    let own = provider.and_then(|provider| store.fact(instance, &learned_key(provider)));
    own.or_else(|| store.fact(instance, LEARNED)).and_then(|url| url.parse().ok())
}

/// Whether a PBX has ever had an app object for this provider: only then people can choose its manufacturer entry.
pub(super) fn has_app(store: &Store, instance: InstanceId, provider: &str) -> bool {
    store.fact(instance, &learned_key(provider)).is_some()
}

/// The shared bootstrap account: the settings `provisioning_user` and `provisioning_password`, else one generated at
/// the first start. `None` before it is generated.
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

/// Generates the shared bootstrap account where it is missing.
pub async fn ensure_shared_account(store: &Store, instance: InstanceId) -> Result<(), StoreError> {
    if store.secret_fact(instance, BOOTSTRAP_PASSWORD).is_some() {
        return Ok(());
    }
    pass(CrashPoint::SharedAccountWanted).await;
    store.set_secret_fact(instance, BOOTSTRAP_PASSWORD, Some(&Secret::generate(20))).await?;
    pass(CrashPoint::SharedAccountWritten).await;
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

/// Remembers it.
pub async fn set_server_entry(
    store: &Store,
    instance: InstanceId,
    vendor: &str,
    name: &str,
    url: &str,
) -> Result<(), StoreError> {
    store.set_secret_fact(instance, &server_key(vendor), Some(&Secret::new(format!("{name}\n{url}")))).await
}

/// By instance and provider, the URLs and how many sessions name each.
type Counts = HashMap<(InstanceId, String), HashMap<String, usize>>;

/// Which URLs the connected app objects name.
#[derive(Debug, Default)]
pub(super) struct Named {
    counts: Mutex<Counts>,
    /// Held while what is named is written down.
    turn: tokio::sync::Mutex<()>,
}

impl Named {
    /// Counts a session in or out.
    pub(super) fn count(&self, instance: InstanceId, provider: &str, url: &str, comes: bool) {
        let mut all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let urls = all.entry((instance, provider.to_owned())).or_default();
        let url = url.trim_end_matches('/').to_owned();
        let count = urls.entry(url.clone()).or_default();
        *count = if comes { count.saturating_add(1) } else { count.saturating_sub(1) };
        if *count == 0 {
            urls.remove(&url);
        }
    }

    /// Takes over what the app objects of a provider agree on now. Returns whether phones have to be moved. One at a
    /// time, and read anew: of two changes the one that is written last must be the later one.
    pub(super) async fn learn(&self, store: &Store, instance: InstanceId, provider: &str) -> Result<bool, StoreError> {
        let _turn = self.turn.lock().await;
        let mut named: Vec<String> = {
            let all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            all.get(&(instance, provider.to_owned())).into_iter().flat_map(|urls| urls.keys().cloned()).collect()
        };
        named.sort();
        learn(store, instance, provider, &named).await
    }
}

async fn learn(store: &Store, instance: InstanceId, provider: &str, named: &[String]) -> Result<bool, StoreError> {
    let known = store.fact(instance, &learned_key(provider));
    match named {
        [] => Ok(false),
        [url] => {
            pass(CrashPoint::UrlNamed).await;
            store.set_fact(instance, &conflict_key(provider), None).await?;
            pass(CrashPoint::ConflictOver).await;
            if known.as_deref().is_some_and(|known| same(known, url)) && store.fact(instance, LEARNED).is_some() {
                return Ok(false);
            }
            // In this order: whoever is killed between the two learns the URL again.
            store.set_fact(instance, LEARNED, Some(url)).await?;
            pass(CrashPoint::InstanceUrlWritten).await;
            store.set_fact(instance, &learned_key(provider), Some(url)).await?;
            pass(CrashPoint::UrlWritten).await;
            tracing::info!(provider, "the PBX names a new URL for this app");
            Ok(true)
        }
        several => {
            let text = several.join(" ");
            if store.fact(instance, &conflict_key(provider)).as_deref() != Some(text.as_str()) {
                tracing::warn!(provider, "app objects name different URLs for this app; no phone is moved: {text}");
                pass(CrashPoint::ConflictNamed).await;
                store.set_fact(instance, &conflict_key(provider), Some(&text)).await?;
                pass(CrashPoint::ConflictWritten).await;
            }
            Ok(false)
        }
    }
}

fn same(a: &str, b: &str) -> bool {
    match (Url::parse(a), Url::parse(b)) {
        (Ok(a), Ok(b)) => same_base(&a, &b),
        _ => a == b,
    }
}
