//! Table `request_facts`: the last request of every phone. In memory at once, on disk a moment later in one
//! transaction for all, so that no answer ever waits for the disk. Unknown devices leave a count and nothing else.

use std::{
    borrow::Cow,
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use sqlx::SqliteConnection;
use tokio_util::sync::CancellationToken;

use super::{
    Store, activity,
    codec::{ms, signed, time, unsigned},
    error::{ErrorContext, StoreError},
};
use crate::{
    base::telemetry::escape_control,
    phone::{instance::InstanceId, record::PhoneId},
};

/// The longest text of a request that is kept, in bytes.
const TEXT_KEPT: usize = 256;

/// Facts copied for the disk under one lock.
const COPIED_AT_ONCE: usize = 64;

/// Rows in one statement: about 100 KiB of text.
const WRITTEN_AT_ONCE: usize = 500;

/// Between two writings.
const PAUSE: Duration = Duration::from_secs(1);

/// The outcome of a complete delivery.
pub(crate) const DELIVERED: &str = "delivered";

/// One answered request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestNote {
    /// The instance whose path was asked.
    pub instance: InstanceId,
    /// The phone, when it is known which.
    pub phone: Option<PhoneId>,
    /// When.
    pub at: Timestamp,
    /// From where.
    pub address: IpAddr,
    /// Its User-Agent.
    pub user_agent: Option<Arc<str>>,
    /// The file name, without the path (the path may hold a token).
    pub file: Arc<str>,
    /// What became of it: a lasting word (`delivered`, `not-modified`, `refused`, ...).
    pub outcome: &'static str,
}

/// The last request of a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFacts {
    /// When.
    pub at: Timestamp,
    /// From where.
    pub address: String,
    /// Its User-Agent.
    pub user_agent: Option<String>,
    /// The file name.
    pub file: String,
    /// See [`RequestNote::outcome`].
    pub outcome: String,
    /// How many requests there were altogether.
    pub requests: u64,
}

/// [`RequestFacts`] as they are kept: every request writes them, few ever read them.
struct Last {
    at: Timestamp,
    address: IpAddr,
    user_agent: Option<Arc<str>>,
    file: Arc<str>,
    outcome: Cow<'static, str>,
    requests: u64,
    /// Listed in [`Memory::unwritten`].
    unwritten: bool,
}

impl Last {
    fn facts(&self) -> RequestFacts {
        RequestFacts {
            at: self.at,
            address: self.address.to_string(),
            user_agent: self.user_agent.as_deref().map(str::to_owned),
            file: (*self.file).to_owned(),
            outcome: self.outcome.clone().into_owned(),
            requests: self.requests,
        }
    }
}

#[derive(Default)]
struct Memory {
    last: HashMap<PhoneId, Last>,
    /// Phones whose facts are not on disk yet, each once. Never more than there are phones, so nothing ever has to be
    /// dropped.
    unwritten: Vec<PhoneId>,
    /// Requests by the hour, not on disk yet.
    hours: activity::ActivityCounts,
}

/// The facts of all phones.
#[derive(Default)]
pub(super) struct Requests {
    memory: Mutex<Memory>,
}

impl Requests {
    pub(super) async fn load(connection: &mut SqliteConnection) -> Result<Self, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT phone_id AS "phone_id!", at, address, user_agent, file, outcome, requests FROM request_facts"#
        )
        .fetch_all(connection)
        .await
        .attempt("read the last requests")?;
        let last = rows
            .into_iter()
            .map(|row| {
                let last = Last {
                    at: time(row.at),
                    // Never written by us; an unreadable one is as good as none.
                    address: row.address.parse().unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
                    user_agent: row.user_agent.map(Arc::from),
                    file: Arc::from(row.file),
                    outcome: Cow::Owned(row.outcome),
                    requests: unsigned(row.requests),
                    unwritten: false,
                };
                (PhoneId(row.phone_id), last)
            })
            .collect();
        Ok(Self { memory: Mutex::new(Memory { last, ..Memory::default() }) })
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Costs no copy of a text and, for a phone that asked before, no allocation: it is part of every answer.
    fn note(&self, note: RequestNote) {
        let RequestNote { instance, phone, at, address, mut user_agent, mut file, outcome } = note;
        let mut memory = self.memory();
        memory.hours.add(instance, at, outcome == DELIVERED);
        let Some(phone) = phone else { return };
        if let Some(agent) = &mut user_agent {
            shorten(agent);
        }
        shorten(&mut file);
        let memory = &mut *memory;
        let before = memory.last.get(&phone).map(|last| (last.requests, last.unwritten));
        let (requests, unwritten) = before.unwrap_or_default();
        let outcome = Cow::Borrowed(outcome);
        let requests = requests.saturating_add(1);
        memory.last.insert(phone, Last { at, address, user_agent, file, outcome, requests, unwritten: true });
        if !unwritten {
            memory.unwritten.push(phone);
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.memory().last.is_empty()
    }

    /// Has all facts written once more: another database may lack them.
    pub(super) fn write_all_again(&self) {
        let mut memory = self.memory();
        let memory = &mut *memory;
        for (phone, last) in memory.last.iter_mut().filter(|(_, last)| !last.unwritten) {
            last.unwritten = true;
            memory.unwritten.push(*phone);
        }
    }

    pub(super) fn take_unwritten(&self) -> Vec<(PhoneId, RequestFacts)> {
        let phones = std::mem::take(&mut self.memory().unwritten);
        let mut batch = Vec::with_capacity(phones.len());
        // Requests wait for no more than a few copies.
        for some in phones.chunks(COPIED_AT_ONCE) {
            let mut memory = self.memory();
            for id in some {
                if let Some(last) = memory.last.get_mut(id) {
                    last.unwritten = false;
                    batch.push((*id, last.facts()));
                }
            }
        }
        batch
    }

    pub(super) fn put_back(&self, batch: &[(PhoneId, RequestFacts)]) {
        let mut memory = self.memory();
        let memory = &mut *memory;
        for (id, _) in batch {
            if let Some(last) = memory.last.get_mut(id).filter(|last| !last.unwritten) {
                last.unwritten = true;
                memory.unwritten.push(*id);
            }
        }
    }
}

/// Cuts at a character's border.
fn shorten(text: &mut Arc<str>) {
    if text.len() > TEXT_KEPT
        && let Some(short) = text.get(..text.floor_char_boundary(TEXT_KEPT))
    {
        *text = Arc::from(short);
    }
    if let Cow::Owned(seen) = escape_control::line(text) {
        *text = Arc::from(seen);
    }
}

/// Writes until the gateway stops, and what is left then.
pub(super) async fn run(store: Store, stop: CancellationToken) {
    loop {
        let clock = &store.inner.clock;
        let next = clock.now().saturating_add(PAUSE).unwrap_or(Timestamp::MAX);
        let stopping = tokio::select! {
            () = stop.cancelled() => true,
            () = clock.sleep_until(next) => false,
        };
        if let Err(error) = store.flush_requests().await {
            tracing::warn!(%error, "the facts of the last requests stay in memory for now");
        }
        if stopping {
            break;
        }
    }
}

/// One statement for many rows: a statement each would cost the database's thread more than all answers together.
async fn write(connection: &mut SqliteConnection, batch: &[(PhoneId, RequestFacts)]) -> Result<(), StoreError> {
    let rows: Vec<_> = batch
        .iter()
        .map(|(id, facts)| {
            let RequestFacts { at, address, user_agent, file, outcome, requests } = facts;
            (id.0, ms(*at), address, user_agent, file, outcome, signed(*requests))
        })
        .collect();
    let rows = serde_json::to_string(&rows).unwrap_or_default();
    sqlx::query(
        "INSERT INTO request_facts (phone_id, at, address, user_agent, file, outcome, requests)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
        FROM json_each(?) WHERE true
        ON CONFLICT (phone_id) DO UPDATE SET at = excluded.at, address = excluded.address,
            user_agent = excluded.user_agent, file = excluded.file, outcome = excluded.outcome,
            requests = excluded.requests",
    )
    .bind(rows)
    .execute(connection)
    .await
    .attempt("write the last requests")?;
    Ok(())
}

impl Store {
    /// Notes a request. Never waits; on disk within a second.
    pub fn request_seen(&self, note: RequestNote) {
        self.inner.requests.note(note);
    }

    /// Announces, about once a second, the phones that have asked since.
    #[must_use]
    pub fn request_changes(&self) -> tokio::sync::broadcast::Receiver<Arc<[PhoneId]>> {
        self.inner.request_changes.subscribe()
    }

    /// The last request of a phone.
    #[must_use]
    pub fn request_facts(&self, phone: PhoneId) -> Option<RequestFacts> {
        self.inner.requests.memory().last.get(&phone).map(Last::facts)
    }

    /// Writes the facts that are not on disk yet; the last thing before the process ends.
    ///
    /// # Errors
    /// When the database cannot be written; the facts stay in memory and are tried again.
    pub async fn flush_requests(&self) -> Result<(), StoreError> {
        let batch = self.inner.requests.take_unwritten();
        let hours = std::mem::take(&mut self.inner.requests.memory().hours);
        if batch.is_empty() && hours.is_empty() {
            return Ok(());
        }
        let written = async {
            let mut transaction = self.inner.writer.begin("write the last requests").await?;
            for rows in batch.chunks(WRITTEN_AT_ONCE) {
                write(&mut transaction, rows).await?;
            }
            if !hours.is_empty() {
                activity::write(&mut transaction, &hours, self.inner.clock.now()).await?;
            }
            transaction.commit().await.map(drop)
        }
        .await;
        if written.is_err() {
            self.inner.requests.put_back(&batch);
            self.inner.requests.memory().hours.put_back(hours);
        } else if !batch.is_empty() {
            // Nobody listening is nobody to tell.
            let _ = self.inner.request_changes.send(batch.iter().map(|(id, _)| *id).collect());
        }
        written
    }
}
