//! Detects that an administrator or a script removed the socket from the data directory, and creates it again.

use std::{io, sync::Arc, time::Duration};

use gangway_base::{
    periodic::{PeriodicTask, RunResult},
    tasks::Tasks,
};
use tokio::{net::UnixListener, sync::mpsc};

use super::{SocketDirectory, path::SocketFile};

/// Pause between two checks. Commands look for a gateway longer than this.
const PAUSE: Duration = Duration::from_secs(5);

/// Checks whether the socket of the directory is still the one that the gateway listens at.
pub(super) struct WatchLocalSocket {
    pub(super) directory: Arc<SocketDirectory>,
    /// The file that was created last.
    pub(super) file: SocketFile,
    /// Takes the listeners that replace the former one.
    pub(super) listeners: mpsc::Sender<UnixListener>,
    pub(super) tasks: Tasks,
    /// The last attempt failed; that is logged once.
    pub(super) has_failed: bool,
}

impl PeriodicTask for WatchLocalSocket {
    const NAME: &'static str = "watch local socket";

    fn period(&self) -> Duration {
        PAUSE
    }

    async fn run(&mut self) -> RunResult {
        // A gateway that stops removes its socket itself.
        if self.tasks.is_stopping() || self.directory.holds(&self.file) {
            return Ok(());
        }
        match self.create() {
            Ok(listener) => {
                tracing::warn!("the local socket was removed, and is created again: commands reach this gateway");
                self.has_failed = false;
                // Fails only if the gateway stops listening.
                let _ = self.listeners.send(listener).await;
                Ok(())
            }
            Err(error) => {
                if !std::mem::replace(&mut self.has_failed, true) {
                    tracing::error!(%error, "commands cannot reach this gateway: its local socket was removed, and cannot be created again");
                }
                Err(format!("the local socket was removed, and cannot be created again: {error}"))
            }
        }
    }
}

impl WatchLocalSocket {
    fn create(&mut self) -> io::Result<UnixListener> {
        let (listener, file) = self.directory.bind()?;
        let listener = UnixListener::from_std(listener)?;
        self.file = file;
        Ok(listener)
    }
}
