//! What the fleet's thread and everybody else see together: the wishes that wait for the thread, and how every phone
//! is doing.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::event::SysclientSpec;
use crate::phone::record::PhoneId;

/// How a phone is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Waits for its turn or for the end of a pause.
    Waiting,
    /// Waits for a file descriptor that is free: as many sockets are open as may be.
    NoDescriptor,
    /// Waits for an endpoint that is away.
    Away,
    /// Is being connected.
    Connecting,
    /// Connected; Devices has not answered yet.
    Connected,
    /// Connected and a member of a domain.
    Member,
    /// Connected, but Devices keeps silent: not in a domain.
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
    /// The last wish per phone (`None` = drop). Bounded by the number of phones, since a newer wish replaces an older.
    wishes: Mutex<HashMap<PhoneId, Option<SysclientSpec>>>,
    statuses: Mutex<HashMap<PhoneId, Status>>,
    pub(super) wake: Notify,
}

impl HandleState {
    pub(super) fn push_request(&self, phone: PhoneId, wish: Option<SysclientSpec>) {
        lock(&self.wishes).insert(phone, wish);
        self.wake.notify_one();
    }

    pub(super) fn take_requests(&self) -> HashMap<PhoneId, Option<SysclientSpec>> {
        std::mem::take(&mut *lock(&self.wishes))
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

    pub(super) fn counts(&self) -> SysclientCounts {
        let mut counts = SysclientCounts::new();
        for status in lock(&self.statuses).values() {
            *counts.entry(*status).or_default() += 1;
        }
        counts
    }
}

/// Nothing that is done under these locks can leave the maps half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
