//! The store as the listeners see it, and as the redirect runner's history.

use std::{
    net::IpAddr,
    sync::Arc,
};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::{
    http::ports::{Change, Happening, Outcome, RecordError, Records, Reply, Seen},
    phone::{
        instance::InstanceId,
        mac::Mac,
        record::{Phone, PhoneId},
    },
    redirect,
    store::{HistoryEntry, NewEvent, RequestNote, Store},
    tasks::Tasks,
    telemetry::metric::{Metric, increment},
};

/// History entries waiting to be written; redirect calls are slow, so more than a few means that the disk is stuck.
const HISTORY_QUEUE: usize = 1024;

/// The phones' records.
pub struct StoredRecords(pub Store);

impl Records for StoredRecords {
    fn by_token(&self, token: &str) -> Option<Arc<Phone>> {
        self.0.roster().by_token(token)
    }

    fn by_mac(&self, instance: InstanceId, mac: Mac) -> Option<Arc<Phone>> {
        self.0.roster().by_mac(instance, mac)
    }

    fn change(&self, phone: PhoneId, change: Change) -> Reply<Result<Arc<Phone>, RecordError>> {
        let store = self.0.clone();
        Box::pin(async move {
            let changed = store
                .change_phone(phone, |record, events| {
                    let mut happenings: Vec<Happening> = Vec::new();
                    change(record, &mut happenings);
                    events.extend(happenings.into_iter().map(|happening| NewEvent::new(happening.kind, happening.text)));
                })
                .await;
            changed.map(|(phone, ())| phone).map_err(|error| RecordError(error.to_string()))
        })
    }

    fn seen(&self, note: Seen) {
        self.0.request_seen(RequestNote {
            instance: note.instance,
            phone: note.phone,
            mac: note.mac,
            at: note.at,
            address: canonical(note.address),
            user_agent: note.user_agent.as_deref().map(str::to_owned),
            file: note.file.as_ref().to_owned(),
            outcome: word(note.outcome),
        });
    }

    fn save_upload(&self, phone: PhoneId, name: String, bytes: Bytes) -> Reply<Result<(), RecordError>> {
        let store = self.0.clone();
        Box::pin(async move {
            store.save_upload(phone, &name, &bytes).await.map_err(|error| RecordError(error.to_string()))
        })
    }
}

/// An IPv4 address that came through an IPv6 socket is shown as what it is.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered => "delivered",
        Outcome::Unchanged => "not-modified",
        Outcome::Peeked => "peeked",
        Outcome::Open(_) => "open",
        Outcome::Uploaded => "uploaded",
        Outcome::Refused(_) => "refused",
        Outcome::Later(_) => "later",
        Outcome::Failed => "failed",
    }
}

/// The redirect runner's history, written behind it.
pub struct StoredHistory(mpsc::Sender<redirect::HistoryEntry>);

impl StoredHistory {
    /// Writes to `store` from a task of its own.
    #[must_use]
    pub fn start(store: Store, tasks: &Tasks) -> Self {
        let (sender, mut entries) = mpsc::channel::<redirect::HistoryEntry>(HISTORY_QUEUE);
        let stop = tasks.stop_token();
        tasks.spawn_local("redirect-history", async move {
            loop {
                let entry = tokio::select! {
                    biased;
                    entry = entries.recv() => entry,
                    // What is queued when the gateway stops is still written: recv is asked first.
                    () = stop.cancelled() => entries.try_recv().ok(),
                };
                let Some(entry) = entry else { return };
                if let Err(error) = store.add_history(stored(entry)).await {
                    tracing::error!(%error, "an entry of the redirect history could not be written");
                }
            }
        });
        Self(sender)
    }
}

impl redirect::HistorySink for StoredHistory {
    fn record(&self, entry: redirect::HistoryEntry) {
        increment(Metric::RedirectCalls, &[("command", entry.command), ("outcome", entry.outcome.label())]);
        if self.0.try_send(entry).is_err() {
            increment(Metric::QueueDrops, &[("queue", "redirect-history")]);
            tracing::warn!("the redirect history is full; an entry is lost");
        }
    }
}

fn stored(entry: redirect::HistoryEntry) -> HistoryEntry {
    HistoryEntry {
        instance: entry.instance,
        phone: entry.phone,
        mac: entry.mac,
        vendor: entry.vendor,
        command: entry.command.to_owned(),
        at: entry.at,
        took: entry.took,
        outcome: entry.outcome.sentence(),
        answer: entry.answer,
    }
}
