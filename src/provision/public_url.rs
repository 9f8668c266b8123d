//! Records the public URLs that app objects name, by provider, and reads them back as [`PublicUrls`].

use std::{
    collections::HashMap,
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
    store::{NamedUrls, Store, StoreError},
};

/// The current public URLs of an instance.
#[must_use]
pub fn read(store: &Store, instance: &Instance) -> PublicUrls {
    let learned = |NamedUrls { url, conflict }| Learned { url: url.and_then(|url| url.parse().ok()), conflict };
    let all = store.learned().urls(instance.id).into_iter();
    PublicUrls::new(instance, all.map(|(provider, urls)| (provider, learned(urls))).collect())
}

/// Returns the current public URLs of an instance.
pub type PublicUrlsOf = Arc<dyn Fn(InstanceId) -> Arc<PublicUrls> + Send + Sync>;

/// The revision of the learned values that the URLs were read from, and the URLs.
type CachedUrls = HashMap<InstanceId, (u64, Arc<PublicUrls>)>;

/// [`read`] for every instance, cached: every request of a phone needs the URLs, but they rarely change.
#[must_use]
pub fn public_urls(store: Store, instances: Instances) -> PublicUrlsOf {
    let cache: RwLock<CachedUrls> = RwLock::default();
    Arc::new(move |id| {
        let revision = store.learned().revision();
        if let Some((from, urls)) = cache.read().unwrap_or_else(PoisonError::into_inner).get(&id)
            && *from == revision
        {
            return Arc::clone(urls);
        }
        let urls = Arc::new(instances.get(id).map(|instance| read(&store, instance)).unwrap_or_default());
        cache.write().unwrap_or_else(PoisonError::into_inner).insert(id, (revision, Arc::clone(&urls)));
        urls
    })
}

/// Returns the URL of a phone with its token; `None` while no URL is known.
pub type UrlOf = Arc<dyn Fn(&Phone) -> Option<Secret> + Send + Sync>;

/// Returns the URL of a phone with its token: the same URL that the redirect service gets.
#[must_use]
pub fn token_urls(store: Store, urls: PublicUrlsOf) -> UrlOf {
    Arc::new(move |phone| {
        let scheme = store.settings().layers(phone.instance).scheme_of(phone);
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
    let known = store.learned().urls_of(instance, provider);
    match named {
        [] => Ok(false),
        [url] => {
            failpoint(Failpoint::UrlNamed).await;
            store.learned().set_urls(instance, provider, NamedUrls { conflict: None, ..known.clone() }).await?;
            failpoint(Failpoint::ConflictOver).await;
            if known.url.is_some_and(|known| same(&known, url)) {
                return Ok(false);
            }
            let urls = NamedUrls { url: Some(url.clone()), conflict: None };
            store.learned().set_urls(instance, provider, urls).await?;
            failpoint(Failpoint::UrlWritten).await;
            tracing::info!(provider, "the PBX names a new URL for this app");
            Ok(true)
        }
        several => {
            let text = several.join(" ");
            if known.conflict.as_deref() != Some(text.as_str()) {
                tracing::warn!(provider, "app objects name different URLs for this app; no phone is moved: {text}");
                failpoint(Failpoint::ConflictNamed).await;
                let urls = NamedUrls { conflict: Some(text), ..known };
                store.learned().set_urls(instance, provider, urls).await?;
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
