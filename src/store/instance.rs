//! Table `instance`: the tenants ever configured, each with its lasting number.

use super::{
    Store,
    columns::ms,
    error::{Attempt, StoreError},
};
use crate::phone::instance::InstanceId;

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
        Ok(InstanceId(id))
    }
}
