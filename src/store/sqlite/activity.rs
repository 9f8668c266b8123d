//! Table `activity`: requests, deliveries and provisionings per hour. Requests are counted in memory and written
//! together with the facts of the last requests, so no caller waits for the disk.

use jiff::{SignedDuration, Timestamp};
use sqlx::SqliteConnection;

use super::codec::{ms, signed, time, unsigned};
use crate::phone::instance::InstanceId;
use crate::store::{
    Store,
    api::error::{ErrorContext, StoreError},
};

/// How long hourly counts are kept.
const KEPT: SignedDuration = SignedDuration::from_hours(31 * 24);
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

/// Counts that are not on disk yet: few instances, one or two hours each.
#[derive(Default)]
pub(in crate::store) struct ActivityCounts(Vec<Count>);

struct Count {
    instance: InstanceId,
    hour: i64,
    requests: u64,
    deliveries: u64,
}

fn hour_of(at: Timestamp) -> i64 {
    ms(at).div_euclid(HOUR_MS) * HOUR_MS
}

impl ActivityCounts {
    pub(in crate::store) fn add(&mut self, instance: InstanceId, at: Timestamp, delivered: bool) {
        let (hour, delivered) = (hour_of(at), u64::from(delivered));
        match self.0.iter_mut().rev().find(|count| count.instance == instance && count.hour == hour) {
            Some(count) => {
                count.requests += 1;
                count.deliveries += delivered;
            }
            None => self.0.push(Count { instance, hour, requests: 1, deliveries: delivered }),
        }
    }

    pub(in crate::store) fn put_back(&mut self, other: Self) {
        for Count { instance, hour, requests, deliveries } in other.0 {
            match self.0.iter_mut().find(|count| count.instance == instance && count.hour == hour) {
                Some(count) => {
                    count.requests += requests;
                    count.deliveries += deliveries;
                }
                None => self.0.push(Count { instance, hour, requests, deliveries }),
            }
        }
    }

    pub(in crate::store) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Adds the counts to their hours and deletes hours that are too old.
pub(in crate::store) async fn write(
    connection: &mut SqliteConnection,
    counts: &ActivityCounts,
    now: Timestamp,
) -> Result<(), StoreError> {
    for count in &counts.0 {
        let (requests, deliveries) = (signed(count.requests), signed(count.deliveries));
        sqlx::query!(
            "INSERT INTO activity (instance_id, hour, requests, deliveries) VALUES (?, ?, ?, ?)
            ON CONFLICT (instance_id, hour) DO UPDATE SET requests = requests + excluded.requests,
                deliveries = deliveries + excluded.deliveries",
            count.instance.0,
            count.hour,
            requests,
            deliveries
        )
        .execute(&mut *connection)
        .await
        .attempt("count the requests of the hour")?;
    }
    let oldest = ms(now.saturating_sub(KEPT).unwrap_or(Timestamp::MIN));
    sqlx::query!("DELETE FROM activity WHERE hour < ?", oldest)
        .execute(connection)
        .await
        .attempt("forget the oldest hours")?;
    Ok(())
}

/// Counts one provisioning of a phone.
pub(in crate::store) async fn provisioned(
    connection: &mut SqliteConnection,
    instance: InstanceId,
    at: Timestamp,
) -> Result<(), StoreError> {
    let hour = hour_of(at);
    sqlx::query!(
        "INSERT INTO activity (instance_id, hour, provisionings) VALUES (?, ?, 1)
        ON CONFLICT (instance_id, hour) DO UPDATE SET provisionings = provisionings + 1",
        instance.0,
        hour
    )
    .execute(connection)
    .await
    .attempt("count the provisioning")?;
    Ok(())
}

impl Store {
    /// The hours since `from` that had any activity, oldest first. Lags behind by about a second.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn activity(&self, instance: InstanceId, from: Timestamp) -> Result<Vec<Activity>, StoreError> {
        let from = hour_of(from);
        let rows = sqlx::query!(
            "SELECT hour, requests, deliveries, provisionings FROM activity
            WHERE instance_id = ? AND hour >= ? ORDER BY hour",
            instance.0,
            from
        )
        .fetch_all(&self.readers()?)
        .await
        .attempt("read what was going on")?;
        Ok(rows
            .into_iter()
            .map(|row| Activity {
                hour: time(row.hour),
                requests: unsigned(row.requests),
                deliveries: unsigned(row.deliveries),
                provisionings: unsigned(row.provisionings),
            })
            .collect())
    }
}
