//! Sees what other processes write to the same database.

use std::{sync::atomic::Ordering, time::Duration};

use jiff::Timestamp;
use sqlx::{Connection, SqliteConnection};
use tokio_util::sync::CancellationToken;

use super::{
    DATABASE, Health, Store, connection, degraded,
    error::{ErrorContext, StoreError},
    kv, loader, phone,
    phone_cache::Extent,
    sequence::Seen,
    setting, token,
};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(300);
/// Between two looks into the file itself.
const INSIDE: Duration = Duration::from_secs(10);

/// Looks until the gateway stops.
pub(super) async fn run(store: Store, mut seen: Seen, stop: CancellationToken) {
    let mut connection = None;
    let mut is_blind = false;
    let mut generation = store.inner.identity.generation();
    let mut inside = Inside::default();
    loop {
        let clock = &store.inner.clock;
        let next = clock.now().saturating_add(PAUSE).unwrap_or(Timestamp::MAX);
        tokio::select! {
            () = stop.cancelled() => break,
            () = clock.sleep_until(next) => {}
        }
        store.inner.writer.tidy().await;
        if store.inner.writer.retry_open(clock.now()).await {
            match store.inner.identity.note() {
                Ok(()) => store.inner.condition.set(&Health::Healthy),
                Err(error) => tracing::warn!(%error, "the files of the database are not watched"),
            }
        }
        prove(&store).await;
        inside.look(&store).await;
        if store.inner.identity.generation() != generation {
            // It holds the files from before.
            generation = store.inner.identity.generation();
            connection = None;
        }
        let looked = look_with(&store, &mut connection, &mut seen).await;
        // Said once, not three times a second.
        match looked {
            Err(error) if !is_blind => {
                let error = error.with_copy_in(store.dir());
                tracing::warn!(%error, "changes of other processes are not seen at the moment");
                is_blind = true;
            }
            Err(_) => connection = None,
            Ok(()) => is_blind = false,
        }
    }
    // Closing a connection that only read cannot lose anything.
    if let Some(connection) = connection {
        let _ = connection.close().await;
    }
}

/// Looks whether the file still holds what was written to it. Another whole database may be written over it in place: the
/// file is then the same to the system, and lasting connections answer from what they have read before.
#[derive(Default)]
struct Inside {
    next: Option<Timestamp>,
    /// The last look found another content.
    is_other: bool,
}

impl Inside {
    async fn look(&mut self, store: &Store) {
        let now = store.inner.clock.now();
        let is_well = matches!(store.condition(), Health::Healthy | Health::ReadingOnly(_));
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
            // What is told at the second look alone cannot be a file that is just being changed.
            Ok(false) | Err(StoreError::Corrupt { .. }) => {}
            Err(error) => tracing::debug!(%error, "the database cannot be looked into"),
        }
    }
}

/// Whether everything that memory knows to be committed is in the file.
async fn holds_all(store: &Store) -> Result<bool, StoreError> {
    // Before the file: what is committed meanwhile is in the file first.
    let known = store.roster().extent();
    store.prove_files()?;
    let mut reader = connection::glance(&store.dir().join(DATABASE)).await?;
    let found = Extent::read(&mut reader).await;
    let _ = reader.close().await;
    let found = found?;
    // Where other files came meanwhile, this says nothing.
    store.prove_files()?;
    Ok(found.covers(&known))
}

/// Says whether the disk takes what is written, once something depended on it.
async fn prove(store: &Store) {
    let proof = store.inner.writer.prove(store.inner.clock.now()).await;
    let now = match proof {
        None => return,
        Some(Ok(())) => Health::Healthy,
        Some(Err(error)) => degraded::condition(&error.with_copy_in(store.dir())),
    };
    // What is worse is told until it is over.
    if matches!(store.condition(), Health::Healthy | Health::ReadingOnly(_)) {
        store.inner.condition.set(&now);
    }
}

async fn look_with(
    store: &Store,
    connection: &mut Option<SqliteConnection>,
    seen: &mut Seen,
) -> Result<(), StoreError> {
    let connection = match connection {
        Some(connection) => connection,
        none => {
            // Another connection counts versions anew.
            seen.version = -1;
            none.insert(store.reader().await?)
        }
    };
    look(store, connection, seen).await
}

/// One look. `seen` moves only when everything was brought in.
async fn look(store: &Store, connection: &mut SqliteConnection, seen: &mut Seen) -> Result<(), StoreError> {
    // Changes with every commit of any other connection; costs no look into the tables.
    let version: i64 =
        sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut *connection).await.attempt("look for changes")?;
    if version == seen.version {
        return Ok(());
    }
    let mut transaction = connection.begin().await.attempt("look for changes")?;
    let now = Seen { version, ..Seen::read(&mut transaction).await? };
    // Before the phones: who hears of a phone's change finds what was written before it.
    setting::refresh(store, &mut transaction).await?;
    token::refresh(store, &mut transaction).await?;
    if now.fact != seen.fact {
        kv::refresh(store).await?;
    }
    if now.phone != seen.phone {
        for (id, change) in phone::changed_since(&mut transaction, seen.phone).await? {
            if store.roster().entry(id).is_some_and(|(_, known)| known >= change) {
                continue;
            }
            for loaded in
                loader::phones(&mut transaction, &store.inner.keyring, &(id.0..=id.0), &mut loader::Interner::default())
                    .await?
            {
                match loaded {
                    Ok((phone, change)) => {
                        store.publish(phone, change);
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
