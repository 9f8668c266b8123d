//! Shared state of a simulator. Every change wakes the tasks that wait for a condition, so tests never need to sleep.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

/// How long [`Board::wait`] waits before it gives up.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A lock-protected state that tasks can wait on. Cheap to clone; all clones share the same state.
#[derive(Debug)]
pub struct Board<T>(Arc<watch::Sender<T>>);

impl<T> Clone for Board<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Default> Default for Board<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

/// The awaited condition was not met in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("waited {TIMEOUT:?} for {what}, which did not happen")]
pub struct NotInTime {
    /// The condition, as named by the caller.
    pub what: String,
}

impl<T> Board<T> {
    /// Creates a board with the initial state `state`.
    pub fn new(state: T) -> Self {
        Self(Arc::new(watch::Sender::new(state)))
    }

    /// Changes the state and wakes all waiting tasks.
    pub fn change<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let mut result = None;
        let mut work = Some(work);
        self.0.send_modify(|state| {
            if let Some(work) = work.take() {
                result = Some(work(state));
            }
        });
        match result {
            Some(result) => result,
            // `send_modify` calls its closure exactly once.
            None => unreachable!(),
        }
    }

    /// Reads the state.
    pub fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.0.borrow())
    }

    /// Waits until `look` returns a value, for at most 60 seconds; `what` names the condition in the error.
    pub async fn wait<R>(&self, what: &str, mut look: impl FnMut(&T) -> Option<R>) -> Result<R, NotInTime> {
        let mut changes = self.0.subscribe();
        let mut found = None;
        let waiting = changes.wait_for(|state| {
            found = look(state);
            found.is_some()
        });
        let came = tokio::time::timeout(TIMEOUT, waiting).await.is_ok_and(|outcome| outcome.is_ok());
        if came { found.ok_or(()) } else { Err(()) }.map_err(|()| NotInTime { what: what.into() })
    }

    /// Waits for a condition without a limit. For loops inside the simulators that also watch for shutdown.
    pub(super) async fn changed_to(&self, mut look: impl FnMut(&T) -> bool) {
        let mut changes = self.0.subscribe();
        if changes.wait_for(|state| look(state)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn a_change_wakes_who_waits_for_it() {
        let board = Board::new(0);
        let other = board.clone();
        let waiting = board.wait("three", |n| (*n == 3).then_some(*n));
        let (seen, ()) = tokio::join!(waiting, async {
            for _ in 0..3 {
                other.change(|n| *n += 1);
            }
        });
        assert_eq!(seen, Ok(3));
    }
}
