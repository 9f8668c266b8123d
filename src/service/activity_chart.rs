//! Activity per hour. The page groups the hours into days in its time zone.

use jiff::SignedDuration;

use super::{
    ServiceDependencies,
    error::ServiceError,
    types::{ActivityChart, ActivityHour},
};
use crate::phone::instance::InstanceId;

/// Hours of 31 days.
const MOST: u16 = 744;

/// Returns the activity of the last hours, at most 744.
///
/// # Errors
/// If the store cannot be read.
pub async fn chart(
    deps: &ServiceDependencies,
    instance: InstanceId,
    hours: u16,
) -> Result<ActivityChart, ServiceError> {
    let now = deps.clock.now();
    let from = now - SignedDuration::from_hours(i64::from(hours.clamp(1, MOST)) - 1);
    let hours = deps.store.requests().activity(instance, from).await?.into_iter().map(|hour| ActivityHour {
        at: hour.hour.into(),
        requests: hour.requests,
        deliveries: hour.deliveries,
        provisionings: hour.provisionings,
    });
    Ok(ActivityChart { now: now.into(), hours: hours.collect() })
}
