//! Imports started by a command. The command passes the file to the running gateway, which checks and imports it like
//! one from the page, because only the gateway is connected to PBX and Devices. The result is stored as a fact that the
//! command waits for.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{AdminService, import, status, types::ImportOptions};
use crate::{
    base::failpoint::{Failpoint, failpoint},
    phone::instance::InstanceId,
    service::caller::{Caller, CallerKind},
    store::{Store, StoreError},
};

/// Interval for checking for jobs of commands, and for the progress of an import.
const LOOK: Duration = Duration::from_millis(300);
/// Prefix of a job.
const ASKED: &str = "import.asked.";
/// Prefix of a job's status.
const ANSWERED: &str = "import.answered.";
/// The error for a command whose gateway was restarted during the import.
const RESTARTED: &str = "gangway was started again in the middle of it; the same file once more goes on with the rest";

/// A job from a command.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImportJob {
    /// Only check the file.
    pub dry_run: bool,
    /// Whether the command waits for the end.
    pub wait: bool,
    /// Category in Devices for phones whose line contains none.
    pub category: Option<String>,
    /// Each code is valid for 7 days instead of 15 minutes.
    pub rollout: bool,
    /// The user of the command.
    pub user: String,
}

/// The status of a job.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ImportJobStatus {
    /// Result of the check, as in `ImportDataResult`.
    pub check: Map<String, Value>,
    /// Progress of the import, as in `ImportState`.
    pub progress: Map<String, Value>,
    /// Why the job was rejected.
    pub refused: Option<String>,
    /// The status is final.
    pub finished: bool,
}

/// Passes a file to the running gateway.
///
/// # Errors
/// If it is too long, or the store cannot be written.
pub async fn ask(
    store: &Store,
    instance: InstanceId,
    key: &str,
    bytes: &[u8],
    asked: &ImportJob,
) -> Result<(), StoreError> {
    store.hand_over(instance, key, bytes).await?;
    let text = serde_json::to_string(asked).unwrap_or_default();
    store.set_fact(instance, &format!("{ASKED}{key}"), Some(&text)).await
}

/// Returns the status of a job, or `None` if no gateway has accepted it.
#[must_use]
pub fn answered(store: &Store, instance: InstanceId, key: &str) -> Option<ImportJobStatus> {
    serde_json::from_str(&store.fact(instance, &format!("{ANSWERED}{key}"))?).ok()
}

/// Whether a gateway has accepted the file.
#[must_use]
pub fn is_taken(store: &Store, instance: InstanceId, key: &str) -> bool {
    store.fact(instance, &format!("{ASKED}{key}")).is_none()
}

/// Deletes the file, the job, and its status.
///
/// # Errors
/// If the store cannot be written.
pub async fn forget(store: &Store, instance: InstanceId, key: &str) -> Result<(), StoreError> {
    store.take_over(instance, key).await?;
    store.set_fact(instance, &format!("{ASKED}{key}"), None).await?;
    store.set_fact(instance, &format!("{ANSWERED}{key}"), None).await
}

/// Performs jobs from commands until the gateway stops.
pub async fn watch(desk: AdminService) {
    let deps = std::sync::Arc::clone(&desk.0.deps);
    // Handle statuses from before a restart: mark unfinished imports as interrupted for commands that may still wait,
    // and delete finished statuses that were not read.
    let mut old: Vec<_> = Vec::new();
    for (instance, key, text) in deps.store.facts_beginning(ANSWERED) {
        let open = serde_json::from_str::<ImportJobStatus>(&text).ok().filter(|answer| !answer.finished);
        let word = open.map(|answer| ImportJobStatus { refused: Some(RESTARTED.to_owned()), finished: true, ..answer });
        old.push((instance, key, word.and_then(|answer| serde_json::to_string(&answer).ok())));
    }
    old.extend(
        deps.store.facts_beginning(status::ANSWERED).into_iter().map(|(instance, key, _)| (instance, key, None)),
    );
    for (instance, key, word) in old {
        if let Err(error) = deps.store.set_fact(instance, &key, word.as_deref()).await {
            tracing::warn!(%error, "an old answer to a command stays");
        }
    }
    let mut seen = None;
    loop {
        let revision = deps.store.facts_revision();
        if seen != Some(revision) {
            seen = Some(revision);
            status::answer(&desk).await;
            for (instance, key, asked) in deps.store.facts_beginning(ASKED) {
                let Some(key) = key.strip_prefix(ASKED) else { continue };
                let promised = promise(&deps.store, instance, key).await;
                // Remove the job before it starts, so that a file is never imported twice.
                let taken = deps.store.take_over(instance, key).await;
                failpoint(Failpoint::ImportTaken).await;
                let forgotten = deps.store.set_fact(instance, &format!("{ASKED}{key}"), None).await.and(promised);
                failpoint(Failpoint::ImportBegun).await;
                match (taken, forgotten, serde_json::from_str::<ImportJob>(&asked)) {
                    (Ok(Some(bytes)), Ok(()), Ok(asked)) => {
                        let work = carry_out(desk.clone(), instance, key.to_owned(), asked, bytes);
                        desk.spawn("handed import", work);
                    }
                    (Err(error), ..) | (_, Err(error), _) => {
                        tracing::error!(%error, "a file that was handed over cannot be taken");
                    }
                    (Ok(_), Ok(()), _) => {}
                }
            }
        }
        let next = deps.clock.now().saturating_add(LOOK).unwrap_or(Timestamp::MAX);
        tokio::select! {
            () = deps.tasks.stopping() => return,
            () = deps.clock.sleep_until(next) => {}
        }
    }
}

/// Stores an unfinished status, so that the gateway reports the interruption after a crash. An existing status is kept.
async fn promise(store: &Store, instance: InstanceId, key: &str) -> Result<(), StoreError> {
    let answer = format!("{ANSWERED}{key}");
    if store.fact(instance, &answer).is_some() {
        return Ok(());
    }
    let open = serde_json::to_string(&ImportJobStatus::default()).unwrap_or_default();
    store.set_fact(instance, &answer, Some(&open)).await
}

async fn carry_out(
    desk: AdminService,
    instance: InstanceId,
    key: String,
    asked: ImportJob,
    bytes: zeroize::Zeroizing<Vec<u8>>,
) {
    let deps = std::sync::Arc::clone(&desk.0.deps);
    let Some(of) = deps.instances.get(instance) else { return };
    let person =
        Caller { instance: of.clone(), who: CallerKind::Command(asked.user.clone()), source: [127, 0, 0, 1].into() };
    let mut answer = ImportJobStatus::default();
    let checked = import::check_file(&deps, instance, &bytes);
    drop(bytes);
    match checked {
        Ok(file) => {
            answer.check = members(&file.summary());
            if !asked.dry_run && !file.lines.is_empty() {
                let options = ImportOptions { category: asked.category, rollout: asked.rollout };
                match import::start(&desk, &person, Some(&file), options).await {
                    Ok(_) => answer.progress = members(&desk.import_state(instance)),
                    Err(error) => answer.refused = Some(error.to_string()),
                }
            }
        }
        Err(error) => answer.refused = Some(error.to_string()),
    }
    loop {
        let is_over = answer.progress.get("finished").is_none_or(|finished| finished == true);
        answer.finished = is_over || !asked.wait;
        let text = serde_json::to_string(&answer).unwrap_or_default();
        if let Err(error) = deps.store.set_fact(instance, &format!("{ANSWERED}{key}"), Some(&text)).await {
            tracing::error!(%error, "a command cannot be told how far its import is");
        }
        if answer.finished {
            return;
        }
        let next = deps.clock.now().saturating_add(LOOK).unwrap_or(Timestamp::MAX);
        tokio::select! {
            () = deps.tasks.stopping() => return,
            () = deps.clock.sleep_until(next) => {}
        }
        answer.progress = members(&desk.import_state(instance));
    }
}

fn members(part: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(part) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}
