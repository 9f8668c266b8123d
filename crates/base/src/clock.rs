//! Time as a dependency: every decision that depends on "now" takes it from a [`Clock`], so that tests hold the
//! hands. Times are UTC; SQLite stores them as Unix milliseconds.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;

/// A source of the current time and of waking up later.
pub trait Clock: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;
    /// What the computer's clock says, also where that is before what it said earlier.
    fn wall(&self) -> Timestamp {
        self.now()
    }
    /// Completes when [`Clock::now`] has reached `until`; at once when it already has.
    fn sleep_until(&self, until: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The clock as it is handed around.
pub type SharedClock = Arc<dyn Clock>;

/// How often whoever sleeps looks at the clock.
const LOOK: Duration = Duration::from_secs(10);

/// The time of the computer's clock, but never backwards: when that is set back, this one goes on at half its speed until
/// both agree. So nothing that waits for a time waits longer than twice as long, and nothing happens twice.
struct ClockHand {
    shown: Timestamp,
    /// Of a count that cannot be set, when `shown` was shown.
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

/// The computer's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the computer's clock")]
    fn now(&self) -> Timestamp {
        static HAND: Mutex<Option<(ClockHand, Instant)>> = Mutex::new(None);
        let wall = Timestamp::now();
        let mut place = HAND.lock().unwrap_or_else(PoisonError::into_inner);
        let (hand, begun) = place.get_or_insert_with(|| (ClockHand::at(wall, Duration::ZERO), Instant::now()));
        hand.follow(wall, begun.elapsed())
    }

    #[expect(clippy::disallowed_methods, reason = "the computer's clock as it is")]
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
                // In pieces: should the computer's clock be set forward, that is seen.
                tokio::time::sleep(pause.min(LOOK)).await;
            }
        })
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

    /// Sets the time, as an administrator or a time server does.
    pub fn set(&self, to: Timestamp) {
        self.time.send_replace(to);
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

/// A clock before 1970. HTTP cannot write such a date, and the HTTP server serves nobody from the moment it tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the computer's clock says {0:.0}, which is before 1970: no HTTP date can be written. Set the clock (`timedatectl set-ntp \
     true`, or `date -s`), then start gangway again"
)]
pub struct BeforeEpoch(Timestamp);

/// Looks whether the computer's clock can be worked with.
///
/// # Errors
/// [`BeforeEpoch`].
pub fn prove(clock: &dyn Clock) -> Result<(), BeforeEpoch> {
    let wall = clock.wall();
    if wall < Timestamp::UNIX_EPOCH { Err(BeforeEpoch(wall)) } else { Ok(()) }
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
    fn a_clock_that_is_set_back_goes_on_slowly_until_it_agrees() {
        let wall = |second| Timestamp::from_second(second).unwrap();
        let steady = Duration::from_secs;
        let mut hand = ClockHand::at(wall(10_000), steady(0));
        assert_eq!(hand.follow(wall(10_010), steady(10)), wall(10_010));
        // Set back by an hour; ten minutes later half of them have been shown.
        assert_eq!(hand.follow(wall(6_410), steady(10)), wall(10_010));
        assert_eq!(hand.follow(wall(7_010), steady(610)), wall(10_310));
        // After two hours both agree again.
        assert_eq!(hand.follow(wall(13_610), steady(7_210)), wall(13_610));
        // Set forward: followed at once.
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
