//! Detects changes that other processes make to the same database.

use std::{sync::atomic::Ordering, time::Duration};

use gangway_base::periodic::{PeriodicTask, RunResult};
use jiff::Timestamp;
use sqlx::{Connection, SqliteConnection};

use super::{
    Sqlite, connection, degraded, error_context::ErrorContext, learned, loader, phone, sequence::Seen, setting, token,
};
use crate::store::{
    api::{error::StoreError, health::Health},
    files::DATABASE,
};

/// Pause between two checks.
const PAUSE: Duration = Duration::from_millis(300);
/// Pause between two checks of the file's content.
const INSIDE: Duration = Duration::from_secs(10);

/// Looks three times a second for changes that other processes wrote.
pub(in crate::store) struct WatchDatabase {
    store: Sqlite,
    seen: Seen,
    connection: Option<SqliteConnection>,
    /// The last look failed; that is logged once.
    is_blind: bool,
    /// Of the files the connection has open.
    generation: u64,
    inside: Inside,
}

impl WatchDatabase {
    /// Memory is true as far as `seen`.
    pub(in crate::store) fn new(store: Sqlite, seen: Seen) -> Self {
        let generation = store.inner.identity.generation();
        Self { store, seen, connection: None, is_blind: false, generation, inside: Inside::default() }
    }
}

impl PeriodicTask for WatchDatabase {
    const NAME: &'static str = "watch database";

    fn period(&self) -> Duration {
        PAUSE
    }

    async fn run(&mut self) -> RunResult {
        let Self { store, seen, connection, is_blind, generation, inside } = self;
        store.inner.writer.tidy().await;
        if store.inner.writer.retry_open(store.inner.clock.now()).await {
            match store.inner.identity.note() {
                Ok(()) => store.inner.memory.health.set(&Health::Healthy),
                Err(error) => tracing::warn!(%error, "the files of the database are not watched"),
            }
        }
        prove(store).await;
        inside.look(store).await;
        if store.inner.identity.generation() != *generation {
            // The connection has the former files open.
            *generation = store.inner.identity.generation();
            *connection = None;
        }
        let looked = look_with(store, connection, seen).await;
        let result = match &looked {
            Ok(()) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        match looked {
            Err(error) if !*is_blind => {
                let error = error.with_copy_in(&store.inner.dir);
                tracing::warn!(%error, "changes of other processes are not seen at the moment");
                *is_blind = true;
            }
            Err(_) => *connection = None,
            Ok(()) => *is_blind = false,
        }
        result
    }
}

/// Checks whether the file still contains what was written to it. A complete other database may be written over it in
/// place. The file keeps its inode then, and long-lived connections answer from their cache.
#[derive(Default)]
struct Inside {
    next: Option<Timestamp>,
    /// The previous check found different content.
    is_other: bool,
}

impl Inside {
    async fn look(&mut self, store: &Sqlite) {
        let now = store.inner.clock.now();
        let is_well = matches!(store.inner.memory.health.get(), Health::Healthy | Health::ReadingOnly(_));
        // The clock may be set back.
        let latest = now.saturating_add(INSIDE).unwrap_or(Timestamp::MAX);
        let is_due = self.next.is_none_or(|next| next <= now || next > latest);
        if !is_due || !is_well || !store.inner.serving.load(Ordering::Relaxed) {
            return;
        }
        self.next = Some(latest);
        match holds_all(store).await {
            Ok(true) => self.is_other = false,
            Ok(false) | Err(StoreError::Corrupt { .. }) if std::mem::replace(&mut self.is_other, true) => {
                self.is_other = false;
                store.inner.identity.mark_overwritten();
            }
            // Report it only if two checks in a row find it: the file may just be changing.
            Ok(false) | Err(StoreError::Corrupt { .. }) => {}
            Err(error) => tracing::debug!(%error, "the database cannot be looked into"),
        }
    }
}

/// Whether the file contains everything that memory knows to be committed.
async fn holds_all(store: &Sqlite) -> Result<bool, StoreError> {
    // Read memory before the file: changes reach the file before memory.
    let known = store.inner.memory.phones.extent();
    store.prove_files()?;
    let mut reader = connection::glance(&store.inner.dir.join(DATABASE)).await?;
    let found = phone::extent(&mut reader).await;
    let _ = reader.close().await;
    let found = found?;
    // The result is meaningless if the files were exchanged meanwhile.
    store.prove_files()?;
    Ok(found.covers(&known))
}

/// Reports whether the disk accepts writes, once the writer has a result.
async fn prove(store: &Sqlite) {
    let proof = store.inner.writer.prove(store.inner.clock.now()).await;
    let now = match proof {
        None => return,
        Some(Ok(())) => Health::Healthy,
        Some(Err(error)) => degraded::condition(&error.with_copy_in(&store.inner.dir)),
    };
    // A worse condition stays until it is over.
    if matches!(store.inner.memory.health.get(), Health::Healthy | Health::ReadingOnly(_)) {
        store.inner.memory.health.set(&now);
    }
}

async fn look_with(
    store: &Sqlite,
    connection: &mut Option<SqliteConnection>,
    seen: &mut Seen,
) -> Result<(), StoreError> {
    let connection = match connection {
        Some(connection) => connection,
        none => {
            // Each connection counts data versions separately.
            seen.version = -1;
            none.insert(store.reader().await?)
        }
    };
    look(store, connection, seen).await
}

/// Runs one check. Updates `seen` only after all changes were loaded.
async fn look(store: &Sqlite, connection: &mut SqliteConnection, seen: &mut Seen) -> Result<(), StoreError> {
    // The data version changes with every commit of any other connection. Reading it does not touch the tables.
    let version: i64 =
        sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut *connection).await.attempt("look for changes")?;
    if version == seen.version {
        return Ok(());
    }
    let mut transaction = connection.begin().await.attempt("look for changes")?;
    let now = Seen { version, ..Seen::read(&mut transaction).await? };
    // Before the phones: a receiver of a phone's change must see everything written before it.
    setting::refresh(store, &mut transaction).await?;
    token::refresh(store, &mut transaction).await?;
    if now.learned != seen.learned {
        learned::refresh(store).await?;
    }
    if now.phone != seen.phone {
        for (id, change) in phone::changed_since(&mut transaction, seen.phone).await? {
            if store.inner.memory.phones.entry(id).is_some_and(|(_, known)| known >= change) {
                continue;
            }
            for loaded in loader::phones(&mut transaction, &store.inner.keyring, &(id.0..=id.0)).await? {
                match loaded {
                    Ok((phone, change)) => {
                        store.inner.memory.publish(phone, change);
                    }
                    Err(error) => tracing::error!(%error, "a change of a phone is not taken over"),
                }
            }
        }
    }
    transaction.rollback().await.attempt("look for changes")?;
    *seen = now;
    Ok(())
}
