//! How a task starts and how it learns that it must end. Every background task of the gateway is spawned here, so
//! that shutdown can wait for all of them by name; `lifecycle` decides when.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

/// Spawns tasks and tells them to stop. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    stop: CancellationToken,
    tracker: TaskTracker,
    /// How many of each name run.
    running: Arc<Mutex<BTreeMap<&'static str, usize>>>,
}

/// Takes the task off the list however it ends.
struct Listed {
    name: &'static str,
    running: Arc<Mutex<BTreeMap<&'static str, usize>>>,
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(self.name) {
            *count -= 1;
            if *count == 0 {
                running.remove(self.name);
            }
        }
    }
}

impl Tasks {
    /// A new family of tasks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Spawns onto the current thread's arbiter; for futures that are not `Send` (awc, actix).
    pub fn spawn_local(&self, name: &'static str, task: impl Future<Output = ()> + 'static) {
        self.tracker.spawn_local(self.listed(name, task));
    }

    /// Spawns onto the current runtime.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(self.listed(name, task));
    }

    /// The task, on the list while it runs.
    fn listed<T: Future<Output = ()>>(&self, name: &'static str, task: T) -> impl Future<Output = ()> + use<T> {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
        let listed = Listed { name, running: Arc::clone(&self.running) };
        let task = async move {
            let _listed = listed;
            task.await;
        };
        task.instrument(tracing::info_span!("task", name))
    }

    /// The names of the tasks that run, with how many of each.
    #[must_use]
    pub fn running(&self) -> Vec<(&'static str, usize)> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.iter().map(|(name, count)| (*name, *count)).collect()
    }

    /// Completes when the gateway stops. Tasks that wait for anything also wait for this.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// The token behind [`Tasks::stopping`], for `select!` loops that keep it.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// True once the gateway stops.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Tells every task to finish, without waiting.
    pub fn ask_to_stop(&self) {
        self.stop.cancel();
    }

    /// Tells every task to finish and waits for them, at most `patience`. Returns how many were still running.
    pub async fn finish(&self, patience: Duration) -> usize {
        self.stop.cancel();
        self.tracker.close();
        let _ = tokio::time::timeout(patience, self.tracker.wait()).await;
        self.tracker.len()
    }
}
