//! Runs periodic tasks. Each task has a name, a period and the result of its last run; `/readyz` and the diagnostics
//! bundle list all tasks.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;

/// The result of a run. The error is a message for the administrator.
pub type RunResult = Result<(), String>;

/// A task that [`Tasks::every`](crate::tasks::Tasks::every) runs periodically until gangway stops.
pub trait PeriodicTask: Send + 'static {
    /// The name in logs, `/readyz` and the diagnostics bundle.
    const NAME: &'static str;
    /// Whether the first run starts immediately instead of after one period.
    const AT_START: bool = false;
    /// Whether the task runs once more when gangway stops, e.g. to write data that is still in memory.
    const AT_STOP: bool = false;

    /// The time between the end of a run and the start of the next one. The driver reads it after each run.
    fn period(&self) -> Duration;

    /// Runs the task once. The task logs problems that an administrator must fix; the driver stores the result.
    fn run(&mut self) -> impl Future<Output = RunResult> + Send;
}

/// The status of one periodic task in `/readyz` and in the diagnostics bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeriodicStatus {
    /// [`PeriodicTask::NAME`].
    pub name: String,
    /// Seconds between two runs.
    pub period_seconds: f64,
    /// Completed runs since the start.
    pub runs: u64,
    /// When the last run ended; null before the first one.
    pub last: Option<Timestamp>,
    /// Why the last run failed; null when it succeeded.
    pub error: Option<String>,
}

/// The status of every periodic task of the process.
#[derive(Debug, Clone, Default)]
pub(crate) struct PeriodicList(Arc<Mutex<Vec<PeriodicStatus>>>);

impl PeriodicList {
    /// The status of all tasks, in the order in which they were started.
    pub(crate) fn all(&self) -> Vec<PeriodicStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds a task and returns its index.
    fn enter(&self, name: &str, period: Duration) -> usize {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.push(PeriodicStatus {
            name: name.to_owned(),
            period_seconds: period.as_secs_f64(),
            runs: 0,
            last: None,
            error: None,
        });
        list.len() - 1
    }

    fn ran(&self, place: usize, period: Duration, at: Timestamp, result: RunResult) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(status) = list.get_mut(place) {
            status.period_seconds = period.as_secs_f64();
            status.runs += 1;
            status.last = Some(at);
            status.error = result.err();
        }
    }
}

/// Runs `task` periodically according to `clock` until `stop` is cancelled. A run is never cancelled, so a task that
/// waits for a long time must watch the stop token itself.
pub(crate) async fn drive<T: PeriodicTask>(
    mut task: T,
    clock: SharedClock,
    stop: CancellationToken,
    list: PeriodicList,
) {
    let place = list.enter(T::NAME, task.period());
    let mut is_due = T::AT_START;
    loop {
        if is_due {
            let result = task.run().await;
            list.ran(place, task.period(), clock.now(), result);
        }
        is_due = true;
        let next = clock.now().saturating_add(task.period()).unwrap_or(Timestamp::MAX);
        tokio::select! {
            () = clock.sleep_until(next) => {}
            () = stop.cancelled() => break,
        }
    }
    if T::AT_STOP {
        let result = task.run().await;
        list.ran(place, task.period(), clock.now(), result);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::{clock::ManualClock, tasks::Tasks};

    /// A task whose every second run fails.
    struct Count(Arc<AtomicU32>);

    impl PeriodicTask for Count {
        const NAME: &'static str = "count";
        const AT_STOP: bool = true;

        fn period(&self) -> Duration {
            Duration::from_secs(60)
        }

        async fn run(&mut self) -> RunResult {
            let runs = self.0.fetch_add(1, Ordering::Relaxed) + 1;
            if runs.is_multiple_of(2) { Err(format!("run {runs} failed")) } else { Ok(()) }
        }
    }

    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_task_runs_by_the_clock_and_its_last_result_is_listed() {
        let (clock, tasks, count) =
            (ManualClock::new("2026-03-01T12:00:00Z".parse().unwrap()), Tasks::new(), Arc::<AtomicU32>::default());
        tasks.every(Count(Arc::clone(&count)), &(Arc::new(clock.clone()) as SharedClock));
        settle().await;
        assert_eq!(count.load(Ordering::Relaxed), 0, "the first run is after one period");
        let listed = tasks.periodic();
        assert_eq!((listed[0].name.as_str(), listed[0].period_seconds, listed[0].last), ("count", 60.0, None));

        clock.advance(Duration::from_secs(60));
        settle().await;
        assert_eq!((tasks.periodic()[0].runs, tasks.periodic()[0].error.clone()), (1, None));
        clock.advance(Duration::from_secs(60));
        settle().await;
        let listed = tasks.periodic();
        assert_eq!(listed[0].error.as_deref(), Some("run 2 failed"));
        assert_eq!(listed[0].last.unwrap().to_string(), "2026-03-01T12:02:00Z");

        assert_eq!(tasks.finish(Duration::from_secs(5)).await, 0);
        assert_eq!(count.load(Ordering::Relaxed), 3, "once more at the stop");
    }
}
