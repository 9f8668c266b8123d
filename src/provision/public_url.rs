//! Records the public URLs that app objects name, by provider, and reads them back as [`PublicUrls`].

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use gangway_base::secret::Secret;
use url::Url;

use crate::{
    base::failpoint::{Failpoint, failpoint},
    phone::{
        instance::{Instance, InstanceId, Instances},
        public_url::{Learned, PublicUrls},
        record::Phone,
    },
    store::{Store, StoreError},
};

/// Prefix of the facts with a provider's URL; the provider follows.
pub const LEARNED: &str = "learned_url.";
/// Prefix of the facts with the different URLs named for a provider; the provider follows.
pub const CONFLICT: &str = "learned_url_conflict.";

/// Fact with the URL that a provider's app objects agreed on last.
#[must_use]
pub fn learned_key(provider: &str) -> String {
    format!("{LEARNED}{provider}")
}

/// Fact with the different URLs while several PBXs name different ones for the same provider.
#[must_use]
pub fn conflict_key(provider: &str) -> String {
    format!("{CONFLICT}{provider}")
}

/// The current public URLs of an instance.
#[must_use]
pub fn read(store: &Store, instance: &Instance) -> PublicUrls {
    let mut learned: BTreeMap<String, Learned> = BTreeMap::new();
    for (provider, url) in store.facts_of(instance.id, LEARNED) {
        learned.entry(provider).or_default().url = url.parse().ok();
    }
    for (provider, named) in store.facts_of(instance.id, CONFLICT) {
        learned.entry(provider).or_default().conflict = Some(named);
    }
    PublicUrls::new(instance, learned)
}

/// Returns the current public URLs of an instance.
pub type PublicUrlsOf = Arc<dyn Fn(InstanceId) -> Arc<PublicUrls> + Send + Sync>;

/// The revision of the facts that the URLs were read from, and the URLs.
type CachedUrls = HashMap<InstanceId, (u64, Arc<PublicUrls>)>;

/// [`read`] for every instance, cached: every request of a phone needs the URLs, but they rarely change.
#[must_use]
pub fn public_urls(store: Store, instances: Instances) -> PublicUrlsOf {
    let kept: RwLock<CachedUrls> = RwLock::default();
    Arc::new(move |id| {
        let revision = store.facts_revision();
        if let Some((from, urls)) = kept.read().unwrap_or_else(PoisonError::into_inner).get(&id)
            && *from == revision
        {
            return Arc::clone(urls);
        }
        let urls = Arc::new(instances.get(id).map(|instance| read(&store, instance)).unwrap_or_default());
        kept.write().unwrap_or_else(PoisonError::into_inner).insert(id, (revision, Arc::clone(&urls)));
        urls
    })
}

/// Returns the URL of a phone with its token; `None` while no URL is known.
pub type UrlOf = Arc<dyn Fn(&Phone) -> Option<Secret> + Send + Sync>;

/// Returns the URL of a phone with its token: the same URL that the redirect service gets.
#[must_use]
pub fn token_urls(store: Store, urls: PublicUrlsOf) -> UrlOf {
    Arc::new(move |phone| {
        let scheme = store.layers(phone.instance).scheme_of(phone);
        urls(phone.instance).of_phone(phone, scheme).ok()
    })
}

/// By instance and provider: the URLs, and how many sessions name each.
type Counts = HashMap<(InstanceId, String), HashMap<String, usize>>;

/// The URLs that the connected app objects name.
#[derive(Debug, Default)]
pub(super) struct UrlObservers {
    counts: Mutex<Counts>,
    /// Held while the named URLs are written.
    turn: tokio::sync::Mutex<()>,
}

impl UrlObservers {
    /// Adds or removes a session that names this URL.
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

    /// Stores the URL that the app objects of a provider currently agree on. Returns whether phones must be moved. Only
    /// one call runs at a time, and the sessions are counted while the lock is held, so that of two changes the later
    /// one is written last.
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
            failpoint(Failpoint::UrlNamed).await;
            store.set_fact(instance, &conflict_key(provider), None).await?;
            failpoint(Failpoint::ConflictOver).await;
            if known.as_deref().is_some_and(|known| same(known, url)) {
                return Ok(false);
            }
            store.set_fact(instance, &learned_key(provider), Some(url)).await?;
            failpoint(Failpoint::UrlWritten).await;
            tracing::info!(provider, "the PBX names a new URL for this app");
            Ok(true)
        }
        several => {
            let text = several.join(" ");
            if store.fact(instance, &conflict_key(provider)).as_deref() != Some(text.as_str()) {
                tracing::warn!(provider, "app objects name different URLs for this app; no phone is moved: {text}");
                failpoint(Failpoint::ConflictNamed).await;
                store.set_fact(instance, &conflict_key(provider), Some(&text)).await?;
                failpoint(Failpoint::ConflictWritten).await;
            }
            Ok(false)
        }
    }
}

/// URLs of the same app that differ only in a trailing slash are equal.
fn same(a: &str, b: &str) -> bool {
    match (Url::parse(a), Url::parse(b)) {
        (Ok(a), Ok(b)) => a.as_str().trim_end_matches('/') == b.as_str().trim_end_matches('/'),
        _ => a == b,
    }
}
