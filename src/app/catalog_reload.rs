//! Reloads changed vendor folders automatically.

use std::{sync::Arc, time::Duration};

use gangway_base::periodic::{PeriodicTask, RunResult};

use crate::catalog::{LiveFolders, ReloadResult};

/// How often the administrator's directory is checked. A change is loaded when two checks in a row find the same state.
const ROUND: Duration = Duration::from_secs(2);

/// Logs the result of a check.
pub(super) fn log_result(result: &ReloadResult) {
    match result {
        ReloadResult::Same => {}
        ReloadResult::Loaded => tracing::info!("the vendor folders were reloaded"),
        ReloadResult::Refused(findings) => {
            for finding in findings {
                tracing::warn!(%finding, "the vendor folders are not reloaded; the last good ones serve on");
            }
        }
    }
}

/// Checks the vendor folders and takes a change over. Checking takes a while, so it runs on a blocking thread.
pub(super) struct ReloadCatalog(pub Arc<LiveFolders>);

impl PeriodicTask for ReloadCatalog {
    const NAME: &'static str = "reload vendor folders";

    fn period(&self) -> Duration {
        ROUND
    }

    async fn run(&mut self) -> RunResult {
        let folders = Arc::clone(&self.0);
        match tokio::task::spawn_blocking(move || folders.poll()).await {
            Ok(result) => {
                log_result(&result);
                match self.0.findings().len() {
                    0 => Ok(()),
                    count => Err(format!("the folders have {count} findings; the last good state serves")),
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the vendor folders could not be looked at");
                Err(error.to_string())
            }
        }
    }
}
