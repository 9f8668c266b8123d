//! The state shared between the pool's thread and the handles: the pending requests, and the status of every phone.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::event::SysclientSpec;
use crate::phone::record::PhoneId;

/// The status of a phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Waits for its turn or for the end of a pause.
    Waiting,
    /// Waits for a free file descriptor: the limit of open sockets is reached.
    NoDescriptor,
    /// Waits for an endpoint that is unreachable.
    Away,
    /// The connection is being opened.
    Connecting,
    /// Connected; Devices has not answered yet.
    Connected,
    /// Connected and a member of a domain.
    Member,
    /// Connected, but Devices keeps silent: the phone is in no domain.
    Outside,
}

impl Status {
    /// The label in metrics and on the status page.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::NoDescriptor => "no-descriptor",
            Self::Away => "away",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Member => "member",
            Self::Outside => "outside",
        }
    }
}

/// Number of phones by status.
pub type SysclientCounts = BTreeMap<Status, usize>;

#[derive(Default)]
pub(super) struct HandleState {
    /// The last request per phone (`None` = drop). Bounded by the number of phones, since a newer request replaces an
    /// older one.
    requests: Mutex<HashMap<PhoneId, Option<SysclientSpec>>>,
    statuses: Mutex<HashMap<PhoneId, Status>>,
    /// The hosts that could not be reached at the last attempt.
    away: Mutex<HashSet<String>>,
    pub(super) wake: Notify,
}

impl HandleState {
    pub(super) fn push_request(&self, phone: PhoneId, spec: Option<SysclientSpec>) {
        lock(&self.requests).insert(phone, spec);
        self.wake.notify_one();
    }

    pub(super) fn take_requests(&self) -> HashMap<PhoneId, Option<SysclientSpec>> {
        std::mem::take(&mut *lock(&self.requests))
    }

    pub(super) fn set_status(&self, phone: PhoneId, status: Option<Status>) {
        let mut statuses = lock(&self.statuses);
        match status {
            Some(status) => statuses.insert(phone, status),
            None => statuses.remove(&phone),
        };
    }

    pub(super) fn status(&self, phone: PhoneId) -> Option<Status> {
        lock(&self.statuses).get(&phone).copied()
    }

    pub(super) fn set_away(&self, host: &str, is_away: bool) {
        let mut away = lock(&self.away);
        if is_away {
            away.insert(host.to_owned());
        } else {
            away.remove(host);
        }
    }

    pub(super) fn is_away(&self, host: &str) -> bool {
        lock(&self.away).contains(host)
    }

    pub(super) fn counts(&self) -> SysclientCounts {
        let mut counts = SysclientCounts::new();
        for status in lock(&self.statuses).values() {
            *counts.entry(*status).or_default() += 1;
        }
        counts
    }
}

/// Ignores poisoning: no operation under these locks can leave the maps half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
