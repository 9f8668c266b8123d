//! What a simulator knows, shared with whoever drives and inspects it: every change wakes those who wait for a
//! condition, so that no test ever sleeps.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

/// How long [`Board::wait`] waits before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A state behind a lock that can be waited on. Cheap to clone; all clones are one.
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

/// What was waited for did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("waited {PATIENCE:?} for {what}, which did not happen")]
pub struct NotInTime {
    /// The condition, as the one who waited named it.
    pub what: String,
}

impl<T> Board<T> {
    /// A board showing `state`.
    pub fn new(state: T) -> Self {
        Self(Arc::new(watch::Sender::new(state)))
    }

    /// Changes the state and wakes everybody who waits.
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

    /// Waits until `look` finds something, 20 seconds at most; `what` names it in the error.
    pub async fn wait<R>(&self, what: &str, mut look: impl FnMut(&T) -> Option<R>) -> Result<R, NotInTime> {
        let mut changes = self.0.subscribe();
        let mut found = None;
        let waiting = changes.wait_for(|state| {
            found = look(state);
            found.is_some()
        });
        let came = tokio::time::timeout(PATIENCE, waiting).await.is_ok_and(|outcome| outcome.is_ok());
        if came { found.ok_or(()) } else { Err(()) }.map_err(|()| NotInTime { what: what.into() })
    }

    /// Waits without limit for a condition; for loops inside the simulators that also watch for the end.
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
