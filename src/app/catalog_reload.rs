//! Reloads changed vendor folders automatically.

use std::{sync::Arc, time::Duration};

use gangway_base::{clock::SharedClock, tasks::Tasks};
use jiff::Timestamp;

use crate::catalog::{LiveFolders, Look};

/// How often the administrator's directory is checked. A change is loaded when two checks in a row find the same state.
const ROUND: Duration = Duration::from_secs(2);

/// Logs the result of a check.
pub(super) fn log_result(look: &Look) {
    match look {
        Look::Same => {}
        Look::Loaded => tracing::info!("the vendor folders were reloaded"),
        Look::Refused(findings) => {
            for finding in findings {
                tracing::warn!(%finding, "the vendor folders are not reloaded; the last good ones serve on");
            }
        }
    }
}

/// Checks every two seconds. Validating a new state takes a while, so it runs on a separate thread.
pub(super) async fn watch(folders: Arc<LiveFolders>, clock: SharedClock, tasks: Tasks) {
    loop {
        let next = clock.now().saturating_add(ROUND).unwrap_or(Timestamp::MAX);
        tokio::select! {
            () = clock.sleep_until(next) => {}
            () = tasks.stopping() => return,
        }
        let folders = Arc::clone(&folders);
        match tokio::task::spawn_blocking(move || folders.look()).await {
            Ok(look) => log_result(&look),
            Err(error) => tracing::warn!(%error, "the vendor folders could not be looked at"),
        }
    }
}
