//! Writes delivered files twice a second.

use std::time::Duration;

use gangway_base::periodic::{PeriodicTask, RunResult};

use super::Store;

/// Pause between two writes.
const PAUSE: Duration = Duration::from_millis(500);

/// Writes delivered files, and what is left when the gateway stops. Deflating and sealing take processor time: start it
/// on a thread that serves no phones.
pub struct WriteDeliveredFiles(pub Store);

impl PeriodicTask for WriteDeliveredFiles {
    const NAME: &'static str = "write delivered files";
    const AT_STOP: bool = true;

    fn period(&self) -> Duration {
        PAUSE
    }

    async fn run(&mut self) -> RunResult {
        self.0.deliveries().flush().await.map_err(|error| {
            tracing::warn!(%error, "some delivered files are not kept; they cannot be compared with later ones");
            error.to_string()
        })
    }
}
