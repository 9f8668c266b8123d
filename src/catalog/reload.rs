//! Reloads vendor folders at runtime. A state that passes all checks replaces the previous one as a whole. A state that
//! fails is reported, and the last good one stays in use.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    diagnostic::Diagnostic,
    files,
    registry::{Registry, SharedRegistry},
};

/// The watched folders.
#[derive(Debug)]
pub struct LiveFolders {
    registry: SharedRegistry,
    dir: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Fingerprint at the last check.
    seen: u64,
    /// Fingerprint that was last loaded or rejected.
    validated: u64,
    findings: Vec<Diagnostic>,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReloadResult {
    /// Nothing has changed, or changes are still in progress.
    Same,
    /// The new state is in use.
    Loaded,
    /// The new state was rejected for these reasons.
    Refused(Vec<Diagnostic>),
}

impl LiveFolders {
    /// Loads the built-in folders and those of `dir`, a directory with `vendors/<vendor>/` and `templates/<vendor>/`
    /// whose files take precedence over the built-in ones.
    ///
    /// # Errors
    /// All findings. There is no good state to use in this case.
    pub fn open(dir: Option<&Path>) -> Result<Self, Vec<Diagnostic>> {
        let print = dir.map_or(0, files::fingerprint);
        let registry = Registry::load_shared(dir)?;
        let state = State { seen: print, validated: print, findings: Vec::new() };
        Ok(Self { registry, dir: dir.map(Path::to_owned), state: Mutex::new(state) })
    }

    /// The registry in use.
    #[must_use]
    pub fn registry(&self) -> SharedRegistry {
        Arc::clone(&self.registry)
    }

    /// The problems of the state on disk; empty while that state is in use.
    #[must_use]
    pub fn findings(&self) -> Vec<Diagnostic> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).findings.clone()
    }

    /// Checks for changes; call it periodically. A change is loaded when two consecutive checks see the same state, so
    /// that half-written files are not loaded. Reads and validates files, so it must not run on a server thread.
    pub fn poll(&self) -> ReloadResult {
        let Some(dir) = self.dir.as_deref() else { return ReloadResult::Same };
        let print = files::fingerprint(dir);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let settled = std::mem::replace(&mut state.seen, print) == print;
        if !settled || state.validated == print {
            return ReloadResult::Same;
        }
        self.validate(&mut state, print)
    }

    /// Reloads immediately, even if nothing has changed.
    pub fn reload(&self) -> ReloadResult {
        let print = self.dir.as_deref().map_or(0, files::fingerprint);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.validate(&mut state, print)
    }

    fn validate(&self, state: &mut State, print: u64) -> ReloadResult {
        state.validated = print;
        match Registry::load(self.dir.as_deref()) {
            Ok(loaded) => {
                self.registry.store(Arc::new(loaded));
                state.findings.clear();
                ReloadResult::Loaded
            }
            Err(findings) => {
                state.findings.clone_from(&findings);
                ReloadResult::Refused(findings)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const FILE: &str = "templates/yealink/desk/v81/open.cfg";

    fn write(dir: &Path, text: &str) {
        let path = dir.join(FILE);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_last_good_state_serves_on_until_the_next_good_one() {
        let dir = tempfile::tempdir().unwrap();
        let good = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE)).unwrap();
        write(dir.path(), &good);
        let live = LiveFolders::open(Some(dir.path())).unwrap();
        let first = live.registry().load().revision();
        assert_eq!(live.poll(), ReloadResult::Same);

        write(dir.path(), &format!("{good}{{{{ provisioning.url"));
        assert_eq!(live.poll(), ReloadResult::Same, "it may still be written");
        let ReloadResult::Refused(findings) = live.poll() else { panic!("a broken template is not refused") };
        assert_eq!(findings, live.findings());
        assert_eq!((findings[0].file.as_str(), findings[0].line), (FILE, Some(good.lines().count() + 1)));
        assert_eq!(live.registry().load().revision(), first);
        assert_eq!(live.poll(), ReloadResult::Same, "what was refused once is not said again");

        write(dir.path(), &format!("{good}{{# better #}}"));
        live.poll();
        assert_eq!(live.poll(), ReloadResult::Loaded);
        assert!(live.registry().load().revision() > first);
        assert!(live.findings().is_empty());

        fs::remove_dir_all(dir.path()).unwrap();
        live.poll();
        let ReloadResult::Refused(findings) = live.poll() else { panic!("a directory that is gone is not said") };
        assert!(findings[0].reason.contains("does not exist"));
    }

    #[test]
    fn an_unused_folder_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["vendors/yealnik/notes.toml", "templates/yealnik/open.cfg"] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let findings = LiveFolders::open(Some(dir.path())).unwrap_err();
        let files: Vec<&str> = findings.iter().map(|finding| finding.file.as_str()).collect();
        assert_eq!(files, ["vendors/yealnik", "templates/yealnik"]);
    }
}
