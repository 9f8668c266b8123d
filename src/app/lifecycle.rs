//! When the gateway ends, and how: one signal finishes what is in flight, a second one or ten seconds end it hard.

use std::time::Duration;

use gangway_base::tasks::Tasks;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long a shutdown may take: what is in flight is finished or answered within it.
pub const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(10);

/// Why the gateway stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// SIGTERM or SIGINT.
    Signal,
    /// Whoever started it asked for it (tests, `demo --once`).
    Asked,
}

/// The signals of the process, registered before anything is said to be running.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Registers for SIGTERM, SIGINT and SIGHUP. From here on none of them kills the process unasked.
    pub fn register() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the end; each SIGHUP before it calls `reload`.
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

    /// A second signal while stopping.
    pub async fn impatient(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
