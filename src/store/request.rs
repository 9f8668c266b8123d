//! Table `request_facts`: the last request of every phone. In memory at once, on disk a moment later in one
//! transaction for all, so that no answer ever waits for the disk. Also what unknown devices asked, in memory only.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use sqlx::SqliteConnection;
use tokio_util::sync::CancellationToken;

use super::{
    Store,
    columns::{ms, signed, time, unsigned},
    error::{Attempt, StoreError},
};
use crate::phone::{instance::InstanceId, mac::Mac, record::PhoneId};

/// Requests of unknown devices that are remembered.
pub const UNKNOWN_KEPT: usize = 512;

/// The longest text of a request that is kept, in bytes.
const TEXT_KEPT: usize = 256;

/// Between two writings.
const PAUSE: Duration = Duration::from_millis(500);

/// One answered request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestNote {
    /// The instance whose path was asked.
    pub instance: InstanceId,
    /// The phone, when it is known which.
    pub phone: Option<PhoneId>,
    /// The MAC it named, known or not.
    pub mac: Option<Mac>,
    /// When.
    pub at: Timestamp,
    /// From where.
    pub address: IpAddr,
    /// Its User-Agent.
    pub user_agent: Option<String>,
    /// The file name, without the path (the path may hold a token).
    pub file: String,
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

#[derive(Default)]
struct Memory {
    facts: HashMap<PhoneId, Arc<RequestFacts>>,
    /// Phones whose facts are not on disk yet. Never more than there are phones, so nothing ever has to be dropped.
    unwritten: HashSet<PhoneId>,
    unknown: VecDeque<RequestNote>,
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
        let facts = rows
            .into_iter()
            .map(|row| {
                let facts = RequestFacts {
                    at: time(row.at),
                    address: row.address,
                    user_agent: row.user_agent,
                    file: row.file,
                    outcome: row.outcome,
                    requests: unsigned(row.requests),
                };
                (PhoneId(row.phone_id), Arc::new(facts))
            })
            .collect();
        Ok(Self { memory: Mutex::new(Memory { facts, ..Memory::default() }) })
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, mut note: RequestNote) {
        if let Some(agent) = &mut note.user_agent {
            shorten(agent);
        }
        shorten(&mut note.file);
        let mut memory = self.memory();
        let Some(phone) = note.phone else {
            if memory.unknown.len() == UNKNOWN_KEPT {
                memory.unknown.pop_front();
            }
            memory.unknown.push_back(note);
            return;
        };
        let requests = memory.facts.get(&phone).map_or(0, |facts| facts.requests).saturating_add(1);
        let facts = RequestFacts {
            at: note.at,
            address: note.address.to_string(),
            user_agent: note.user_agent,
            file: note.file,
            outcome: note.outcome.to_owned(),
            requests,
        };
        memory.facts.insert(phone, Arc::new(facts));
        memory.unwritten.insert(phone);
    }

    fn take_unwritten(&self) -> Vec<(PhoneId, Arc<RequestFacts>)> {
        let mut memory = self.memory();
        let phones = std::mem::take(&mut memory.unwritten);
        phones.into_iter().filter_map(|id| memory.facts.get(&id).map(|facts| (id, facts.clone()))).collect()
    }

    fn put_back(&self, batch: &[(PhoneId, Arc<RequestFacts>)]) {
        self.memory().unwritten.extend(batch.iter().map(|(id, _)| *id));
    }
}

/// Cuts at a character's border.
fn shorten(text: &mut String) {
    if text.len() > TEXT_KEPT {
        text.truncate(text.floor_char_boundary(TEXT_KEPT));
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

async fn write(connection: &mut SqliteConnection, id: PhoneId, facts: &RequestFacts) -> Result<(), StoreError> {
    let (at, requests) = (ms(facts.at), signed(facts.requests));
    sqlx::query!(
        "INSERT INTO request_facts (phone_id, at, address, user_agent, file, outcome, requests)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (phone_id) DO UPDATE SET at = excluded.at, address = excluded.address,
            user_agent = excluded.user_agent, file = excluded.file, outcome = excluded.outcome,
            requests = excluded.requests",
        id.0,
        at,
        facts.address,
        facts.user_agent,
        facts.file,
        facts.outcome,
        requests
    )
    .execute(connection)
    .await
    .attempt("write the last requests")?;
    Ok(())
}

impl Store {
    /// Notes a request. Never waits; on disk within half a second.
    pub fn request_seen(&self, note: RequestNote) {
        self.inner.requests.note(note);
    }

    /// The last request of a phone.
    #[must_use]
    pub fn request_facts(&self, phone: PhoneId) -> Option<Arc<RequestFacts>> {
        self.inner.requests.memory().facts.get(&phone).cloned()
    }

    /// What unknown devices asked an instance last, newest first. In memory only, [`UNKNOWN_KEPT`] over all.
    #[must_use]
    pub fn unknown_requests(&self, instance: InstanceId) -> Vec<RequestNote> {
        let memory = self.inner.requests.memory();
        memory.unknown.iter().rev().filter(|note| note.instance == instance).cloned().collect()
    }

    /// Writes the facts that are not on disk yet; the last thing before the process ends.
    ///
    /// # Errors
    /// When the database cannot be written; the facts stay in memory and are tried again.
    pub async fn flush_requests(&self) -> Result<(), StoreError> {
        let batch = self.inner.requests.take_unwritten();
        if batch.is_empty() {
            return Ok(());
        }
        let written = async {
            let mut transaction = self.inner.writer.begin("write the last requests").await?;
            for (id, facts) in &batch {
                write(&mut transaction, *id, facts).await?;
            }
            transaction.commit().await.map(drop)
        }
        .await;
        if written.is_err() {
            self.inner.requests.put_back(&batch);
        }
        written
    }
}
