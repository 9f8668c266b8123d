//! Batches background writes into one transaction. One transaction per change would cost more disk and CPU time than
//! all the responses that cause them.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::SqliteConnection;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    Sqlite,
    codec::{ms, ms_opt, signed},
    error_context::ErrorContext,
    event, phone,
};
use crate::{
    phone::record::{Phone, PhoneId},
    store::api::{error::StoreError, event::NewEvent, phone::DeferredChange},
};

/// Maximum number of queued changes. Further callers wait for space in the queue.
const WAITING: usize = 1024;
/// Maximum number of changes per transaction.
const AT_ONCE: usize = 256;
/// In one [`WINDOW`] this many transactions begin at once. After that, the writer waits [`GATHERING`] before each.
const PROMPT: u32 = 8;
const WINDOW: Duration = Duration::from_millis(100);
const GATHERING: Duration = Duration::from_millis(20);

/// A queued change.
pub(in crate::store) struct PendingWrite {
    phone: PhoneId,
    change: DeferredChange,
    done: oneshot::Sender<Result<Arc<Phone>, StoreError>>,
}

/// The sender of the queue.
pub(in crate::store) type PendingWrites = mpsc::Sender<PendingWrite>;

pub(in crate::store) fn queue() -> (PendingWrites, mpsc::Receiver<PendingWrite>) {
    mpsc::channel(WAITING)
}

/// Writes until the gateway stops, then writes the rest of the queue.
pub(in crate::store) async fn run(store: Sqlite, mut queue: mpsc::Receiver<PendingWrite>, stop: CancellationToken) {
    // Use monotonic time, not the injected clock: the aim is to save real disk and CPU time.
    let (mut window, mut prompt) = (Instant::now(), 0);
    loop {
        let first = tokio::select! {
            biased;
            later = queue.recv() => later,
            () = stop.cancelled() => queue.try_recv().ok(),
        };
        let Some(first) = first else { break };
        if window.elapsed() >= WINDOW {
            (window, prompt) = (Instant::now(), 0);
        }
        prompt += 1;
        if prompt > PROMPT {
            tokio::select! {
                () = tokio::time::sleep(GATHERING) => {}
                () = stop.cancelled() => {}
            }
        }
        let mut batch = vec![first];
        while batch.len() < AT_ONCE
            && let Ok(later) = queue.try_recv()
        {
            batch.push(later);
        }
        store.write_together(batch).await;
    }
}

/// A record before and after its queued changes.
struct Draft {
    before: Arc<Phone>,
    after: Phone,
    events: Vec<NewEvent>,
    waiting: Vec<oneshot::Sender<Result<Arc<Phone>, StoreError>>>,
}

impl Sqlite {
    /// Queues a change. Returns when it is committed.
    pub(in crate::store) async fn queue_change(
        &self,
        phone: PhoneId,
        change: DeferredChange,
    ) -> Result<Arc<Phone>, StoreError> {
        let (done, answer) = oneshot::channel();
        let later = PendingWrite { phone, change, done };
        self.inner.later.send(later).await.map_err(|_closed| StoreError::Stopped)?;
        answer.await.map_err(|_dropped| StoreError::Stopped)?
    }

    async fn write_together(&self, batch: Vec<PendingWrite>) {
        let mut drafts = Vec::new();
        match self.write_drafts(batch, &mut drafts).await {
            Ok(records) => {
                for (draft, record) in drafts.into_iter().zip(records) {
                    for waiting in draft.waiting {
                        let _ = waiting.send(Ok(record.clone()));
                    }
                }
            }
            Err(error) => {
                let reason = error.to_string();
                for waiting in drafts.into_iter().flat_map(|draft| draft.waiting) {
                    let _ = waiting.send(Err(StoreError::Together { reason: reason.clone() }));
                }
            }
        }
    }

    /// Writes the drafts. Returns the committed and published records, in the order of `drafts`.
    async fn write_drafts(
        &self,
        batch: Vec<PendingWrite>,
        drafts: &mut Vec<Draft>,
    ) -> Result<Vec<Arc<Phone>>, StoreError> {
        let inner = &self.inner;
        let mut transaction = inner.writer.begin("change the phones").await?;
        self.draft(&mut transaction, batch, drafts).await?;
        let changed: Vec<bool> = drafts.iter().map(|draft| draft.after != *draft.before).collect();
        let count = i64::try_from(changed.iter().filter(|changed| **changed).count()).unwrap_or(i64::MAX);
        let mut counter = phone::next_changes(&mut transaction, count).await? - count;
        let mut rows = Vec::new();
        let mut counters = Vec::with_capacity(drafts.len());
        for (draft, changed) in drafts.iter().zip(changed) {
            if !changed {
                event::add(&mut transaction, draft.before.id, inner.clock.now(), &draft.events).await?;
                counters.push(None);
                continue;
            }
            counter += 1;
            counters.push(Some(counter));
            if is_only_a_delivery(&draft.before, &draft.after) {
                rows.push(Row::of(&draft.after, counter));
                event::add(&mut transaction, draft.before.id, inner.clock.now(), &draft.events).await?;
                continue;
            }
            phone::write(&mut transaction, &inner.keyring, inner.memory.phones.tokens(), &draft.after, counter).await?;
            self.write_parts(&mut transaction, Some(&draft.before), &draft.after, &draft.events).await?;
        }
        write_rows(&mut transaction, &rows).await?;
        // Keep the write lock until all records are published, so that memory follows the order of the commits.
        let _writing = transaction.commit().await?;
        let publish = |(draft, counter): (&Draft, Option<i64>)| match counter {
            Some(counter) => self.inner.memory.publish(draft.after.clone(), counter),
            None => draft.before.clone(),
        };
        Ok(drafts.iter().zip(counters).map(publish).collect())
    }

    /// Applies the changes to the records as the open transaction sees them. Changes of unknown phones get their error
    /// at once.
    async fn draft(
        &self,
        connection: &mut SqliteConnection,
        batch: Vec<PendingWrite>,
        drafts: &mut Vec<Draft>,
    ) -> Result<(), StoreError> {
        let mut places: HashMap<PhoneId, usize> = HashMap::new();
        for PendingWrite { phone: id, change, done } in batch {
            let place = match places.entry(id) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    let before = match self.committed(connection, id).await {
                        Ok(before) => before,
                        Err(error @ StoreError::NoPhone(_)) => {
                            let _ = done.send(Err(error));
                            continue;
                        }
                        Err(error) => {
                            let _ = done.send(Err(StoreError::Together { reason: error.to_string() }));
                            return Err(error);
                        }
                    };
                    let after = Phone::clone(&before);
                    drafts.push(Draft { before, after, events: Vec::new(), waiting: Vec::new() });
                    *new.insert(drafts.len() - 1)
                }
            };
            if let Some(draft) = drafts.get_mut(place) {
                change(&mut draft.after, &mut draft.events);
                draft.waiting.push(done);
            }
        }
        for Draft { before, after, .. } in drafts {
            (after.id, after.instance, after.mac) = (before.id, before.instance, before.mac);
            after.revision = before.revision + u64::from(self.inner.memory.files_differ(before, after));
        }
        Ok(())
    }
}

/// Whether only the fields written by a delivery differ. Most of the writes here are of this kind.
fn is_only_a_delivery(before: &Phone, after: &Phone) -> bool {
    let mut other = before.clone();
    other.delivery.clone_from(&after.delivery);
    other.firmware.clone_from(&after.firmware);
    other.request.clone_from(&after.request);
    other == *after
}

/// The columns that a delivery changes.
#[derive(serde::Serialize)]
struct Row(
    i64,
    i64,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<u32>,
    Option<String>,
    &'static str,
    i64,
    Option<String>,
    Option<i64>,
    u32,
);

impl Row {
    fn of(phone: &Phone, change: i64) -> Self {
        let delivery = phone.delivery.as_ref();
        let request = &phone.request;
        Self(
            phone.id.0,
            change,
            phone.firmware.clone(),
            delivery.map(|delivery| ms(delivery.at)),
            delivery.map(|delivery| signed(delivery.revision)),
            delivery.map(|delivery| delivery.provisioning),
            delivery.map(|delivery| delivery.etag.clone()),
            request.state.as_str(),
            ms(request.since),
            request.error.clone(),
            ms_opt(request.next_attempt),
            request.attempts,
        )
    }
}

/// One statement for all rows.
async fn write_rows(connection: &mut SqliteConnection, rows: &[Row]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let rows = serde_json::to_string(rows).unwrap_or_default();
    sqlx::query(
        "UPDATE phone SET change = new.value ->> 1, firmware = new.value ->> 2, delivery_at = new.value ->> 3,
            delivery_revision = new.value ->> 4, delivery_provisioning = new.value ->> 5,
            delivery_etag = new.value ->> 6, request_state = new.value ->> 7, request_since = new.value ->> 8,
            request_error = new.value ->> 9, request_next = new.value ->> 10, request_attempts = new.value ->> 11
        FROM json_each(?) AS new WHERE phone.id = new.value ->> 0",
    )
    .bind(rows)
    .execute(connection)
    .await
    .attempt("write the deliveries")?;
    Ok(())
}
