//! Time as a dependency. Every decision that depends on "now" reads it from a [`Clock`], so that tests control the
//! time. Times are UTC; SQLite stores them as Unix milliseconds.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;

/// A source of the current time that also supports sleeping until a given time.
pub trait Clock: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;
    /// The system clock's time, which may be earlier than a value returned before.
    fn wall(&self) -> Timestamp {
        self.now()
    }
    /// Completes when [`Clock::now`] reaches `until`, or immediately if it already has.
    fn sleep_until(&self, until: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The shared handle to a clock.
pub type SharedClock = Arc<dyn Clock>;

/// Interval at which a sleeping task rereads the clock.
const MAX_SLEEP: Duration = Duration::from_secs(10);

/// A system time that never runs backwards. When the system clock is set back, this clock runs at half speed until the
/// two agree. A task that waits for a time therefore waits at most twice as long, and nothing happens twice.
struct ClockHand {
    shown: Timestamp,
    /// Reading of the monotonic clock when `shown` was returned.
    seen: Duration,
}

impl ClockHand {
    fn at(wall: Timestamp, steady: Duration) -> Self {
        Self { shown: wall, seen: steady }
    }

    fn follow(&mut self, wall: Timestamp, steady: Duration) -> Timestamp {
        let passed = steady.saturating_sub(self.seen);
        let slowly = self.shown.saturating_add(passed / 2).unwrap_or(Timestamp::MAX);
        self.shown = wall.max(slowly);
        self.seen = steady.max(self.seen);
        self.shown
    }
}

/// The system clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the system clock")]
    fn now(&self) -> Timestamp {
        static HAND: Mutex<Option<(ClockHand, Instant)>> = Mutex::new(None);
        let wall = Timestamp::now();
        let mut place = HAND.lock().unwrap_or_else(PoisonError::into_inner);
        let (hand, begun) = place.get_or_insert_with(|| (ClockHand::at(wall, Duration::ZERO), Instant::now()));
        hand.follow(wall, begun.elapsed())
    }

    #[expect(clippy::disallowed_methods, reason = "returns the system clock unadjusted")]
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep_until(&self, until: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let clock = *self;
        Box::pin(async move {
            loop {
                let pause = until_duration(clock.now(), until);
                if pause.is_zero() {
                    return;
                }
                // Sleep in short intervals, to notice when the system clock is set forward.
                tokio::time::sleep(pause.min(MAX_SLEEP)).await;
            }
        })
    }
}

/// A clock for tests that only moves when a test sets or advances it. Clones share one time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    time: Arc<tokio::sync::watch::Sender<Timestamp>>,
}

impl ManualClock {
    /// A clock set to `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self { time: Arc::new(tokio::sync::watch::Sender::new(start)) }
    }

    /// Sets the time, as an administrator or an NTP daemon does.
    pub fn set(&self, to: Timestamp) {
        self.time.send_replace(to);
    }

    /// Moves the time forward and wakes all tasks whose time has been reached.
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
            // Ignore the error: it means that the clock was dropped, so no task is waiting for it.
            let _ = time.wait_for(|now| *now >= until).await;
        })
    }
}

/// The system clock is before 1970. HTTP cannot represent such a date, and the HTTP server stops serving requests as
/// soon as it tries to write one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the computer's clock says {0:.0}, which is before 1970: no HTTP date can be written. Set the clock (`timedatectl set-ntp \
     true`, or `date -s`), then start gangway again"
)]
pub struct BeforeEpoch(Timestamp);

/// Checks that the system clock is usable.
///
/// # Errors
/// Returns [`BeforeEpoch`] if the clock is before 1970.
pub fn prove(clock: &dyn Clock) -> Result<(), BeforeEpoch> {
    let wall = clock.wall();
    if wall < Timestamp::UNIX_EPOCH { Err(BeforeEpoch(wall)) } else { Ok(()) }
}

/// The duration from `now` to `until`, or zero if `until` is in the past.
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
    fn a_clock_that_is_set_back_goes_on_slowly_until_it_agrees() {
        let wall = |second| Timestamp::from_second(second).unwrap();
        let steady = Duration::from_secs;
        let mut hand = ClockHand::at(wall(10_000), steady(0));
        assert_eq!(hand.follow(wall(10_010), steady(10)), wall(10_010));
        // Set back by an hour: ten minutes later the clock has advanced by five.
        assert_eq!(hand.follow(wall(6_410), steady(10)), wall(10_010));
        assert_eq!(hand.follow(wall(7_010), steady(610)), wall(10_310));
        // After two hours the clocks agree again.
        assert_eq!(hand.follow(wall(13_610), steady(7_210)), wall(13_610));
        // A step forward is followed immediately.
        assert_eq!(hand.follow(wall(99_999), steady(7_211)), wall(99_999));
    }

    #[test]
    fn a_clock_before_1970_is_told_from_one_that_never_was_set() {
        let at = |second| ManualClock::new(Timestamp::from_second(second).unwrap());
        assert!(prove(&at(0)).is_ok() && prove(&at(3600)).is_ok() && prove(&SystemClock).is_ok());
        let refused = prove(&at(-1)).unwrap_err().to_string();
        assert!(refused.contains("1969-12-31T23:59:59Z") && refused.contains("Set the clock"), "{refused}");
    }

    #[test]
    fn a_pause_never_is_negative() {
        let later = Timestamp::from_second(5).unwrap();
        assert_eq!(until_duration(later, Timestamp::UNIX_EPOCH), Duration::ZERO);
        assert_eq!(until_duration(Timestamp::UNIX_EPOCH, later), Duration::from_secs(5));
    }
}
