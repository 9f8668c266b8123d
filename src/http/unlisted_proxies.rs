//! Detects reverse proxies that the configuration does not list. All phones behind such a proxy look like one device:
//! ten wrong logins lock out all phones, and requests for unknown phones freeze the shared source. Once detected, a
//! proxy is reported in a notice, and limits apply to each client behind it.
//!
//! A forwarding header alone is not evidence, because any client can write one. A client could evade every limit, or
//! trick an administrator into trusting its address. A peer counts as a proxy only after it has carried the own
//! credentials or the certificate of [`PHONES`] different phones, each with a forwarding header that names another
//! address. Redirect tokens do not count: a redirect service discloses them to other clients. Phones do not write
//! forwarding headers; a proxy in front of them does. An owner of that many phones of an instance can imitate a proxy
//! but gains little: all clients behind such a peer also share a limit ([`CountedSource::share`]).
//!
//! The tables of observed and detected peers have fixed limits.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use gangway_base::tasks::Tasks;
use jiff::Timestamp;
use tokio::sync::watch;

use super::{
    auth::source_prefix::CountedSource,
    client_address::{ClientAddress, ForwardingClaim, Proxies},
};
use crate::{
    net::unlisted_proxy::UnlistedProxy,
    phone::{instance::InstanceId, record::PhoneId},
    store::Store,
};

/// Number of phones that must have authenticated through a peer.
pub const PHONES: usize = 2;
/// A peer without such a request for this long is forgotten.
pub const KEPT: Duration = Duration::from_secs(7 * 86_400);
/// How often the time of the last such request is stored.
const AGAIN: Duration = Duration::from_secs(3600);
/// Limits for observed peers and for detected proxies.
const OBSERVED: usize = 256;
const FOUND: usize = 64;

type Key = (InstanceId, IpAddr);

/// Observed peers that send forwarding headers, and detected proxies.
#[derive(Debug, Default)]
pub struct UnlistedProxies {
    observed: Mutex<HashMap<Key, (PhoneId, Timestamp)>>,
    found: ArcSwap<HashMap<Key, UnlistedProxy>>,
    news: watch::Sender<()>,
}

fn is_recent(proxy: &UnlistedProxy, now: Timestamp) -> bool {
    now.duration_since(proxy.last).unsigned_abs() <= KEPT
}

/// Whether the configuration now takes the proxy into account.
fn is_cured(proxy: &UnlistedProxy, proxies: &Proxies) -> bool {
    let trusted = proxies.trusted.iter().any(|network| network.contains(&proxy.peer));
    let same = proxies.address_header.as_str().eq_ignore_ascii_case(&proxy.header);
    if proxy.is_listed { same || !trusted } else { trusted }
}

impl UnlistedProxies {
    /// Returns the source that a request counts for.
    #[must_use]
    pub fn origin(
        &self,
        instance: InstanceId,
        client: ClientAddress,
        claim: Option<&ForwardingClaim>,
        now: Timestamp,
    ) -> CountedSource {
        let found = self.found.load();
        let known = claim.filter(|claim| found.get(&(instance, claim.peer)).is_some_and(|one| is_recent(one, now)));
        known.map_or_else(
            || CountedSource::source(client.address),
            |claim| CountedSource::behind(claim.peer, claim.client),
        )
    }

    /// Records that a phone has authenticated through a peer, with its own credentials or certificate.
    pub fn proved(&self, instance: InstanceId, phone: PhoneId, claim: &ForwardingClaim, now: Timestamp) {
        let key = (instance, claim.peer);
        let known = self.found.load().get(&key).filter(|known| is_recent(known, now)).cloned();
        if known.as_ref().is_some_and(|known| now.duration_since(known.last).unsigned_abs() < AGAIN) {
            return;
        }
        if known.is_none() && !self.is_second(key, phone, now) {
            return;
        }
        let since = known.as_ref().map_or(now, |known| known.since);
        let header = claim.header.as_str().to_owned();
        let forwarder = UnlistedProxy { peer: claim.peer, header, is_listed: claim.is_listed, since, last: now };
        if known.is_none() {
            tracing::warn!(instance = instance.0, peer = %claim.peer, "{}", forwarder.message());
        }
        self.put(&[(key, forwarder)]);
        self.news.send_replace(());
    }

    /// Whether a different phone authenticated through this peer before.
    fn is_second(&self, key: Key, phone: PhoneId, now: Timestamp) -> bool {
        let mut observed = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
        match observed.get(&key) {
            Some((first, at)) if now.duration_since(*at).unsigned_abs() <= KEPT => {
                let is_second = *first != phone;
                if is_second {
                    observed.remove(&key);
                }
                is_second
            }
            _ => {
                if observed.len() >= OBSERVED
                    && let Some(oldest) = observed.iter().min_by_key(|(_, (_, at))| *at).map(|(key, _)| *key)
                {
                    observed.remove(&oldest);
                }
                observed.insert(key, (phone, now));
                false
            }
        }
    }

    fn put(&self, new: &[(Key, UnlistedProxy)]) {
        self.found.rcu(|present| {
            let mut next = HashMap::clone(present);
            next.extend(new.iter().cloned());
            while next.len() > FOUND
                && let Some(oldest) = next.iter().min_by_key(|(_, one)| one.last).map(|(key, _)| *key)
            {
                next.remove(&oldest);
            }
            Arc::new(next)
        });
    }

    /// Returns the detected proxies of an instance.
    #[must_use]
    pub fn of(&self, instance: InstanceId, now: Timestamp) -> Vec<UnlistedProxy> {
        let found = self.found.load();
        let own = found.iter().filter(|(key, one)| key.0 == instance && is_recent(one, now));
        let mut own: Vec<UnlistedProxy> = own.map(|(_, one)| one.clone()).collect();
        own.sort_by_key(|one| (one.since, one.peer));
        own
    }
}

/// Returns stored proxies that the configuration does not yet take into account.
#[must_use]
pub fn recorded(store: &Store, proxies: &Proxies, now: Timestamp) -> Vec<(InstanceId, UnlistedProxy)> {
    let stored = store.learned().unlisted_proxies().into_iter();
    stored.filter(|(_, one)| is_recent(one, now) && !is_cured(one, proxies)).collect()
}

/// Loads the stored proxies, then stores new ones until the gateway stops.
pub async fn record(
    store: Store,
    unlisted_proxies: Arc<UnlistedProxies>,
    proxies: Proxies,
    now: Timestamp,
    tasks: Tasks,
) {
    let recorded = recorded(&store, &proxies, now);
    for (instance, proxy) in store.learned().unlisted_proxies() {
        let peer = proxy.peer;
        if !recorded.contains(&(instance, proxy))
            && let Err(error) = store.learned().remove_unlisted_proxy(instance, peer).await
        {
            tracing::warn!(%peer, %error, "a proxy that is taken into account by now cannot be forgotten");
        }
    }
    let mut news = unlisted_proxies.news.subscribe();
    let recorded: Vec<_> = recorded.into_iter().map(|(instance, one)| ((instance, one.peer), one)).collect();
    unlisted_proxies.put(&recorded);
    loop {
        let found = unlisted_proxies.found.load_full();
        for ((instance, peer), forwarder) in found.iter() {
            if let Err(error) = store.learned().set_unlisted_proxy(*instance, forwarder).await {
                tracing::warn!(%peer, %error, "a proxy that is not listed cannot be written down");
            }
        }
        let changed = tokio::select! {
            changed = news.changed() => changed.is_ok(),
            () = tasks.stopping() => false,
        };
        if !changed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderName;

    use super::*;

    const HERE: InstanceId = InstanceId(1);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn claim(peer: [u8; 4], client: [u8; 4]) -> ForwardingClaim {
        let header = HeaderName::from_static("x-forwarded-for");
        ForwardingClaim { peer: peer.into(), client: client.into(), header, is_listed: false }
    }

    fn origin(unlisted_proxies: &UnlistedProxies, claim: &ForwardingClaim, now: Timestamp) -> CountedSource {
        unlisted_proxies.origin(HERE, ClientAddress { address: claim.peer, encrypted: false }, Some(claim), now)
    }

    #[test]
    fn two_phones_make_a_proxy_and_a_header_alone_does_not() {
        let unlisted_proxies = UnlistedProxies::default();
        let one = claim([127, 0, 0, 1], [192, 0, 2, 1]);
        let device = CountedSource::source(one.peer);
        assert_eq!(origin(&unlisted_proxies, &one, at(0)), device, "a header alone");
        for second in 0..100 {
            unlisted_proxies.proved(HERE, PhoneId(1), &one, at(second));
        }
        assert_eq!(origin(&unlisted_proxies, &one, at(100)), device, "one phone, as often as it likes");
        unlisted_proxies.proved(InstanceId(2), PhoneId(9), &one, at(100));
        assert_eq!(origin(&unlisted_proxies, &one, at(100)), device, "a phone of another instance");
        unlisted_proxies.proved(HERE, PhoneId(2), &one, at(101));
        assert_eq!(origin(&unlisted_proxies, &one, at(102)), CountedSource::behind(one.peer, one.client));
        let stranger = claim([198, 51, 100, 7], [192, 0, 2, 1]);
        assert_eq!(origin(&unlisted_proxies, &stranger, at(102)), CountedSource::source(stranger.peer), "another peer");
        let bare = unlisted_proxies.origin(HERE, ClientAddress { address: one.peer, encrypted: false }, None, at(102));
        assert_eq!(bare, device, "a request without header");
        let found = unlisted_proxies.of(HERE, at(102));
        assert_eq!((found.len(), found[0].since), (1, at(101)));
        let sentence = found[0].message();
        assert!(
            sentence.contains("Add 127.0.0.1 to trusted_proxies only if it is your own reverse proxy"),
            "{sentence}"
        );
        assert!(unlisted_proxies.of(InstanceId(2), at(102)).is_empty());
        assert!(unlisted_proxies.of(HERE, at(8 * 86_400)).is_empty(), "long ago");
    }

    #[test]
    fn many_proofs_leave_the_tables_bounded() {
        let unlisted_proxies = UnlistedProxies::default();
        for n in 0..2_000_u32 {
            let claim = ForwardingClaim { peer: IpAddr::V4(n.into()), ..claim([0; 4], [192, 0, 2, 1]) };
            unlisted_proxies.proved(HERE, PhoneId(1), &claim, at(i64::from(n)));
            unlisted_proxies.proved(HERE, PhoneId(1 + i64::from(n % 2)), &claim, at(i64::from(n)));
        }
        assert!(unlisted_proxies.observed.lock().unwrap().len() <= OBSERVED);
        assert!(unlisted_proxies.found.load().len() <= FOUND);
    }

    #[test]
    fn what_the_configuration_lists_by_now_is_cured() {
        let mut proxies = Proxies::new(Vec::new());
        let forwarder = |is_listed| UnlistedProxy {
            peer: [10, 0, 0, 1].into(),
            header: "x-real-ip".into(),
            is_listed,
            since: at(0),
            last: at(0),
        };
        assert!(!is_cured(&forwarder(false), &proxies));
        proxies.trusted = vec!["10.0.0.0/8".parse().unwrap()];
        assert!(is_cured(&forwarder(false), &proxies) && !is_cured(&forwarder(true), &proxies));
        proxies.address_header = HeaderName::from_static("x-real-ip");
        assert!(is_cured(&forwarder(true), &proxies));
    }
}
