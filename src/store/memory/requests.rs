//! The last request of every phone. Facts are in memory at once and are written a moment later in one transaction for
//! all phones, so that no response waits for the disk. Unknown devices are only counted.

use std::{
    borrow::Cow,
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use super::activity::ActivityCounts;
use crate::{
    base::telemetry::escape_control,
    phone::record::PhoneId,
    store::api::request::{DELIVERED, RequestFacts, RequestNote},
};

/// The longest text of a request that is kept, in bytes.
const TEXT_KEPT: usize = 256;

/// Number of facts copied for the disk under one lock.
const COPIED_AT_ONCE: usize = 64;

/// Compact form of [`RequestFacts`]: every request writes it, but it is rarely read.
struct Last {
    at: Timestamp,
    address: IpAddr,
    user_agent: Option<Arc<str>>,
    file: Arc<str>,
    outcome: Cow<'static, str>,
    requests: u64,
    /// Whether the phone is in [`Pending::unwritten`].
    unwritten: bool,
}

impl Last {
    fn facts(&self) -> RequestFacts {
        RequestFacts {
            at: self.at,
            address: self.address.to_string(),
            user_agent: self.user_agent.as_deref().map(str::to_owned),
            file: (*self.file).to_owned(),
            outcome: self.outcome.clone().into_owned(),
            requests: self.requests,
        }
    }
}

#[derive(Default)]
struct Pending {
    last: HashMap<PhoneId, Last>,
    /// Phones whose facts are not on disk yet, each once. The list is limited by the number of phones, so no entry has
    /// to be dropped.
    unwritten: Vec<PhoneId>,
    /// Requests per hour, not on disk yet.
    hours: ActivityCounts,
}

/// The facts of all phones.
#[derive(Default)]
pub(in crate::store) struct Requests {
    memory: Mutex<Pending>,
}

impl Requests {
    /// The last requests as stored.
    pub(in crate::store) fn new(stored: impl Iterator<Item = (PhoneId, RequestFacts)>) -> Self {
        let last = stored
            .map(|(phone, facts)| {
                let last = Last {
                    at: facts.at,
                    // The store never writes an invalid address; treat one as unspecified.
                    address: facts.address.parse().unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
                    user_agent: facts.user_agent.map(Arc::from),
                    file: Arc::from(facts.file),
                    outcome: Cow::Owned(facts.outcome),
                    requests: facts.requests,
                    unwritten: false,
                };
                (phone, last)
            })
            .collect();
        Self { memory: Mutex::new(Pending { last, ..Pending::default() }) }
    }

    /// The last request of a phone.
    pub(in crate::store) fn of(&self, phone: PhoneId) -> Option<RequestFacts> {
        self.memory().last.get(&phone).map(Last::facts)
    }

    /// The hourly counts that are not on disk yet. The caller writes them or puts them back.
    pub(in crate::store) fn take_hours(&self) -> ActivityCounts {
        std::mem::take(&mut self.memory().hours)
    }

    /// Puts back hourly counts that could not be written.
    pub(in crate::store) fn put_back_hours(&self, hours: ActivityCounts) {
        self.memory().hours.put_back(hours);
    }

    fn memory(&self) -> MutexGuard<'_, Pending> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies no text and, for a phone that has asked before, allocates nothing: this is part of every response.
    pub(in crate::store) fn note(&self, note: RequestNote) {
        let RequestNote { instance, phone, at, address, mut user_agent, mut file, outcome } = note;
        let mut memory = self.memory();
        memory.hours.add(instance, at, outcome == DELIVERED);
        let Some(phone) = phone else { return };
        if let Some(agent) = &mut user_agent {
            shorten(agent);
        }
        shorten(&mut file);
        let memory = &mut *memory;
        let before = memory.last.get(&phone).map(|last| (last.requests, last.unwritten));
        let (requests, unwritten) = before.unwrap_or_default();
        let outcome = Cow::Borrowed(outcome);
        let requests = requests.saturating_add(1);
        memory.last.insert(phone, Last { at, address, user_agent, file, outcome, requests, unwritten: true });
        if !unwritten {
            memory.unwritten.push(phone);
        }
    }

    #[cfg(test)]
    pub(in crate::store) fn is_empty(&self) -> bool {
        self.memory().last.is_empty()
    }

    /// Marks all facts as unwritten: another database may lack them.
    pub(in crate::store) fn write_all_again(&self) {
        let mut memory = self.memory();
        let memory = &mut *memory;
        for (phone, last) in memory.last.iter_mut().filter(|(_, last)| !last.unwritten) {
            last.unwritten = true;
            memory.unwritten.push(*phone);
        }
    }

    pub(in crate::store) fn take_unwritten(&self) -> Vec<(PhoneId, RequestFacts)> {
        let phones = std::mem::take(&mut self.memory().unwritten);
        let mut batch = Vec::with_capacity(phones.len());
        // Release the lock after a few copies, so that requests do not wait long.
        for some in phones.chunks(COPIED_AT_ONCE) {
            let mut memory = self.memory();
            for id in some {
                if let Some(last) = memory.last.get_mut(id) {
                    last.unwritten = false;
                    batch.push((*id, last.facts()));
                }
            }
        }
        batch
    }

    pub(in crate::store) fn put_back(&self, batch: &[(PhoneId, RequestFacts)]) {
        let mut memory = self.memory();
        let memory = &mut *memory;
        for (id, _) in batch {
            if let Some(last) = memory.last.get_mut(id).filter(|last| !last.unwritten) {
                last.unwritten = true;
                memory.unwritten.push(*id);
            }
        }
    }
}

/// Truncates the text at a character boundary.
fn shorten(text: &mut Arc<str>) {
    if text.len() > TEXT_KEPT
        && let Some(short) = text.get(..text.floor_char_boundary(TEXT_KEPT))
    {
        *text = Arc::from(short);
    }
    if let Cow::Owned(seen) = escape_control::line(text) {
        *text = Arc::from(seen);
    }
}
