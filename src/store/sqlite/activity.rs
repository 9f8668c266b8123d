//! Table `activity`: requests, deliveries and provisionings per hour. Requests are counted in memory and written
//! together with the facts of the last requests, so no caller waits for the disk.

use jiff::{SignedDuration, Timestamp};
use sqlx::SqliteConnection;

use super::{
    Sqlite,
    codec::{ms, signed, time, unsigned},
    error_context::ErrorContext,
};
use crate::{
    phone::instance::InstanceId,
    store::{
        api::{
            activity::{Activity, ActivityRepository, hour_of},
            error::StoreError,
        },
        memory::activity::ActivityCounts,
    },
};

/// How long hourly counts are kept.
const KEPT: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Adds the counts to their hours and deletes hours that are too old.
pub(in crate::store) async fn write(
    connection: &mut SqliteConnection,
    counts: &ActivityCounts,
    now: Timestamp,
) -> Result<(), StoreError> {
    for count in counts.all() {
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

impl ActivityRepository for Sqlite {
    async fn activity(&self, instance: InstanceId, from: Timestamp) -> Result<Vec<Activity>, StoreError> {
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
