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
        Self { links: Arbiter::new(), provision: Arbiter::new(), admin: Arbiter::new() }
    }

    /// Ends them when their tasks have ended.
    pub fn stop(&self) {
        self.links.stop();
        self.provision.stop();
        self.admin.stop();
    }
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
