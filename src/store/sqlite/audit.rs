//! Table `audit`: who did what, through the admin page, REST or a command.

use sqlx::SqliteConnection;

use super::{
    Sqlite,
    codec::{ms, time},
    error_context::ErrorContext,
};
use crate::{
    base::telemetry::escape_control,
    phone::instance::InstanceId,
    store::api::{
        audit::{AUDIT_KEPT, AuditEntry, AuditRepository, AuditRow},
        error::StoreError,
    },
};

async fn add(connection: &mut SqliteConnection, at: i64, entry: &AuditEntry) -> Result<(), StoreError> {
    // Names come from outside. Control characters are escaped so that an entry is always one line.
    let [who, source, target, deed] =
        [&entry.who, &entry.source, &entry.target, &entry.deed].map(|text| escape_control::line(text));
    let [who, source, target, deed] = [&*who, &*source, &*target, &*deed];
    sqlx::query!(
        "INSERT INTO audit (instance_id, at, who, way, source, target, deed) VALUES (?, ?, ?, ?, ?, ?, ?)",
        entry.instance.0,
        at,
        who,
        entry.way,
        source,
        target,
        deed
    )
    .execute(&mut *connection)
    .await
    .attempt("write down who does what")?;
    sqlx::query!(
        "DELETE FROM audit WHERE instance_id = ?1 AND id <=
                (SELECT id FROM audit WHERE instance_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        entry.instance.0,
        AUDIT_KEPT
    )
    .execute(connection)
    .await
    .attempt("forget the oldest deeds")?;
    Ok(())
}

impl AuditRepository for Sqlite {
    async fn add_audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let at = ms(self.inner.clock.now());
        let mut transaction = self.inner.writer.begin("write down who does what").await?;
        add(&mut transaction, at, entry).await?;
        transaction.commit().await.map(drop)
    }

    async fn add_audit_everywhere(&self, who: &str, deed: &str) -> Result<(), StoreError> {
        let at = ms(self.inner.clock.now());
        let mut transaction = self.inner.writer.begin("write down who does what").await?;
        let instances: Vec<i64> = sqlx::query_scalar("SELECT id FROM instance ORDER BY id")
            .fetch_all(&mut *transaction)
            .await
            .attempt("look which instances there are")?;
        for instance in instances {
            let entry = AuditEntry {
                instance: InstanceId(instance),
                who: who.to_owned(),
                way: "command",
                source: String::new(),
                target: String::new(),
                deed: deed.to_owned(),
            };
            add(&mut transaction, at, &entry).await?;
        }
        transaction.commit().await.map(drop)
    }

    async fn audit(&self, instance: InstanceId, before: Option<i64>, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        let before = before.unwrap_or(i64::MAX);
        let rows = sqlx::query!(
            r#"SELECT id AS "id!", at, who, way, source, target, deed FROM audit
            WHERE instance_id = ? AND id < ? ORDER BY id DESC LIMIT ?"#,
            instance.0,
            before,
            limit
        )
        .fetch_all(&self.readers()?)
        .await
        .attempt("read who did what")?;
        Ok(rows
            .into_iter()
            .map(|row| AuditRow {
                id: row.id,
                at: time(row.at),
                who: row.who,
                way: row.way,
                source: row.source,
                target: row.target,
                deed: row.deed,
            })
            .collect())
    }
}
