//! What the fleet's thread and everybody else see together: the wishes that wait for the thread, and how every phone
//! is doing.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::event::HoldSpec;
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
pub type Counts = BTreeMap<Status, usize>;

#[derive(Default)]
pub(super) struct Shared {
    /// The last wish per phone (`None` = drop). Bounded by the number of phones, since a newer wish replaces an older.
    wishes: Mutex<HashMap<PhoneId, Option<HoldSpec>>>,
    statuses: Mutex<HashMap<PhoneId, Status>>,
    pub(super) wake: Notify,
}

impl Shared {
    pub(super) fn wish(&self, phone: PhoneId, wish: Option<HoldSpec>) {
        lock(&self.wishes).insert(phone, wish);
        self.wake.notify_one();
    }

    pub(super) fn take_wishes(&self) -> HashMap<PhoneId, Option<HoldSpec>> {
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

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::new();
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
