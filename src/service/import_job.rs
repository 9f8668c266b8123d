//! Files of phones that a command hands to the serving gateway: checked and imported like those of the page, because only
//! the gateway is connected to PBX and Devices. What comes of it goes back as a fact the command waits for.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{AdminService, Inquiry, status};
use crate::{
    base::failpoint::{Failpoint, failpoint},
    phone::instance::InstanceId,
    service::caller::{Caller, CallerKind},
    store::{Store, StoreError},
};

/// Between two looks at what commands ask for, and at how far an import is.
const LOOK: Duration = Duration::from_millis(300);
/// What a command asks for.
const ASKED: &str = "import.asked.";
/// What came of it.
const ANSWERED: &str = "import.answered.";
/// What a command is told whose gateway has died over its file.
const RESTARTED: &str = "gangway was started again in the middle of it; the same file once more goes on with the rest";

/// What a command asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImportJob {
    /// Only check the file.
    pub dry_run: bool,
    /// Whether somebody waits for the end.
    pub wait: bool,
    /// Category in Devices for phones whose line names none.
    pub category: Option<String>,
    /// Each code is valid for 7 days instead of 15 minutes.
    pub rollout: bool,
    /// Who asks.
    pub user: String,
}

/// What came of it so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ImportJobStatus {
    /// What the check said: as `ImportDataResult`.
    pub check: Map<String, Value>,
    /// How far the import is: as `ImportState`.
    pub progress: Map<String, Value>,
    /// Why there is none.
    pub refused: Option<String>,
    /// Nothing more will come.
    pub finished: bool,
}

/// Hands a file to the serving gateway.
///
/// # Errors
/// When it is too long, or the store cannot be written.
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

/// What came of it so far; `None` while no gateway has taken notice.
#[must_use]
pub fn answered(store: &Store, instance: InstanceId, key: &str) -> Option<ImportJobStatus> {
    serde_json::from_str(&store.fact(instance, &format!("{ANSWERED}{key}"))?).ok()
}

/// Whether a gateway has taken the file.
#[must_use]
pub fn is_taken(store: &Store, instance: InstanceId, key: &str) -> bool {
    store.fact(instance, &format!("{ASKED}{key}")).is_none()
}

/// Takes file, question and answer back.
///
/// # Errors
/// When the store cannot be written.
pub async fn forget(store: &Store, instance: InstanceId, key: &str) -> Result<(), StoreError> {
    store.take_over(instance, key).await?;
    store.set_fact(instance, &format!("{ASKED}{key}"), None).await?;
    store.set_fact(instance, &format!("{ANSWERED}{key}"), None).await
}

/// Carries out what commands ask for until the gateway stops.
pub async fn watch(desk: AdminService) {
    let deps = std::sync::Arc::clone(&desk.0.deps);
    // Answers of an earlier life: whoever still waits for an import is told, and a last one nobody took is nobody's any
    // more.
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
                // Taken before it is begun: nothing is imported twice.
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

/// From here on a gateway that dies leaves its next life a word that somebody waits. What that one has told stands.
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
    let mut inquiry = Inquiry::new(&desk, person);
    let mut answer = ImportJobStatus::default();
    match inquiry.check_file(&bytes) {
        Ok(check) => answer.check = check,
        Err(problem) => answer.refused = Some(problem.text.english()),
    }
    drop(bytes);
    let good = answer.check.get("good").and_then(Value::as_u64).unwrap_or_default();
    if !asked.dry_run && answer.refused.is_none() && good > 0 {
        let wish = json!({ "category": asked.category, "rollout": asked.rollout });
        match inquiry.ask("ImportStart", wish).await {
            Ok(_) => answer.progress = state(&desk, instance),
            Err(problem) => answer.refused = Some(problem.text.english()),
        }
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
        answer.progress = state(&desk, instance);
    }
}

fn state(desk: &AdminService, instance: InstanceId) -> Map<String, Value> {
    desk.0.imports.state(instance).as_object().cloned().unwrap_or_default()
}
