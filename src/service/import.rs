//! Imports of many phones. A file is uploaded in pieces, checked, and provisioned line by line with codes from Devices.
//! An import continues when its page is closed. One import per instance at a time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::StreamExt;
use gangway_wire::appws::{Envelope, devices::Category, envelope::Outgoing};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::{
    AdminService, ServiceDependencies, audit, audit_texts,
    import_check::{Checked, ImportLine, changes_nothing, check},
    provisioning_codes,
    response::{MessageResult, RequestError, clip, list, one, read, result},
    text::Text,
};
use crate::{
    base::failpoint::{Failpoint, failpoint},
    pbx::user_objects::{PbxError, UserKey},
    phone::instance::InstanceId,
    provision::ProvisionRequest,
    service::caller::Caller,
};

/// Maximum size of a file, in bytes.
pub const MOST_BYTES: usize = 8 << 20;
/// Number of phones that are provisioned concurrently.
const AT_ONCE: usize = 8;
/// Maximum number of failed lines that are reported while an import runs.
const FAILURES: usize = 100;

#[derive(Deserialize)]
struct Piece {
    #[serde(default)]
    data: String,
    #[serde(default)]
    last: bool,
}

#[derive(Deserialize)]
struct Start {
    #[serde(default)]
    category: Option<String>,
    #[serde(default)]
    rollout: bool,
}

/// An uploaded file, and the result of its check. It may contain passwords of users.
#[derive(Default)]
pub struct Upload {
    bytes: Zeroizing<Vec<u8>>,
    checked: Option<Checked>,
}

impl Upload {
    /// Answers `ImportData`.
    ///
    /// # Errors
    /// If the piece is not base64, or the file is too long.
    pub fn take(&mut self, deps: &ServiceDependencies, instance: InstanceId, message: &Envelope) -> MessageResult {
        let piece: Piece = read(message)?;
        let bytes = BASE64_STANDARD.decode(&piece.data).map(Zeroizing::new).map_err(|error| {
            self.bytes.clear();
            RequestError::from(Text::new("bad-request").with("sentence", error.to_string()))
        })?;
        if self.bytes.len() + bytes.len() > MOST_BYTES {
            self.bytes.clear();
            return Err(Text::new("import.too-large").into());
        }
        self.checked = None;
        self.bytes.extend_from_slice(&bytes);
        if !piece.last {
            return one(result(message));
        }
        let bytes = std::mem::take(&mut self.bytes);
        self.whole(deps, instance, &bytes, message)
    }

    /// Checks a complete file.
    ///
    /// # Errors
    /// If it is too long.
    pub fn whole(
        &mut self,
        deps: &ServiceDependencies,
        instance: InstanceId,
        bytes: &[u8],
        message: &Envelope,
    ) -> MessageResult {
        if bytes.len() > MOST_BYTES {
            return Err(Text::new("import.too-large").into());
        }
        let checked = check(deps, instance, bytes);
        let errors: Vec<Value> = checked
            .errors
            .iter()
            .map(|error| json!({ "line": error.line, "field": error.field, "text": error.text }))
            .collect();
        let answer = result(message)
            .field("lines", checked.lines.len() + checked.wrong)
            .field("good", checked.lines.len())
            .field("known", checked.lines.iter().filter(|line| line.known).count())
            .field("wrong", checked.wrong)
            .field("truncated", checked.wrong > checked.errors.len())
            .field("ignored", &checked.ignored);
        self.checked = Some(checked);
        list(answer, "errors", &errors)
    }
}

/// The running or last import of each instance.
#[derive(Default)]
pub struct Imports(Mutex<HashMap<InstanceId, Arc<Import>>>);

struct Import {
    stop: CancellationToken,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    of: usize,
    changed: usize,
    unchanged: usize,
    failed: usize,
    failures: Vec<Value>,
    finished: bool,
}

impl Imports {
    fn lock(&self) -> MutexGuard<'_, HashMap<InstanceId, Arc<Import>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the progress of an instance's import.
    #[must_use]
    pub fn state(&self, instance: InstanceId) -> Value {
        let Some(import) = self.lock().get(&instance).map(Arc::clone) else { return json!({ "of": 0, "done": 0 }) };
        let progress = import.lock();
        json!({
            "of": progress.of,
            "done": progress.changed + progress.unchanged + progress.failed,
            "changed": progress.changed,
            "unchanged": progress.unchanged,
            "failed": progress.failed,
            "errors": progress.failures,
            "finished": progress.finished,
        })
    }

    /// Stops the import of an instance after the lines in progress.
    pub fn stop(&self, instance: InstanceId) {
        if let Some(import) = self.lock().get(&instance) {
            import.stop.cancel();
        }
    }

    /// Adds a new import unless one is running.
    fn enter(&self, instance: InstanceId, of: usize) -> Result<Arc<Import>, RequestError> {
        let mut imports = self.lock();
        if imports.get(&instance).is_some_and(|import| !import.lock().finished) {
            return Err(Text::new("import.running").into());
        }
        let progress = Mutex::new(Progress { of, ..Progress::default() });
        let import = Arc::new(Import { stop: CancellationToken::new(), progress });
        imports.insert(instance, Arc::clone(&import));
        Ok(import)
    }
}

impl Import {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn done(&self, line: &ImportLine, outcome: Result<bool, Text>) {
        let mut progress = self.lock();
        match outcome {
            Ok(true) => progress.changed += 1,
            Ok(false) => progress.unchanged += 1,
            Err(text) => {
                progress.failed += 1;
                if progress.failures.len() < FAILURES {
                    let text = Text::new("import.failed").with("sentence", clip(&text.english(), 200));
                    progress.failures.push(json!({ "line": line.line, "field": "", "text": text }));
                }
            }
        }
    }
}

/// Adds the progress to a message.
#[must_use]
pub fn progress(message: Outgoing, state: &Value) -> String {
    let members = state.as_object().into_iter().flatten();
    members.fold(message, |message, (name, value)| message.field(name, value)).text()
}

/// Performs `ImportStart`.
///
/// # Errors
/// If no file was checked, an import is running, or Devices returns no codes.
pub async fn start(
    desk: &AdminService,
    person: &Arc<Caller>,
    upload: &mut Upload,
    message: &Envelope,
) -> Result<String, RequestError> {
    let request: Start = read(message)?;
    let instance = person.instance.id;
    let lines = match &upload.checked {
        Some(checked) => checked.lines.clone(),
        None => return Err(Text::new("import.nothing").into()),
    };
    // If no line changes anything, no category is needed and Devices need not be available.
    let categories = match lines.iter().all(|line| line.known) {
        true => Vec::new(),
        false => {
            let categories = provisioning_codes::categories(&desk.0.deps, instance).await?;
            if let Some(chosen) = request.category.as_deref().filter(|chosen| !chosen.is_empty()) {
                provisioning_codes::pick(&categories, Some(chosen), None)?;
            }
            categories
        }
    };
    audit::entry(&desk.0.deps.store, person, "", &format!("import {} lines", lines.len())).await?;
    let import = desk.0.imports.enter(instance, lines.len())?;
    upload.checked = None;
    let answer = result(message).field("lines", lines.len()).text();
    let work = Work { desk: desk.clone(), person: Arc::clone(person), request, categories };
    desk.spawn("admin import", work.carry_out(import, lines));
    Ok(answer)
}

/// Performs `ImportStop`.
///
/// # Errors
/// If the audit cannot be written.
pub async fn stop(desk: &AdminService, person: &Caller) -> Result<(), RequestError> {
    audit::entry(&desk.0.deps.store, person, "", "end the import").await?;
    desk.0.imports.stop(person.instance.id);
    Ok(())
}

struct Work {
    desk: AdminService,
    person: Arc<Caller>,
    request: Start,
    categories: Vec<Category>,
}

impl Work {
    async fn carry_out(self, import: Arc<Import>, lines: Vec<ImportLine>) {
        let tasks = self.desk.0.deps.tasks.clone();
        let (work, stop) = (&self, &import.stop);
        let all = futures_util::stream::iter(lines)
            .take_while(|_| std::future::ready(!stop.is_cancelled() && !tasks.is_stopping()))
            .for_each_concurrent(AT_ONCE, |line| {
                let import = &import;
                async move { import.done(&line, work.line(&line).await) }
            });
        tokio::select! {
            () = all => {}
            // Completed lines are not undone. Importing the same file again continues with the rest.
            () = tasks.stopping() => {}
        }
        let mut progress = import.lock();
        progress.finished = true;
        tracing::info!(instance = %self.person.instance.label(), changed = progress.changed, unchanged = progress.unchanged, failed = progress.failed, "an import has ended");
    }

    /// Returns whether something was changed.
    async fn line(&self, line: &ImportLine) -> Result<bool, Text> {
        let deps = &self.desk.0.deps;
        let instance = self.person.instance.id;
        let known = deps.store.phones().by_mac(instance, line.mac);
        if known.as_ref().is_some_and(|phone| changes_nothing(line, phone)) {
            return Ok(false);
        }
        let own = known.as_ref().and_then(|phone| phone.category.as_deref());
        let chosen = line.category.as_deref().or(self.request.category.as_deref());
        let refused = |problem: RequestError| problem.text;
        let category = provisioning_codes::pick(&self.categories, chosen, own).map_err(refused)?;
        // Do not use a code for a user that does not exist. Other problems at the PBX are recorded in the phone's
        // record.
        let key = UserKey { guid: None, h323: line.user.clone() };
        if let Err(error @ PbxError::UserNotFound) = deps.pbx.user(instance, key).await {
            return Err(Text::plain(error));
        }
        let code = provisioning_codes::fetch(deps, instance, &category, Some(&line.user), self.request.rollout).await;
        failpoint(Failpoint::ImportCodeCame).await;
        let request = ProvisionRequest {
            instance,
            provider: line.provider.clone(),
            mac: line.mac,
            code: code.map_err(refused)?,
            hwid: line.hwid.clone(),
            username: line.user.clone(),
            cn: line.name.clone(),
            password: line.password.clone(),
            domain: line.domain.clone(),
            dns: line.pbx.clone(),
        };
        let outcome = deps.provisioning.request(request).await;
        failpoint(Failpoint::ImportLineDone).await;
        if let Some(phone) = deps.store.phones().by_mac(instance, line.mac) {
            let deed = audit_texts::IMPORTED.with("user", line.user.clone()).with("line", line.line);
            if let Err(error) = audit::event(&deps.store, &self.person, phone.id, &deed).await {
                tracing::error!(%error, "an import could not be written down");
            }
            failpoint(Failpoint::ImportLineWritten).await;
        }
        outcome.map(|()| true).map_err(Text::plain)
    }
}
