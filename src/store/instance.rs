//! Table `instance`: the tenants ever configured, each with its lasting number.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use sqlx::SqliteConnection;

use super::{
    Store,
    codec::ms,
    error::{ErrorContext, StoreError},
};
use crate::phone::instance::InstanceId;

/// A tenant as the table has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InstanceRecord {
    pub(super) id: i64,
    pub(super) domain: String,
    pub(super) name: String,
}

/// The tenants, in memory: what is sealed is bound to their numbers.
#[derive(Debug, Default)]
pub(super) struct InstanceTable(Mutex<BTreeMap<i64, InstanceRecord>>);

impl InstanceTable {
    pub(super) async fn load(connection: &mut SqliteConnection) -> Result<Self, StoreError> {
        let rows: Vec<(i64, String, String)> = sqlx::query_as("SELECT id, domain, name FROM instance")
            .fetch_all(connection)
            .await
            .attempt("read the instances")?;
        let known = rows.into_iter().map(|(id, domain, name)| (id, InstanceRecord { id, domain, name })).collect();
        Ok(Self(Mutex::new(known)))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i64, InstanceRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn all(&self) -> Vec<InstanceRecord> {
        self.lock().values().cloned().collect()
    }
}

impl Store {
    /// The number of the instance; a new one is entered. Letter case does not matter.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn instance(&self, domain: &str, name: &str) -> Result<InstanceId, StoreError> {
        let mut writer = self.inner.writer.take().await;
        // A known one needs no writing, which may not be possible just now.
        let known = sqlx::query_scalar("SELECT id FROM instance WHERE domain = ? AND name = ?")
            .bind(domain)
            .bind(name)
            .fetch_optional(&mut *writer)
            .await
            .attempt("look for the instance")?;
        if let Some(id) = known {
            self.know_instance(id, domain, name);
            return Ok(InstanceId(id));
        }
        let created = ms(self.inner.clock.now());
        // The update changes nothing and makes RETURNING answer for a row that was there.
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
        self.know_instance(id, domain, name);
        Ok(InstanceId(id))
    }

    /// Another process may have entered it.
    fn know_instance(&self, id: i64, domain: &str, name: &str) {
        let known = || InstanceRecord { id, domain: domain.to_owned(), name: name.to_owned() };
        self.inner.instances.lock().entry(id).or_insert_with(known);
    }
}
