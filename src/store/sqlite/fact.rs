//! Table `fact`: values learned or generated once, by instance and key; held in memory.

use gangway_base::secret::Secret;
use sqlx::SqliteConnection;

use super::{Sqlite, error_context::ErrorContext};
use crate::{
    phone::instance::InstanceId,
    store::{
        api::error::StoreError,
        memory::facts::{Fact, FactCache, FactMap},
        sealing::keyring::Keyring,
    },
};

fn place(instance: i64, key: &str) -> String {
    format!("fact/{instance}/{key}")
}

async fn read(connection: &mut SqliteConnection, keyring: &Keyring) -> Result<FactMap, StoreError> {
    let rows = sqlx::query!("SELECT instance_id, key, value, sealed FROM fact")
        .fetch_all(connection)
        .await
        .attempt("read the learned facts")?;
    let mut map = FactMap::new();
    for row in rows {
        let fact = match (row.value, row.sealed) {
            (Some(value), _) => Fact::Open(value),
            (None, Some(sealed)) => {
                let place = place(row.instance_id, &row.key);
                let bytes = keyring.unseal(&place, &sealed)?;
                let text = std::str::from_utf8(&bytes).map_err(|_error| StoreError::Unsealing { place })?;
                Fact::Sealed(Secret::new(text))
            }
            (None, None) => continue,
        };
        map.insert((InstanceId(row.instance_id), row.key), fact);
    }
    Ok(map)
}

/// All facts.
pub(in crate::store) async fn load(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
) -> Result<FactCache, StoreError> {
    Ok(FactCache::new(read(connection, keyring).await?))
}

/// Reloads all facts; there are few. Holds the write connection, so that an older state cannot overwrite a newer one.
pub(in crate::store) async fn refresh(store: &Sqlite) -> Result<(), StoreError> {
    let mut writing = store.inner.writer.take().await;
    refresh_by(store, &mut writing).await
}

/// Same as [`refresh`] for a caller that already holds the write connection.
pub(in crate::store) async fn refresh_by(store: &Sqlite, writing: &mut SqliteConnection) -> Result<(), StoreError> {
    let map = read(writing, &store.inner.keyring).await?;
    *store.inner.memory.facts.change() = map;
    Ok(())
}

impl Sqlite {
    /// Replaces all facts with those that another store has in memory.
    pub(in crate::store) async fn take_facts_of(&self, other: &Self) -> Result<(), StoreError> {
        let copy = |store: &Self| store.inner.memory.facts.read().clone();
        let (mine, theirs) = (copy(self), copy(other));
        for ((instance, key), _) in mine.iter().filter(|(key, _)| !theirs.contains_key(*key)) {
            self.write_fact(*instance, key, None).await?;
        }
        for ((instance, key), fact) in theirs {
            self.write_fact(instance, &key, Some(fact)).await?;
        }
        Ok(())
    }

    pub(in crate::store) async fn write_fact(
        &self,
        instance: InstanceId,
        key: &str,
        fact: Option<Fact>,
    ) -> Result<(), StoreError> {
        if self.inner.memory.facts.get(instance, key) == fact {
            return Ok(());
        }
        let mut transaction = self.inner.writer.begin("note a fact").await?;
        match &fact {
            None => {
                sqlx::query!("DELETE FROM fact WHERE instance_id = ? AND key = ?", instance.0, key)
                    .execute(&mut *transaction)
                    .await
                    .attempt("forget a fact")?;
            }
            Some(fact) => {
                let (value, sealed) = match fact {
                    Fact::Open(value) => (Some(value), None),
                    Fact::Sealed(secret) => {
                        let place = place(instance.0, key);
                        (None, Some(self.inner.keyring.seal(&place, secret.expose().as_bytes())?))
                    }
                };
                sqlx::query!(
                    "INSERT INTO fact (instance_id, key, value, sealed) VALUES (?, ?, ?, ?)
                    ON CONFLICT (instance_id, key) DO UPDATE SET value = excluded.value, sealed = excluded.sealed",
                    instance.0,
                    key,
                    value,
                    sealed
                )
                .execute(&mut *transaction)
                .await
                .attempt("note a fact")?;
            }
        }
        sqlx::query!("UPDATE sequence SET fact = fact + 1 WHERE id = 1")
            .execute(&mut *transaction)
            .await
            .attempt("count the change of a fact")?;
        let _writing = transaction.commit().await?;
        let mut map = self.inner.memory.facts.change();
        match fact {
            Some(fact) => map.insert((instance, key.to_owned()), fact),
            None => map.remove(&(instance, key.to_owned())),
        };
        Ok(())
    }
}
