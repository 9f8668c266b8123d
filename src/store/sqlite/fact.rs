//! Table `fact`: values learned or generated once, by instance and key; held in memory.

use std::{
    collections::BTreeMap,
    sync::{
        PoisonError, RwLock, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use gangway_base::secret::Secret;
use sqlx::SqliteConnection;
use tokio::sync::watch;

use crate::phone::instance::InstanceId;
use crate::store::{
    Store,
    api::error::{ErrorContext, StoreError},
    sealing::keyring::Keyring,
};

#[derive(Clone, PartialEq)]
enum Fact {
    Open(String),
    Sealed(Secret),
}

/// Ordered, so that facts with a common prefix are adjacent.
type Map = BTreeMap<(InstanceId, String), Fact>;

/// The facts of all instances.
pub(in crate::store) struct FactCache {
    map: RwLock<Map>,
    /// Incremented by every change, while the map is locked.
    revision: AtomicU64,
    /// Notified with every change.
    changed: watch::Sender<()>,
}

fn place(instance: i64, key: &str) -> String {
    format!("fact/{instance}/{key}")
}

async fn read(connection: &mut SqliteConnection, keyring: &Keyring) -> Result<Map, StoreError> {
    let rows = sqlx::query!("SELECT instance_id, key, value, sealed FROM fact")
        .fetch_all(connection)
        .await
        .attempt("read the learned facts")?;
    let mut map = Map::new();
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

impl FactCache {
    pub(in crate::store) async fn load(
        connection: &mut SqliteConnection,
        keyring: &Keyring,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            map: RwLock::new(read(connection, keyring).await?),
            revision: AtomicU64::new(0),
            changed: watch::Sender::default(),
        })
    }

    fn get(&self, instance: InstanceId, key: &str) -> Option<Fact> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.get(&(instance, key.to_owned())).cloned()
    }

    fn change(&self) -> RwLockWriteGuard<'_, Map> {
        let map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        self.revision.fetch_add(1, Ordering::AcqRel);
        self.changed.send_replace(());
        map
    }
}

/// Reloads all facts; there are few. Holds the write connection, so that an older state cannot overwrite a newer one.
pub(in crate::store) async fn refresh(store: &Store) -> Result<(), StoreError> {
    let mut writing = store.inner.writer.take().await;
    refresh_by(store, &mut writing).await
}

/// Same as [`refresh`] for a caller that already holds the write connection.
pub(in crate::store) async fn refresh_by(store: &Store, writing: &mut SqliteConnection) -> Result<(), StoreError> {
    let map = read(writing, &store.inner.keyring).await?;
    *store.inner.facts.change() = map;
    Ok(())
}

impl Store {
    /// A number that changes whenever a fact changes, here or by another process. A value computed from facts that were
    /// read after this number stays valid as long as the number is the same.
    #[must_use]
    pub fn facts_revision(&self) -> u64 {
        // The number is incremented while the map is locked. A caller that sees the new number waits for the lock and
        // then reads the change.
        self.inner.facts.revision.load(Ordering::Acquire)
    }

    /// Notifies the receiver after every change of a fact, here or by another process. A read after the notification
    /// waits for the change.
    #[must_use]
    pub fn facts_changes(&self) -> watch::Receiver<()> {
        self.inner.facts.changed.subscribe()
    }

    /// A fact that is not secret.
    #[must_use]
    pub fn fact(&self, instance: InstanceId, key: &str) -> Option<String> {
        match self.inner.facts.get(instance, key)? {
            Fact::Open(value) => Some(value),
            Fact::Sealed(_) => None,
        }
    }

    /// The non-secret facts of an instance whose keys start with `prefix`: the rest of the key, and the value.
    #[must_use]
    pub fn facts_of(&self, instance: InstanceId, prefix: &str) -> Vec<(String, String)> {
        let map = self.inner.facts.map.read().unwrap_or_else(PoisonError::into_inner);
        map.range((instance, prefix.to_owned())..)
            .take_while(|((of, key), _)| *of == instance && key.starts_with(prefix))
            .filter_map(|((_, key), fact)| match fact {
                Fact::Open(value) => Some((key.strip_prefix(prefix)?.to_owned(), value.clone())),
                Fact::Sealed(_) => None,
            })
            .collect()
    }

    /// The non-secret facts whose keys start with `prefix`: instance, key, value.
    #[must_use]
    pub fn facts_beginning(&self, prefix: &str) -> Vec<(InstanceId, String, String)> {
        let map = self.inner.facts.map.read().unwrap_or_else(PoisonError::into_inner);
        map.iter()
            .filter_map(|((instance, key), fact)| match fact {
                Fact::Open(value) if key.starts_with(prefix) => Some((*instance, key.clone(), value.clone())),
                _ => None,
            })
            .collect()
    }

    /// A secret fact.
    #[must_use]
    pub fn secret_fact(&self, instance: InstanceId, key: &str) -> Option<Secret> {
        match self.inner.facts.get(instance, key)? {
            Fact::Sealed(secret) => Some(secret),
            Fact::Open(_) => None,
        }
    }

    /// Stores a fact, or deletes it with `None`. Writes nothing when it is unchanged.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_fact(&self, instance: InstanceId, key: &str, value: Option<&str>) -> Result<(), StoreError> {
        self.write_fact(instance, key, value.map(|value| Fact::Open(value.to_owned()))).await
    }

    /// Stores a secret fact, sealed, or deletes it with `None`.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_secret_fact(
        &self,
        instance: InstanceId,
        key: &str,
        value: Option<&Secret>,
    ) -> Result<(), StoreError> {
        self.write_fact(instance, key, value.cloned().map(Fact::Sealed)).await
    }

    /// Replaces all facts with those that another store has in memory.
    pub(in crate::store) async fn take_facts_of(&self, other: &Self) -> Result<(), StoreError> {
        let copy = |store: &Self| store.inner.facts.map.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (mine, theirs) = (copy(self), copy(other));
        for ((instance, key), _) in mine.iter().filter(|(key, _)| !theirs.contains_key(*key)) {
            self.write_fact(*instance, key, None).await?;
        }
        for ((instance, key), fact) in theirs {
            self.write_fact(instance, &key, Some(fact)).await?;
        }
        Ok(())
    }

    async fn write_fact(&self, instance: InstanceId, key: &str, fact: Option<Fact>) -> Result<(), StoreError> {
        if self.inner.facts.get(instance, key) == fact {
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
        let mut map = self.inner.facts.change();
        match fact {
            Some(fact) => map.insert((instance, key.to_owned()), fact),
            None => map.remove(&(instance, key.to_owned())),
        };
        Ok(())
    }
}
