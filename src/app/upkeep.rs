//! What has to be done now and then.

use std::time::Duration;

use jiff::Timestamp;

use crate::{clock::SharedClock, phone::instance::Instances, store::Store, tasks::Tasks};

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
