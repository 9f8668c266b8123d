//! Table `instance`: all tenants ever configured, each with a permanent number.

use sqlx::SqliteConnection;

use super::{Sqlite, codec::ms, error_context::ErrorContext};
use crate::{
    phone::instance::InstanceId,
    store::{
        api::{error::StoreError, instance::InstanceRepository},
        memory::instances::{InstanceRecord, InstanceTable},
    },
};

/// All tenants.
pub(in crate::store) async fn load(connection: &mut SqliteConnection) -> Result<InstanceTable, StoreError> {
    let rows: Vec<(i64, String, String)> = sqlx::query_as("SELECT id, domain, name FROM instance")
        .fetch_all(connection)
        .await
        .attempt("read the instances")?;
    Ok(InstanceTable::new(rows.into_iter().map(|(id, domain, name)| InstanceRecord { id, domain, name })))
}

impl InstanceRepository for Sqlite {
    async fn instance(&self, domain: &str, name: &str) -> Result<InstanceId, StoreError> {
        let mut writer = self.inner.writer.take().await;
        // A known instance needs no write, which may be impossible at the moment.
        let known = sqlx::query_scalar("SELECT id FROM instance WHERE domain = ? AND name = ?")
            .bind(domain)
            .bind(name)
            .fetch_optional(&mut *writer)
            .await
            .attempt("look for the instance")?;
        if let Some(id) = known {
            self.inner.memory.instances.add(id, domain, name);
            return Ok(InstanceId(id));
        }
        let created = ms(self.inner.clock.now());
        // The update changes nothing. It makes RETURNING also return an existing row.
        let id = sqlx::query_scalar!(
            r#"INSERT INTO instance (domain, name, created) VALUES (?, ?, ?)
            ON CONFLICT (domain, name) DO UPDATE SET created = created RETURNING id AS "id!""#,
            domain,
            name,
            created
        )
        .fetch_one(&mut *writer)
        .await
        .attempt("enter the instance")?;
        self.inner.memory.instances.add(id, domain, name);
        Ok(InstanceId(id))
    }
}
