//! Table `request_facts`: the last request of every phone. Facts are in memory at once and are written a moment later
//! in one transaction for all phones, so that no response waits for the disk. Unknown devices are only counted.

use sqlx::SqliteConnection;

use super::{
    Sqlite, activity,
    codec::{ms, signed, time, unsigned},
    error_context::ErrorContext,
};
use crate::{
    phone::record::PhoneId,
    store::{
        api::{
            error::StoreError,
            request::{RequestFacts, RequestRepository},
        },
        memory::requests::Requests,
    },
};

/// Number of rows per statement: about 100 KiB of text.
const WRITTEN_AT_ONCE: usize = 500;

/// The last requests of all phones.
pub(in crate::store) async fn load(connection: &mut SqliteConnection) -> Result<Requests, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT phone_id AS "phone_id!", at, address, user_agent, file, outcome, requests FROM request_facts"#
    )
    .fetch_all(connection)
    .await
    .attempt("read the last requests")?;
    Ok(Requests::new(rows.into_iter().map(|row| {
        let facts = RequestFacts {
            at: time(row.at),
            address: row.address,
            user_agent: row.user_agent,
            file: row.file,
            outcome: row.outcome,
            requests: unsigned(row.requests),
        };
        (PhoneId(row.phone_id), facts)
    })))
}

/// One statement for many rows: one statement per row would cost the database thread more than all responses together.
async fn write(connection: &mut SqliteConnection, batch: &[(PhoneId, RequestFacts)]) -> Result<(), StoreError> {
    let rows: Vec<_> = batch
        .iter()
        .map(|(id, facts)| {
            let RequestFacts { at, address, user_agent, file, outcome, requests } = facts;
            (id.0, ms(*at), address, user_agent, file, outcome, signed(*requests))
        })
        .collect();
    let rows = serde_json::to_string(&rows).unwrap_or_default();
    sqlx::query(
        "INSERT INTO request_facts (phone_id, at, address, user_agent, file, outcome, requests)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
        FROM json_each(?) WHERE true
        ON CONFLICT (phone_id) DO UPDATE SET at = excluded.at, address = excluded.address,
            user_agent = excluded.user_agent, file = excluded.file, outcome = excluded.outcome,
            requests = excluded.requests",
    )
    .bind(rows)
    .execute(connection)
    .await
    .attempt("write the last requests")?;
    Ok(())
}

impl RequestRepository for Sqlite {
    async fn flush_requests(&self) -> Result<(), StoreError> {
        let batch = self.inner.memory.requests.take_unwritten();
        let hours = self.inner.memory.requests.take_hours();
        if batch.is_empty() && hours.is_empty() {
            return Ok(());
        }
        let written = async {
            let mut transaction = self.inner.writer.begin("write the last requests").await?;
            for rows in batch.chunks(WRITTEN_AT_ONCE) {
                write(&mut transaction, rows).await?;
            }
            if !hours.is_empty() {
                activity::write(&mut transaction, &hours, self.inner.clock.now()).await?;
            }
            transaction.commit().await.map(drop)
        }
        .await;
        if written.is_err() {
            self.inner.memory.requests.put_back(&batch);
            self.inner.memory.requests.put_back_hours(hours);
        } else if !batch.is_empty() {
            self.inner.memory.announce_requests(batch.iter().map(|(id, _)| *id).collect());
        }
        written
    }
}
