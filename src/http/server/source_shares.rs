//! Limits the open connections of all listeners and shares them between sources. The process has a limited number of
//! file descriptors, and one source must not use all of them. A source may have as many connections as are still free:
//! one source gets at most half of them, two sources a third each, and another source always gets a slot.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use ipnet::IpNet;

use super::connection_limiter::ConnectionRejection;
use crate::phone::request_evidence::network;

/// Trusted proxies, which forward many sources, leave this fraction (one in so many slots) free.
const KEPT_FROM_PROXIES: usize = 8;
/// When fewer than this fraction (one in so many slots) is free, connections are closed after their response.
const CROWDED: usize = 4;

/// Counts connections. All listeners share one instance.
#[derive(Debug)]
pub struct SourceShares {
    most: usize,
    proxies: Vec<IpNet>,
    open: AtomicUsize,
    sources: Mutex<HashMap<IpAddr, usize>>,
}

/// One counted connection. Releases its slot when dropped.
#[derive(Debug)]
pub struct SharePermit {
    capacity: Arc<SourceShares>,
    source: Option<IpAddr>,
}

impl SourceShares {
    /// Creates `most` slots. `proxies` are trusted proxies that forward many sources.
    #[must_use]
    pub fn new(most: usize, proxies: Vec<IpNet>) -> Arc<Self> {
        Arc::new(Self { most, proxies, open: AtomicUsize::new(0), sources: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn free(&self) -> usize {
        self.most.saturating_sub(self.open.load(Ordering::Relaxed))
    }

    /// Takes a slot for a connection that has just been accepted.
    ///
    /// # Errors
    /// If the source already has its share.
    pub fn enter(self: &Arc<Self>, peer: IpAddr) -> Result<SharePermit, ConnectionRejection> {
        let peer = peer.to_canonical();
        let source = network(peer);
        let is_proxy = self.proxies.iter().any(|net| net.contains(&peer));
        let mut sources = self.lock();
        let (free, own) = (self.free(), sources.get(&source).copied().unwrap_or_default());
        let is_over = match is_proxy {
            true => own > 0 && free <= self.most / KEPT_FROM_PROXIES,
            // A source without connections is admitted as long as the listeners accept any.
            false => own >= free.max(1),
        };
        if is_over {
            return Err(ConnectionRejection::Share);
        }
        sources.insert(source, own + 1);
        self.open.fetch_add(1, Ordering::Relaxed);
        Ok(SharePermit { capacity: Arc::clone(self), source: Some(source) })
    }

    /// Whether slots are scarce. If so, a connection must be closed after its response.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.free() < self.most / CROWDED
    }
}

impl SharePermit {
    /// Stops counting the connection for its source, because a different limit applies from now on.
    pub fn leave_source(&mut self) {
        let Some(source) = self.source.take() else { return };
        let mut sources = self.capacity.lock();
        if let Some(own) = sources.get_mut(&source) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                sources.remove(&source);
            }
        }
    }

    /// Whether slots are scarce.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.capacity.is_crowded()
    }
}

impl Drop for SharePermit {
    fn drop(&mut self) {
        self.leave_source();
        self.capacity.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: [u8; 4] = [10, 0, 0, 1];

    fn capacity(most: usize) -> Arc<SourceShares> {
        SourceShares::new(most, vec!["10.0.0.0/8".parse().unwrap()])
    }

    /// Takes as many connections as a source gets.
    fn all_of(capacity: &Arc<SourceShares>, source: [u8; 4]) -> Vec<SharePermit> {
        std::iter::from_fn(|| capacity.enter(source.into()).ok()).collect()
    }

    #[test]
    fn however_many_one_source_opens_another_finds_room() {
        let capacity = capacity(1000);
        let first = all_of(&capacity, [192, 0, 2, 1]);
        assert_eq!(first.len(), 500);
        let second = all_of(&capacity, [192, 0, 2, 2]);
        assert_eq!(second.len(), 250);
        let crowd: Vec<Vec<SharePermit>> = (3..100).map(|host| all_of(&capacity, [192, 0, 2, host])).collect();
        assert!(crowd.iter().all(|seats| !seats.is_empty()));
        assert!(capacity.is_crowded());
        assert!(capacity.enter([192, 0, 2, 200].into()).is_ok());
        drop((first, second, crowd));
        assert!(capacity.lock().is_empty() && capacity.free() == 1000 && !capacity.is_crowded());
    }

    #[test]
    fn a_trusted_proxy_may_have_nearly_all_and_leaves_room_for_others() {
        let capacity = capacity(800);
        let proxied = all_of(&capacity, PROXY);
        assert_eq!(proxied.len(), 700);
        assert!(capacity.enter([192, 0, 2, 1].into()).is_ok());
    }

    #[test]
    fn a_websocket_takes_a_place_but_no_share_of_its_source() {
        let capacity = capacity(100);
        let mut sockets: Vec<SharePermit> = (0..40).map(|_| capacity.enter([192, 0, 2, 1].into()).unwrap()).collect();
        sockets.iter_mut().for_each(SharePermit::leave_source);
        assert_eq!(all_of(&capacity, [192, 0, 2, 1]).len(), 30, "half of the sixty that are left");
        assert_eq!(capacity.free(), 60);
        drop(sockets);
        assert_eq!(capacity.free(), 100);
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let capacity = capacity(10);
        let host = |number: u32| format!("2001:db8::{number:x}").parse::<IpAddr>().unwrap();
        let seats: Vec<SharePermit> = (0..100).filter_map(|number| capacity.enter(host(number)).ok()).collect();
        assert_eq!(seats.len(), 5);
    }
}
