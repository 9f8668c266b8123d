//! The activity of an instance by the hour.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Rfc3339Time;

/// The activity of one hour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ActivityHour {
    /// The beginning of the hour.
    pub at: Rfc3339Time,
    /// Requests of phones.
    pub requests: u64,
    /// Personal files that were delivered completely.
    pub deliveries: u64,
    /// How many times a phone was provisioned.
    pub provisionings: u64,
}

/// The activity, oldest hour first, without hours that had none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ActivityChart {
    /// The time at the gateway.
    pub now: Rfc3339Time,
    /// The hours.
    pub hours: Vec<ActivityHour>,
}
