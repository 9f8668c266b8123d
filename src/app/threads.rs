//! The threads beside the HTTP workers: arbiters that own what cannot move between threads.

use actix_rt::{Arbiter, ArbiterHandle};
use tokio::sync::oneshot;

use super::StartError;

/// The arbiters of one application.
pub struct Threads {
    /// Outgoing AppWebsockets and redirect calls.
    pub links: Arbiter,
    /// The provisioning engine.
    pub provision: Arbiter,
    /// People.
    pub admin: Arbiter,
}

impl Threads {
    /// Starts them; needs a running actix `System`.
    pub fn start() -> Self {
        Self { links: behind_the_phones(), provision: behind_the_phones(), admin: behind_the_phones() }
    }

    /// Ends them when their tasks have ended.
    pub fn stop(&self) {
        self.links.stop();
        self.provision.stop();
        self.admin.stop();
    }
}

/// How much further back these threads stand than those that answer phones (`nice`): when everything changes at once and
/// there are fewer cores than work, phones are answered first.
const STEP_BACK: i32 = 10;

fn behind_the_phones() -> Arbiter {
    let arbiter = Arbiter::new();
    arbiter.spawn_fn(|| {
        // Of this thread alone, on Linux. Where it cannot be done, all stand alike.
        if let Err(error) = rustix::process::nice(STEP_BACK) {
            tracing::debug!(%error, "this thread keeps its priority");
        }
    });
    arbiter
}

/// Makes something on an arbiter's thread and brings its handle back.
pub async fn on<T: Send + 'static>(
    arbiter: &ArbiterHandle,
    make: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StartError> {
    let (sender, made) = oneshot::channel();
    arbiter.spawn_fn(move || {
        // Whoever waited has given up: then nobody starts any more.
        let _ = sender.send(make());
    });
    made.await.map_err(|_gone| StartError::Thread)
}
