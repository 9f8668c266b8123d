//! Requests and deliveries per hour that are not on disk yet.

use jiff::Timestamp;

use crate::{phone::instance::InstanceId, store::api::activity::hour_of};

/// Counts that are not on disk yet: few instances, one or two hours each.
#[derive(Default)]
pub(in crate::store) struct ActivityCounts(Vec<HourCount>);

/// The requests and deliveries of one hour.
pub(in crate::store) struct HourCount {
    pub(in crate::store) instance: InstanceId,
    pub(in crate::store) hour: i64,
    pub(in crate::store) requests: u64,
    pub(in crate::store) deliveries: u64,
}

impl ActivityCounts {
    pub(in crate::store) fn add(&mut self, instance: InstanceId, at: Timestamp, delivered: bool) {
        let (hour, delivered) = (hour_of(at), u64::from(delivered));
        match self.0.iter_mut().rev().find(|count| count.instance == instance && count.hour == hour) {
            Some(count) => {
                count.requests += 1;
                count.deliveries += delivered;
            }
            None => self.0.push(HourCount { instance, hour, requests: 1, deliveries: delivered }),
        }
    }

    pub(in crate::store) fn put_back(&mut self, other: Self) {
        for HourCount { instance, hour, requests, deliveries } in other.0 {
            match self.0.iter_mut().find(|count| count.instance == instance && count.hour == hour) {
                Some(count) => {
                    count.requests += requests;
                    count.deliveries += deliveries;
                }
                None => self.0.push(HourCount { instance, hour, requests, deliveries }),
            }
        }
    }

    /// The counts.
    pub(in crate::store) fn all(&self) -> &[HourCount] {
        &self.0
    }

    pub(in crate::store) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
