//! The times at which phones are decided again.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use crate::phone::record::PhoneId;

/// The next deadline of each phone.
#[derive(Default)]
pub(super) struct Deadlines {
    order: BTreeSet<(Timestamp, PhoneId)>,
    times: HashMap<PhoneId, Timestamp>,
}

impl Deadlines {
    pub(super) fn set(&mut self, phone: PhoneId, at: Option<Timestamp>) {
        if let Some(old) = self.times.remove(&phone) {
            self.order.remove(&(old, phone));
        }
        if let Some(at) = at {
            self.times.insert(phone, at);
            self.order.insert((at, phone));
        }
    }

    pub(super) fn take(&mut self, now: Timestamp, into: &mut BTreeSet<PhoneId>) {
        while let Some(&(at, phone)) = self.order.first()
            && at <= now
        {
            self.set(phone, None);
            into.insert(phone);
        }
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }
}
