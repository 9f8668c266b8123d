//! Time as a dependency: every decision that depends on "now" takes it from a [`Clock`], so that tests hold the
//! hands. Times are UTC; SQLite stores them as Unix milliseconds.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use jiff::Timestamp;

/// A source of the current time and of waking up later.
pub trait Clock: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;
    /// Completes when [`Clock::now`] has reached `until`; at once when it already has.
    fn sleep_until(&self, until: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The clock as it is handed around.
pub type SharedClock = Arc<dyn Clock>;

/// The computer's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the computer's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep_until(&self, until: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let pause = until_duration(self.now(), until);
        Box::pin(tokio::time::sleep(pause))
    }
}

/// A clock that stands still until it is told to move. For tests; several holders share one time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    time: Arc<tokio::sync::watch::Sender<Timestamp>>,
}

impl ManualClock {
    /// A clock standing at `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self { time: Arc::new(tokio::sync::watch::Sender::new(start)) }
    }

    /// Moves the time forward and wakes whoever waited for a time that has now come.
    pub fn advance(&self, by: Duration) {
        self.time.send_modify(|now| {
            *now = now.saturating_add(by).unwrap_or(Timestamp::MAX);
        });
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.time.borrow()
    }

    fn sleep_until(&self, until: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut time = self.time.subscribe();
        Box::pin(async move {
            // An error means that the clock is gone; then nobody is left to wait for.
            let _ = time.wait_for(|now| *now >= until).await;
        })
    }
}

/// The pause from `now` to `until`, zero when that lies in the past.
#[must_use]
pub fn until_duration(now: Timestamp, until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_at_the_time_and_not_before() {
        let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
        let waiting = clock.sleep_until(Timestamp::from_second(10).unwrap());
        tokio::pin!(waiting);
        clock.advance(Duration::from_secs(9));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        clock.advance(Duration::from_secs(1));
        waiting.await;
        assert_eq!(clock.now(), Timestamp::from_second(10).unwrap());
    }

    #[test]
    fn a_pause_never_is_negative() {
        let later = Timestamp::from_second(5).unwrap();
        assert_eq!(until_duration(later, Timestamp::UNIX_EPOCH), Duration::ZERO);
        assert_eq!(until_duration(Timestamp::UNIX_EPOCH, later), Duration::from_secs(5));
    }
}
