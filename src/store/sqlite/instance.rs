//! Table `instance`: all tenants ever configured, each with a permanent number.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use sqlx::SqliteConnection;

use super::codec::ms;
use crate::phone::instance::InstanceId;
use crate::store::{
    Store,
    api::error::{ErrorContext, StoreError},
};

/// A tenant as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct InstanceRecord {
    pub(in crate::store) id: i64,
    pub(in crate::store) domain: String,
    pub(in crate::store) name: String,
}

/// All tenants, in memory. Sealed values are bound to their numbers.
#[derive(Debug, Default)]
pub(in crate::store) struct InstanceTable(Mutex<BTreeMap<i64, InstanceRecord>>);

impl InstanceTable {
    pub(in crate::store) async fn load(connection: &mut SqliteConnection) -> Result<Self, StoreError> {
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

    pub(in crate::store) fn all(&self) -> Vec<InstanceRecord> {
        self.lock().values().cloned().collect()
    }
}

impl Store {
    /// Returns the number of the instance. Adds the instance if it is new. Names are not case-sensitive.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn instance(&self, domain: &str, name: &str) -> Result<InstanceId, StoreError> {
        let mut writer = self.inner.writer.take().await;
        // A known instance needs no write, which may be impossible at the moment.
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
        self.know_instance(id, domain, name);
        Ok(InstanceId(id))
    }

    /// Adds the instance to memory. Another process may have created it.
    fn know_instance(&self, id: i64, domain: &str, name: &str) {
        let known = || InstanceRecord { id, domain: domain.to_owned(), name: name.to_owned() };
        self.inner.instances.lock().entry(id).or_insert_with(known);
    }
}
