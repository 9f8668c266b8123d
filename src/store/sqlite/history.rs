//! Table `history`: calls to the redirect services and their responses.

use std::time::Duration;

use gangway_base::mac::Mac;

use super::{
    Sqlite,
    codec::{ms, small, time},
    error_context::ErrorContext,
};
use crate::{
    base::telemetry::escape_control,
    phone::{instance::InstanceId, record::PhoneId},
    store::api::{
        error::StoreError,
        history::{HistoryEntry, HistoryFilter, HistoryRepository, HistoryRow},
    },
};

impl HistoryRepository for Sqlite {
    async fn add_history(&self, entry: HistoryEntry) -> Result<(), StoreError> {
        let phone = entry.phone.map(|phone| phone.0);
        let mac = entry.mac.map(|mac| mac.to_string());
        let at = ms(entry.at);
        let took = i64::try_from(entry.took.as_millis()).unwrap_or(i64::MAX);
        // Services may respond with arbitrary bytes.
        let answer = entry.answer.replace("\r\n", "\n");
        let (outcome, answer) = (escape_control::line(&entry.outcome), escape_control::lines(&answer));
        let (outcome, answer) = (&*outcome, &*answer);
        let mut writer = self.inner.writer.take().await;
        sqlx::query!(
            "INSERT INTO history (instance_id, phone_id, mac, vendor, command, at, took, outcome, answer)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            entry.instance.0,
            phone,
            mac,
            entry.vendor,
            entry.command,
            at,
            took,
            outcome,
            answer
        )
        .execute(&mut *writer)
        .await
        .attempt("write the redirect history")?;
        Ok(())
    }

    async fn history(&self, filter: HistoryFilter) -> Result<Vec<HistoryRow>, StoreError> {
        let mac = filter.mac.map(|mac| mac.to_string());
        let before = filter.before.unwrap_or(i64::MAX);
        let rows = sqlx::query!(
            r#"SELECT id AS "id!", instance_id, phone_id, mac, vendor, command, at, took, outcome, answer
            FROM history WHERE instance_id = ?1 AND (?2 IS NULL OR mac = ?2) AND id < ?3 ORDER BY id DESC LIMIT ?4"#,
            filter.instance.0,
            mac,
            before,
            filter.limit
        )
        .fetch_all(&self.readers()?)
        .await
        .attempt("read the redirect history")?;
        Ok(rows
            .into_iter()
            .map(|row| HistoryRow {
                id: row.id,
                entry: HistoryEntry {
                    instance: InstanceId(row.instance_id),
                    phone: row.phone_id.map(PhoneId),
                    mac: row.mac.as_deref().and_then(Mac::from_hex),
                    vendor: row.vendor,
                    command: row.command,
                    at: time(row.at),
                    took: Duration::from_millis(small(row.took)),
                    outcome: row.outcome,
                    answer: row.answer,
                },
            })
            .collect())
    }

    async fn prune_history(&self, instance: InstanceId, days: u32) -> Result<u64, StoreError> {
        let limit = ms(self.inner.clock.now()).saturating_sub(i64::from(days) * 86_400_000);
        let mut writer = self.inner.writer.take().await;
        let done = sqlx::query!("DELETE FROM history WHERE instance_id = ? AND at < ?", instance.0, limit)
            .execute(&mut *writer)
            .await
            .attempt("drop old redirect history")?;
        Ok(done.rows_affected())
    }
}
