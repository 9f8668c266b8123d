//! Writes the history of the redirect runner to the store in the background. If the disk rejects an entry, it is kept
//! and written later, in order.

use std::time::Duration;

use gangway_base::{clock::SharedClock, tasks::Tasks};
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::{
    base::telemetry::metric::{Metric, increment},
    redirect,
    store::{HistoryEntry, Store, StoreError},
};

/// Number of history entries that may wait to be written, each of a few KiB at most. An unreachable service is called
/// every ten seconds, so this covers a disk that rejects writes for hours.
const HISTORY_QUEUE: usize = 1024;
/// Pause after a store error.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// Writes the history of the redirect runner in the background.
pub struct StoredHistory(mpsc::Sender<redirect::ExchangeRecord>);

impl StoredHistory {
    /// Starts a separate task that writes to `store`.
    #[must_use]
    pub fn start(store: Store, clock: SharedClock, tasks: &Tasks) -> Self {
        let (sender, mut entries) = mpsc::channel::<redirect::ExchangeRecord>(HISTORY_QUEUE);
        let stop = tasks.stop_token();
        let writer = HistoryWriter { store, clock, tasks: tasks.clone() };
        tasks.spawn_local("redirect-history", async move {
            loop {
                let entry = tokio::select! {
                    biased;
                    entry = entries.recv() => entry,
                    // `recv` is polled first, so entries queued when the gateway stops are still written.
                    () = stop.cancelled() => entries.try_recv().ok(),
                };
                let Some(entry) = entry else { return };
                if let Err(error) = writer.write(stored(entry)).await {
                    let lost = entries.len() + 1;
                    tracing::error!(%error, lost, "the gateway stops and the redirect history cannot be written");
                    return;
                }
            }
        });
        Self(sender)
    }
}

impl redirect::HistorySink for StoredHistory {
    fn record(&self, entry: redirect::ExchangeRecord) {
        increment(Metric::RedirectCalls, &[("command", entry.command), ("outcome", entry.outcome.label())]);
        if self.0.try_send(entry).is_err() {
            increment(Metric::QueueDrops, &[("queue", "redirect-history")]);
            tracing::warn!("the redirect history is full; an entry is lost");
        }
    }
}

struct HistoryWriter {
    store: Store,
    clock: SharedClock,
    tasks: Tasks,
}

impl HistoryWriter {
    /// Writes the entry, retrying as long as necessary. Fails only if the gateway stops before the write succeeds.
    async fn write(&self, mut entry: HistoryEntry) -> Result<(), StoreError> {
        let mut is_said = false;
        loop {
            let Err(error) = self.store.redirect_history().add(entry.clone()).await else { return Ok(()) };
            if error.is_refused() {
                // The phone's record may have been deleted while the entry waited.
                if entry.phone.take().is_none() {
                    tracing::error!(%error, "an entry of the redirect history is refused by the database and lost");
                    return Ok(());
                }
                continue;
            }
            if !is_said {
                tracing::error!(%error, "the redirect history cannot be written; it is kept and written later");
                is_said = true;
            }
            let again = self.clock.now().saturating_add(STORE_PAUSE).unwrap_or(Timestamp::MAX);
            tokio::select! {
                biased;
                () = self.tasks.stopping() => return Err(error),
                () = self.clock.sleep_until(again) => {}
            }
        }
    }
}

fn stored(entry: redirect::ExchangeRecord) -> HistoryEntry {
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

#[cfg(test)]
#[cfg(feature = "demo")]
mod tests {
    use std::{sync::Arc, time::Instant};

    use gangway_base::clock::{Clock, ManualClock};

    use super::*;
    use crate::{
        phone::{instance::InstanceId, record::PhoneId},
        redirect::{HistorySink, RedirectResult},
        store::HistoryFilter,
    };

    async fn commands(store: &Store, instance: InstanceId) -> Vec<String> {
        let filter = HistoryFilter { instance, mac: None, before: None, limit: 100 };
        let mut rows = store.redirect_history().entries(filter).await.unwrap();
        rows.reverse();
        rows.into_iter().map(|row| row.entry.command).collect()
    }

    #[actix_rt::test]
    async fn what_the_disk_does_not_take_is_written_later_in_its_order() {
        let clock = ManualClock::new(Timestamp::from_second(1_000_000).unwrap());
        let dir = tempfile::tempdir().unwrap();
        let tasks = Tasks::new();
        let store = Store::open(dir.path(), Arc::new(clock.clone()), &tasks).await.unwrap();
        let instance = store.instance("example.com", "gangway").await.unwrap();
        let history = StoredHistory::start(store.clone(), Arc::new(clock.clone()), &tasks);
        let entry = |command| redirect::ExchangeRecord {
            instance,
            // This phone has been deleted.
            phone: Some(PhoneId(77)),
            mac: None,
            vendor: "yealink".into(),
            command,
            at: clock.now(),
            took: Duration::ZERO,
            outcome: RedirectResult::NotFound,
            answer: "answer".into(),
        };

        store.refuse_writes(true).await.unwrap();
        history.record(entry("CHECK DEVICE"));
        history.record(entry("REDIRECT DEVICE"));
        for _ in 0..10 {
            clock.advance(STORE_PAUSE);
            // Queues behind the pending attempt.
            assert!(
                store
                    .learned()
                    .set_devices_addresses(instance, vec!["wss://devices.example.com/".to_owned()])
                    .await
                    .is_err()
            );
            actix_rt::task::yield_now().await;
        }
        assert_eq!(commands(&store, instance).await, Vec::<String>::new());

        store.refuse_writes(false).await.unwrap();
        let begun = Instant::now();
        while commands(&store, instance).await.len() < 2 {
            assert!(begun.elapsed() < Duration::from_secs(20), "it is never written");
            clock.advance(STORE_PAUSE);
            actix_rt::task::yield_now().await;
        }
        assert_eq!(commands(&store, instance).await, ["CHECK DEVICE", "REDIRECT DEVICE"]);
        assert_eq!(tasks.finish(Duration::from_secs(10)).await, 0);
    }
}
