//! Imports of many phones. A file is uploaded in pieces, checked, and provisioned line by line with codes from Devices.
//! An import continues when its page is closed. One import per instance at a time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use super::{
    AdminService, ServiceDependencies, audit, audit_texts,
    caller::Caller,
    clip::clip,
    error::ServiceError,
    import_check::{CheckedFile, ImportLine, changes_nothing, check},
    provisioning_codes,
    types::{ImportInfo, ImportOptions, LineProblem},
};
use crate::{
    base::{
        failpoint::{Failpoint, failpoint},
        i18n::Message,
    },
    devices::client::DevicesCategory,
    pbx::user_objects::{PbxError, UserKey},
    phone::instance::InstanceId,
    provision::{FetchedCode, ProvisionRequest},
};

/// Maximum size of a file, in bytes.
pub const MOST_BYTES: usize = 8 << 20;
/// Number of phones that are provisioned concurrently.
const AT_ONCE: usize = 8;
/// Maximum number of failed lines that are reported while an import runs.
const FAILURES: usize = 100;

/// Checks a file. Nothing is stored.
///
/// # Errors
/// If it is too long.
pub fn check_file(deps: &ServiceDependencies, instance: InstanceId, bytes: &[u8]) -> Result<CheckedFile, ServiceError> {
    if bytes.len() > MOST_BYTES {
        return Err(ServiceError::ImportTooLarge);
    }
    Ok(check(deps, instance, bytes))
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
    failures: Vec<LineProblem>,
    finished: bool,
}

impl Progress {
    fn info(&self) -> ImportInfo {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        ImportInfo {
            of: number(self.of),
            done: number(self.changed + self.unchanged + self.failed),
            changed: number(self.changed),
            unchanged: number(self.unchanged),
            failed: number(self.failed),
            errors: self.failures.clone(),
            finished: self.finished,
        }
    }
}

impl Imports {
    fn lock(&self) -> MutexGuard<'_, HashMap<InstanceId, Arc<Import>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the progress of an instance's import: that of a finished one without lines if there was none.
    #[must_use]
    pub fn state(&self, instance: InstanceId) -> ImportInfo {
        let import = self.lock().get(&instance).map(Arc::clone);
        let nothing = Progress { finished: true, ..Progress::default() };
        import.map_or_else(|| nothing.info(), |import| import.lock().info())
    }

    /// Stops the import of an instance after the lines in progress.
    pub fn stop(&self, instance: InstanceId) {
        if let Some(import) = self.lock().get(&instance) {
            import.stop.cancel();
        }
    }

    /// Adds a new import unless one is running.
    fn enter(&self, instance: InstanceId, of: usize) -> Result<Arc<Import>, ServiceError> {
        let mut imports = self.lock();
        if imports.get(&instance).is_some_and(|import| !import.lock().finished) {
            return Err(ServiceError::ImportRunning);
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

    fn done(&self, line: &ImportLine, outcome: Result<bool, Message>) {
        let mut progress = self.lock();
        match outcome {
            Ok(true) => progress.changed += 1,
            Ok(false) => progress.unchanged += 1,
            Err(text) => {
                progress.failed += 1;
                if progress.failures.len() < FAILURES {
                    let text = Message::new("import.failed").with("sentence", clip(&text.english(), 200));
                    progress.failures.push(LineProblem {
                        line: u64::try_from(line.line).unwrap_or(u64::MAX),
                        field: String::new(),
                        text: (&text).into(),
                    });
                }
            }
        }
    }
}

/// Starts the import of a checked file. Returns the number of its lines.
///
/// # Errors
/// If no file was checked, an import is running, or Devices returns no codes.
pub async fn start(
    service: &AdminService,
    person: &Caller,
    file: Option<&CheckedFile>,
    options: ImportOptions,
) -> Result<u64, ServiceError> {
    let deps = service.deps();
    deps.require_active()?;
    let instance = person.instance.id;
    let lines = file.ok_or(ServiceError::NothingToImport)?.lines.clone();
    // If no line changes anything, no category is needed and Devices need not be available.
    let categories = match lines.iter().all(|line| line.known) {
        true => Vec::new(),
        false => {
            let categories = provisioning_codes::categories(deps, instance).await?;
            if let Some(chosen) = options.category.as_deref().filter(|chosen| !chosen.is_empty()) {
                provisioning_codes::pick(&categories, Some(chosen), None)?;
            }
            categories
        }
    };
    audit::entry(&deps.store, person, "", &format!("import {} lines", lines.len())).await?;
    let import = service.0.imports.enter(instance, lines.len())?;
    let count = u64::try_from(lines.len()).unwrap_or(u64::MAX);
    let work = Work { service: service.clone(), person: person.clone(), options, categories };
    service.spawn("admin import", work.carry_out(import, lines));
    Ok(count)
}

/// Stops the import of an instance after the lines in progress.
///
/// # Errors
/// If the audit cannot be written.
pub async fn stop(service: &AdminService, person: &Caller) -> Result<(), ServiceError> {
    service.deps().require_active()?;
    audit::entry(&service.0.deps.store, person, "", "end the import").await?;
    service.0.imports.stop(person.instance.id);
    Ok(())
}

struct Work {
    service: AdminService,
    person: Caller,
    options: ImportOptions,
    categories: Vec<DevicesCategory>,
}

impl Work {
    async fn carry_out(self, import: Arc<Import>, lines: Vec<ImportLine>) {
        let tasks = self.service.0.deps.tasks.clone();
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
    async fn line(&self, line: &ImportLine) -> Result<bool, Message> {
        let deps = &self.service.0.deps;
        let instance = self.person.instance.id;
        let known = deps.store.phones().by_mac(instance, line.mac);
        if known.as_ref().is_some_and(|phone| changes_nothing(line, phone)) {
            return Ok(false);
        }
        let own = known.as_ref().and_then(|phone| provisioning_codes::category_of(phone));
        let chosen = line.category.as_deref().or(self.options.category.as_deref());
        let refused = |error: ServiceError| error.message();
        let category = provisioning_codes::pick(&self.categories, chosen, own.as_deref()).map_err(refused)?;
        // Do not use a code for a user that does not exist. Other problems at the PBX are recorded in the phone's
        // record.
        let key = UserKey { guid: None, h323: line.user.clone() };
        if let Err(error @ PbxError::UserNotFound) = deps.pbx.user(instance, key).await {
            return Err(Message::plain(error));
        }
        let code = provisioning_codes::fetch(deps, instance, &category, Some(&line.user), self.options.rollout).await;
        failpoint(Failpoint::ImportCodeCame).await;
        let FetchedCode { code, facts } = code.map_err(refused)?;
        let request = ProvisionRequest {
            instance,
            provider: line.provider.clone(),
            mac: line.mac,
            code,
            code_facts: Some(facts),
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
        outcome.map(|()| true).map_err(Message::plain)
    }
}
