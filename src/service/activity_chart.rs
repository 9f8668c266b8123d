//! Activity per hour. The page groups the hours into days in its time zone.

use gangway_wire::appws::Envelope;
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ServiceDependencies,
    device_row::time,
    response::{MessageResult, read, result},
};
use crate::phone::instance::InstanceId;

/// Hours of 31 days.
const MOST: u16 = 744;

#[derive(Deserialize)]
struct Request {
    #[serde(default = "day")]
    hours: u16,
}

fn day() -> u16 {
    24
}

/// Answers `Chart`.
///
/// # Errors
/// If the request or the store cannot be read.
pub async fn chart(deps: &ServiceDependencies, instance: InstanceId, message: &Envelope) -> MessageResult {
    let request: Request = read(message)?;
    let now = deps.clock.now();
    let from = now - SignedDuration::from_hours(i64::from(request.hours.clamp(1, MOST)) - 1);
    let rows: Vec<Value> = deps
        .store
        .requests()
        .activity(instance, from)
        .await?
        .into_iter()
        .map(|hour| {
            json!({
                "at": time(hour.hour), "requests": hour.requests, "deliveries": hour.deliveries,
                "provisionings": hour.provisionings,
            })
        })
        .collect();
    super::response::list(result(message).field("now", time(now)), "hours", &rows)
}
