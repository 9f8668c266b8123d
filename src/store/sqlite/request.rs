//! Table `request_facts`: the last request of every phone. Facts are in memory at once and are written a moment later
//! in one transaction for all phones, so that no response waits for the disk. Unknown devices are only counted.

use std::{
    borrow::Cow,
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gangway_base::periodic::{PeriodicTask, RunResult};
use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::{
    activity,
    codec::{ms, signed, time, unsigned},
};
use crate::store::{
    Store,
    api::error::{ErrorContext, StoreError},
};
use crate::{
    base::telemetry::escape_control,
    phone::{instance::InstanceId, record::PhoneId},
};

/// The longest text of a request that is kept, in bytes.
const TEXT_KEPT: usize = 256;

/// Number of facts copied for the disk under one lock.
const COPIED_AT_ONCE: usize = 64;

/// Number of rows per statement: about 100 KiB of text.
const WRITTEN_AT_ONCE: usize = 500;

/// Pause between two writes.
const PAUSE: Duration = Duration::from_secs(1);

/// The outcome of a complete delivery.
pub(crate) const DELIVERED: &str = "delivered";

/// One answered request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestNote {
    /// The instance of the requested path.
    pub instance: InstanceId,
    /// The phone, if it was identified.
    pub phone: Option<PhoneId>,
    /// When the request arrived.
    pub at: Timestamp,
    /// Address of the client.
    pub address: IpAddr,
    /// Its User-Agent.
    pub user_agent: Option<Arc<str>>,
    /// The file name, without the path (the path may hold a token).
    pub file: Arc<str>,
    /// The result, as a stable identifier (`delivered`, `not-modified`, `refused`, ...).
    pub outcome: &'static str,
}

/// The last request of a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFacts {
    /// When it arrived.
    pub at: Timestamp,
    /// Address of the client.
    pub address: String,
    /// Its User-Agent.
    pub user_agent: Option<String>,
    /// The file name.
    pub file: String,
    /// See [`RequestNote::outcome`].
    pub outcome: String,
    /// Total number of requests.
    pub requests: u64,
}

/// Compact form of [`RequestFacts`]: every request writes it, but it is rarely read.
struct Last {
    at: Timestamp,
    address: IpAddr,
    user_agent: Option<Arc<str>>,
    file: Arc<str>,
    outcome: Cow<'static, str>,
    requests: u64,
    /// Whether the phone is in [`Memory::unwritten`].
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
    /// Phones whose facts are not on disk yet, each once. The list is limited by the number of phones, so no entry has
    /// to be dropped.
    unwritten: Vec<PhoneId>,
    /// Requests per hour, not on disk yet.
    hours: activity::ActivityCounts,
}

/// The facts of all phones.
#[derive(Default)]
pub(in crate::store) struct Requests {
    memory: Mutex<Memory>,
}

impl Requests {
    pub(in crate::store) async fn load(connection: &mut SqliteConnection) -> Result<Self, StoreError> {
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
                    // The store never writes an invalid address; treat one as unspecified.
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

    /// Copies no text and, for a phone that has asked before, allocates nothing: this is part of every response.
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
    pub(in crate::store) fn is_empty(&self) -> bool {
        self.memory().last.is_empty()
    }

    /// Marks all facts as unwritten: another database may lack them.
    pub(in crate::store) fn write_all_again(&self) {
        let mut memory = self.memory();
        let memory = &mut *memory;
        for (phone, last) in memory.last.iter_mut().filter(|(_, last)| !last.unwritten) {
            last.unwritten = true;
            memory.unwritten.push(*phone);
        }
    }

    pub(in crate::store) fn take_unwritten(&self) -> Vec<(PhoneId, RequestFacts)> {
        let phones = std::mem::take(&mut self.memory().unwritten);
        let mut batch = Vec::with_capacity(phones.len());
        // Release the lock after a few copies, so that requests do not wait long.
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

    pub(in crate::store) fn put_back(&self, batch: &[(PhoneId, RequestFacts)]) {
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

/// Truncates the text at a character boundary.
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

/// Writes the last requests of the phones, and what is left when the gateway stops.
pub(in crate::store) struct WriteRequests(pub(in crate::store) Store);

impl PeriodicTask for WriteRequests {
    const NAME: &'static str = "write last requests";
    const AT_STOP: bool = true;

    fn period(&self) -> Duration {
        PAUSE
    }

    async fn run(&mut self) -> RunResult {
        self.0.flush_requests().await.map_err(|error| {
            tracing::warn!(%error, "the facts of the last requests stay in memory for now");
            error.to_string()
        })
    }
}

/// One statement for many rows: one statement per row would cost the database thread more than all responses together.
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
    /// Records a request. Never waits. The request is on disk within a second.
    pub fn request_seen(&self, note: RequestNote) {
        self.inner.requests.note(note);
    }

    /// Notifies, about once a second, which phones have sent requests since.
    #[must_use]
    pub fn request_changes(&self) -> tokio::sync::broadcast::Receiver<Arc<[PhoneId]>> {
        self.inner.request_changes.subscribe()
    }

    /// The last request of a phone.
    #[must_use]
    pub fn request_facts(&self, phone: PhoneId) -> Option<RequestFacts> {
        self.inner.requests.memory().last.get(&phone).map(Last::facts)
    }

    /// Writes the facts that are not on disk yet. Called last before the process ends.
    ///
    /// # Errors
    /// When the database cannot be written; the facts stay in memory and are retried.
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
            // Ignore the error: there are no subscribers.
            let _ = self.inner.request_changes.send(batch.iter().map(|(id, _)| *id).collect());
        }
        written
    }
}
