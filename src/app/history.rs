//! The redirect runner's history, written to the store behind it.

use tokio::sync::mpsc;

use crate::{
    redirect,
    store::{HistoryEntry, Store},
    tasks::Tasks,
    telemetry::metric::{Metric, increment},
};

/// History entries waiting to be written; redirect calls are slow, so more than a few means that the disk is stuck.
const HISTORY_QUEUE: usize = 1024;

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
