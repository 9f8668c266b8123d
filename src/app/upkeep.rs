//! What has to be done now and then.

use std::time::Duration;

use jiff::Timestamp;

use crate::{clock::SharedClock, phone::instance::Instances, store::Store, tasks::Tasks};

/// Between two looks whether the day has its copy.
const COPY_ROUND: Duration = Duration::from_secs(3600);

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(6 * 3600);

/// Prunes the redirect history by the setting `history_days`, at start and every six hours.
pub async fn prune(store: Store, instances: Instances, clock: SharedClock, tasks: Tasks) {
    loop {
        for instance in instances.iter() {
            let days =
                store.layers(instance.id).get("history_days").and_then(|days| days.expose().parse().ok()).unwrap_or(90);
            if let Err(error) = store.prune_history(instance.id, days).await {
                tracing::warn!(instance = %instance.label(), %error, "the redirect history could not be pruned");
            }
        }
        let next = clock.now().saturating_add(ROUND).unwrap_or(Timestamp::MAX);
        tokio::select! {
            () = clock.sleep_until(next) => {}
            () = tasks.stopping() => return,
        }
    }
}

/// Keeps a copy of the database a day, the newest `most` of them.
pub async fn copy(store: Store, most: usize, clock: SharedClock, tasks: Tasks) {
    loop {
        match store.copy_of_the_day(most).await {
            Ok(Some(copy)) => tracing::info!(copy = %copy.display(), "the copy of the day is kept"),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the copy of the day could not be kept; tried again in an hour"),
        }
        let next = clock.now().saturating_add(COPY_ROUND).unwrap_or(Timestamp::MAX);
        tokio::select! {
            () = clock.sleep_until(next) => {}
            () = tasks.stopping() => return,
        }
    }
}
