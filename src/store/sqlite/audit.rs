//! Table `audit`: who did what, through the admin page, REST or a command.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::codec::{ms, time};
use crate::store::{
    Store,
    api::error::{ErrorContext, StoreError},
};
use crate::{base::telemetry::escape_control, phone::instance::InstanceId};

/// Number of entries kept per instance; older ones are deleted.
pub const AUDIT_KEPT: u32 = 10_000;

/// One audited action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// The instance.
    pub instance: InstanceId,
    /// Display name of the user.
    pub who: String,
    /// `page`, `rest` or `command`.
    pub way: &'static str,
    /// Address of the client; empty for a command.
    pub source: String,
    /// The target: a MAC, a scope or a name; empty for the whole instance.
    pub target: String,
    /// What was done, without secrets.
    pub deed: String,
}

/// A stored entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Row id; increases with time.
    pub id: i64,
    /// When the action took place.
    pub at: Timestamp,
    /// See [`AuditEntry::who`].
    pub who: String,
    /// See [`AuditEntry::way`].
    pub way: String,
    /// See [`AuditEntry::source`].
    pub source: String,
    /// See [`AuditEntry::target`].
    pub target: String,
    /// See [`AuditEntry::deed`].
    pub deed: String,
}

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

impl Store {
    /// Adds an entry and deletes entries beyond [`AUDIT_KEPT`].
    ///
    /// # Errors
    /// When the database cannot be written; the caller must not perform the action then.
    pub async fn add_audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let at = ms(self.inner.clock.now());
        let mut transaction = self.inner.writer.begin("write down who does what").await?;
        add(&mut transaction, at, entry).await?;
        transaction.commit().await.map(drop)
    }

    /// Adds an entry to every instance, for commands on this machine that affect all of them.
    ///
    /// # Errors
    /// When the database cannot be written; the caller must not perform the action then.
    pub async fn add_audit_everywhere(&self, who: &str, deed: &str) -> Result<(), StoreError> {
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

    /// Entries of an instance, newest first, older than `before`, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn audit(
        &self,
        instance: InstanceId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditRow>, StoreError> {
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
