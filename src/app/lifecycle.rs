//! Shutdown of the gateway: the first signal finishes pending work; a second one, or ten seconds, force the end.

use std::time::Duration;

use gangway_base::tasks::Tasks;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Time limit of a shutdown. Pending work is finished or answered within it.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the gateway stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// SIGTERM or SIGINT.
    Signal,
    /// Requested by the code that started it (tests, `demo --once`).
    Asked,
}

/// The signals of the process, registered before the gateway reports that it is running.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Registers for SIGTERM, SIGINT and SIGHUP. From here on they do not kill the process by default.
    pub fn register() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a reason to stop. Calls `reload` for each SIGHUP before that.
    pub async fn until_stop(&mut self, tasks: &Tasks, mut reload: impl FnMut()) -> StopReason {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return StopReason::Signal,
                _ = self.interrupt.recv() => return StopReason::Signal,
                _ = self.hangup.recv() => {
                    tracing::info!("SIGHUP: reloading");
                    reload();
                }
                () = tasks.stopping() => return StopReason::Asked,
            }
        }
    }

    /// Waits for a second signal while stopping.
    pub async fn impatient(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
