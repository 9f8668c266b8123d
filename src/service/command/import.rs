//! Imports a file of phones for a command, like one from the page: the gateway has the connections to PBX and Devices.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{CommandError, CommandService, Replies};
use crate::{
    base::failpoint::{Failpoint, failpoint},
    service::{AdminService, Inquiry, caller::Caller},
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
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImportReport {
    /// Result of the check, as in `ImportDataResult`.
    pub check: Map<String, Value>,
    /// Progress of the import, as in `ImportState`; empty if nothing was imported.
    pub progress: Map<String, Value>,
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
        let mut inquiry = Inquiry::new(gateway, caller.clone());
        let check = inquiry.check_file(&content)?;
        drop(content);
        failpoint(Failpoint::ImportBegun).await;
        let good = check.get("good").and_then(Value::as_u64).unwrap_or_default();
        let mut report = ImportReport { check, progress: Map::new() };
        if wish.dry_run || good == 0 {
            return Ok(report);
        }
        inquiry.ask("ImportStart", json!({ "category": wish.category, "rollout": wish.rollout })).await?;
        loop {
            report.progress = state(gateway, caller);
            let count = |name: &str| report.progress.get(name).and_then(Value::as_u64).unwrap_or_default();
            replies.progress(count("done"), count("of"));
            let is_over = report.progress.get("finished").is_none_or(|finished| finished == true);
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

fn state(gateway: &AdminService, caller: &Caller) -> Map<String, Value> {
    gateway.0.imports.state(caller.instance.id).as_object().cloned().unwrap_or_default()
}
