//! The threads besides the HTTP workers: arbiters that own values which cannot move between threads.

use actix_rt::{Arbiter, ArbiterHandle};
use tokio::sync::oneshot;

use super::StartError;

/// The arbiters of one application.
pub struct Threads {
    /// Outgoing AppWebsockets and redirect calls.
    pub links: Arbiter,
    /// The provisioning engine.
    pub provision: Arbiter,
    /// The admin service.
    pub admin: Arbiter,
}

impl Threads {
    /// Starts the arbiters. Needs a running actix `System`.
    pub fn start() -> Self {
        Self { links: behind_the_phones(), provision: behind_the_phones(), admin: behind_the_phones() }
    }

    /// Stops the arbiters once their tasks have ended.
    pub fn stop(&self) {
        self.links.stop();
        self.provision.stop();
        self.admin.stop();
    }
}

/// The `nice` value of these threads relative to those that serve phones. When there is more work than the cores can
/// do, phones are served first.
const STEP_BACK: i32 = 10;

fn behind_the_phones() -> Arbiter {
    let arbiter = Arbiter::new();
    arbiter.spawn_fn(|| {
        // Applies only to this thread, on Linux. If it fails, all threads have the same priority.
        if let Err(error) = rustix::process::nice(STEP_BACK) {
            tracing::debug!(%error, "this thread keeps its priority");
        }
    });
    arbiter
}

/// Creates a value on an arbiter's thread and returns its handle.
pub async fn on<T: Send + 'static>(
    arbiter: &ArbiterHandle,
    make: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StartError> {
    let (sender, made) = oneshot::channel();
    arbiter.spawn_fn(move || {
        // Fails only if the caller has given up; then the start is aborted.
        let _ = sender.send(make());
    });
    made.await.map_err(|_gone| StartError::Thread)
}
