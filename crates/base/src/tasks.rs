//! Spawns and stops the background tasks. Every background task of gangway is spawned here, so that shutdown can wait
//! for all of them by name; `lifecycle` decides when to shut down.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use crate::{
    clock::SharedClock,
    periodic::{self, PeriodicList, PeriodicStatus, PeriodicTask},
};

/// Spawns tasks and signals them to stop. Cheap to clone; all clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    stop: CancellationToken,
    tracker: TaskTracker,
    /// Number of running tasks by name.
    running: Arc<Mutex<BTreeMap<&'static str, usize>>>,
    periodic: PeriodicList,
}

/// Removes the task from the list when dropped, however the task ends.
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
    /// An empty set of tasks.
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

    /// Runs a periodic task on the current runtime until gangway stops.
    pub fn every<T: PeriodicTask>(&self, task: T, clock: &SharedClock) {
        self.spawn(T::NAME, periodic::drive(task, Arc::clone(clock), self.stop_token(), self.periodic.clone()));
    }

    /// The periodic tasks with the results of their last runs, in the order in which they were started.
    #[must_use]
    pub fn periodic(&self) -> Vec<PeriodicStatus> {
        self.periodic.all()
    }

    /// Wraps the task so that it is listed while it runs.
    fn listed<T: Future<Output = ()>>(&self, name: &'static str, task: T) -> impl Future<Output = ()> + use<T> {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
        let listed = Listed { name, running: Arc::clone(&self.running) };
        let task = async move {
            let _listed = listed;
            task.await;
        };
        task.instrument(tracing::info_span!("task", name))
    }

    /// The names of the running tasks with their counts.
    #[must_use]
    pub fn running(&self) -> Vec<(&'static str, usize)> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.iter().map(|(name, count)| (*name, *count)).collect()
    }

    /// Completes when gangway stops. Every task that waits for something must also wait for this.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// The token behind [`Tasks::stopping`], for `select!` loops that need to store it.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// True once gangway is stopping.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Signals every task to finish, without waiting.
    pub fn ask_to_stop(&self) {
        self.stop.cancel();
    }

    /// Signals every task to finish and waits for them, at most `time_limit`. Returns how many are still running.
    pub async fn finish(&self, time_limit: Duration) -> usize {
        self.stop.cancel();
        self.tracker.close();
        let _ = tokio::time::timeout(time_limit, self.tracker.wait()).await;
        self.tracker.len()
    }
}
