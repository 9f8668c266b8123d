//! The single thread that runs all simulators of a test (or of `gangway demo`). The HTTP client is not `Send`, so all
//! network code runs on this thread. Tests hold a `Send` handle and submit jobs to the thread.

use std::{future::Future, io, thread::JoinHandle, time::Duration};

use gangway_base::tasks::Tasks;
use tokio::sync::{mpsc, oneshot};

type Job = Box<dyn FnOnce(&Tasks) + Send>;

/// Capacity of the job queue. Each job starts at once, so the queue is nearly always empty.
const QUEUE: usize = 4096;
/// How long servers and connections may take to shut down when the host is dropped.
const FAREWELL: Duration = Duration::from_secs(2);

/// Owns the thread. Dropping it stops every simulator started on it and joins the thread.
#[derive(Debug)]
pub struct SimHost {
    handle: HostHandle,
    tasks: Tasks,
    thread: Option<JoinHandle<()>>,
}

/// Starts work on the host's thread. Cheap to clone and usable from any thread.
#[derive(Debug, Clone)]
pub struct HostHandle {
    jobs: mpsc::Sender<Job>,
}

/// The host ended before the work was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the simulators' thread has ended: keep the SimHost (or the World) alive as long as its simulators are used")]
pub struct HostGone;

impl SimHost {
    /// Starts the thread with a separate actix system.
    pub fn start() -> io::Result<Self> {
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
        let tasks = Tasks::new();
        let thread = std::thread::Builder::new().name("simulators".into()).spawn({
            let tasks = tasks.clone();
            move || {
                actix_rt::System::new().block_on(async move {
                    loop {
                        tokio::select! {
                            () = tasks.stopping() => break,
                            job = queue.recv() => match job {
                                Some(job) => job(&tasks),
                                None => break,
                            },
                        }
                    }
                    tasks.finish(FAREWELL).await;
                });
            }
        })?;
        Ok(Self { handle: HostHandle { jobs }, tasks, thread: Some(thread) })
    }

    /// The handle for starting simulators.
    #[must_use]
    pub fn handle(&self) -> HostHandle {
        self.handle.clone()
    }
}

impl Drop for SimHost {
    fn drop(&mut self) {
        self.tasks.stop_token().cancel();
        if let Some(thread) = self.thread.take() {
            // A panic on that thread was already printed there.
            let _ = thread.join();
        }
    }
}

impl HostHandle {
    /// Runs a future on the host's thread and waits for its result. The future need not be `Send`.
    pub async fn run<T, F, Fut>(&self, work: F) -> Result<T, HostGone>
    where
        T: Send + 'static,
        F: FnOnce(Tasks) -> Fut + Send + 'static,
        Fut: Future<Output = T> + 'static,
    {
        let (answer, result) = oneshot::channel();
        let job: Job = Box::new(move |tasks| {
            let inside = tasks.clone();
            tasks.spawn_local("sim work", async move {
                let _ = answer.send(work(inside).await);
            });
        });
        self.jobs.send(job).await.map_err(|_lost| HostGone)?;
        result.await.map_err(|_lost| HostGone)
    }

    /// Starts a task that ends by itself or when the host ends.
    pub fn spawn<F, Fut>(&self, name: &'static str, work: F)
    where
        F: FnOnce(Tasks) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let job: Job = Box::new(move |tasks| {
            let inside = tasks.clone();
            let stop = tasks.stop_token();
            tasks.spawn_local(name, async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = work(inside) => {}
                }
            });
        });
        // Ignore the error: after the host has ended, no new task should start.
        let _ = self.jobs.try_send(job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn work_runs_on_the_other_thread_and_ends_with_the_host() {
        let host = SimHost::start().unwrap();
        let handle = host.handle();
        let there = handle.run(|_| async { std::thread::current().id() }).await.unwrap();
        assert_ne!(there, std::thread::current().id());
        handle.spawn("endless", |_| std::future::pending());
        drop(host);
        assert_eq!(handle.run(|_| async {}).await, Err(HostGone));
    }
}
