//! The activity of an instance by the hour.

use jiff::Timestamp;

use super::error::StoreError;
use crate::phone::instance::InstanceId;

const HOUR_MS: i64 = 3_600_000;

/// The activity of one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activity {
    /// The start of the hour.
    pub hour: Timestamp,
    /// Requests from phones, known or unknown.
    pub requests: u64,
    /// Personal files that were delivered completely.
    pub deliveries: u64,
    /// How many times a phone was provisioned, for the first time or again.
    pub provisionings: u64,
}

/// The start of the hour of `at`, in Unix milliseconds.
pub(in crate::store) fn hour_of(at: Timestamp) -> i64 {
    at.as_millisecond().div_euclid(HOUR_MS) * HOUR_MS
}

/// The hourly counts in the database.
pub(in crate::store) trait ActivityRepository {
    /// The hours since `from` that had any activity, oldest first.
    async fn activity(&self, instance: InstanceId, from: Timestamp) -> Result<Vec<Activity>, StoreError>;
}
