//! Writes the last requests of the phones once a second.

use std::time::Duration;

use gangway_base::periodic::{PeriodicTask, RunResult};

use super::Store;

/// Pause between two writes.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes the last requests of the phones, and what is left when the gateway stops.
pub(in crate::store) struct WriteRequests(pub(in crate::store) Store);

impl PeriodicTask for WriteRequests {
    const NAME: &'static str = "write last requests";
    const AT_STOP: bool = true;

    fn period(&self) -> Duration {
        PAUSE
    }

    async fn run(&mut self) -> RunResult {
        self.0.requests().flush().await.map_err(|error| {
            tracing::warn!(%error, "the facts of the last requests stay in memory for now");
            error.to_string()
        })
    }
}
