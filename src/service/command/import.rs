//! Imports a file of phones for a command, like one from the page: the gateway has the connections to PBX and Devices.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{CommandError, CommandService, Replies};
use crate::{
    base::failpoint::{Failpoint, failpoint},
    service::{
        caller::Caller,
        import::{check_file, start},
        types::{ImportCheck, ImportInfo, ImportOptions},
    },
};

/// Interval at which the progress is sent.
const INTERVAL: Duration = Duration::from_millis(100);

/// With which a file is imported.
pub(super) struct ImportWish {
    /// Only check it.
    pub dry_run: bool,
    /// Wait until every line is done.
    pub wait: bool,
    /// Category in Devices for lines without one.
    pub category: Option<String>,
    /// Codes are valid for 7 days.
    pub rollout: bool,
}

/// A checked file, and how far its import is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImportReport {
    /// Result of the check.
    pub check: ImportCheck,
    /// Progress of the import; `None` if nothing was imported.
    pub progress: Option<ImportInfo>,
}

impl CommandService {
    pub(super) async fn import_phones(
        &self,
        caller: &Caller,
        content: Zeroizing<Vec<u8>>,
        wish: ImportWish,
        replies: &Replies,
    ) -> Result<ImportReport, CommandError> {
        let gateway = self.gateway("nothing was imported")?;
        failpoint(Failpoint::ImportTaken).await;
        let instance = caller.instance.id;
        let file = check_file(&gateway.0.deps, instance, &content)?;
        drop(content);
        failpoint(Failpoint::ImportBegun).await;
        let mut report = ImportReport { check: file.summary(), progress: None };
        if wish.dry_run || file.lines.is_empty() {
            return Ok(report);
        }
        start(gateway, caller, Some(&file), ImportOptions { category: wish.category, rollout: wish.rollout }).await?;
        loop {
            let progress = gateway.import_state(instance);
            replies.progress(progress.done, progress.of);
            let is_over = progress.finished;
            report.progress = Some(progress);
            if is_over || !wish.wait {
                return Ok(report);
            }
            let next = self.clock.now().saturating_add(INTERVAL).unwrap_or(Timestamp::MAX);
            tokio::select! {
                // The import goes on.
                () = replies.closed() => return Ok(report),
                () = self.clock.sleep_until(next) => {}
            }
        }
    }
}
