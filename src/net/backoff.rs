//! Determines how long to wait before a retry, and when to stop retrying. Pure: time and randomness are parameters.

use std::time::Duration;

use jiff::Timestamp;

/// Exponential backoff with full jitter between a minimum and a maximum pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    min: Duration,
    max: Duration,
}

/// Invalid limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BackoffError {
    /// A pause of zero would be a busy loop.
    #[error("the least pause between two attempts must be more than zero")]
    Zero,
    /// The minimum is greater than the maximum.
    #[error("the least pause between two attempts ({min:?}) is longer than the greatest ({max:?}): swap them")]
    Order {
        /// The given minimum.
        min: Duration,
        /// The given maximum.
        max: Duration,
    },
}

impl Backoff {
    /// The pauses for one phone after a temporary rejection: 1 s to 5 min.
    pub const PHONE: Self = Self { min: Duration::from_secs(1), max: Duration::from_secs(300) };

    /// Creates pauses of at least `min` and at most `max`.
    pub fn new(min: Duration, max: Duration) -> Result<Self, BackoffError> {
        if min.is_zero() {
            return Err(BackoffError::Zero);
        }
        if min > max {
            return Err(BackoffError::Order { min, max });
        }
        Ok(Self { min, max })
    }

    /// Returns the longest pause after `failures` consecutive failures. It doubles with each failure, up to the
    /// maximum.
    #[must_use]
    pub fn ceiling(&self, failures: u32) -> Duration {
        self.min.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(self.max)
    }

    /// Returns the pause after `failures` consecutive failures: between the minimum and [`Backoff::ceiling`], chosen by
    /// `random` from `0.0..1.0`. The whole range is used, so that clients that failed together do not retry together.
    #[must_use]
    pub fn pause(&self, failures: u32, random: f64) -> Duration {
        let random = if random.is_finite() { random.clamp(0.0, 1.0) } else { 0.0 };
        let range = self.ceiling(failures).saturating_sub(self.min);
        (self.min + range.mul_f64(random)).min(self.max)
    }
}

/// The decision of a [`Breaker`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerDecision {
    /// The endpoint is available: proceed within the general limits.
    Free,
    /// The endpoint is unavailable, and this attempt is the probe that checks it.
    Probe,
    /// The endpoint is unavailable: retry at this time, or when it is available again.
    Wait(Timestamp),
}

/// The circuit breaker of one endpoint (a Devices URL's host, a redirect account, a PBX). While the endpoint is
/// unavailable, one probe is allowed per interval, regardless of the result of the previous one.
#[derive(Debug, Clone)]
pub struct Breaker {
    interval: Duration,
    away: Option<Away>,
}

#[derive(Debug, Clone, Copy)]
struct Away {
    since: Timestamp,
    next_probe: Timestamp,
    /// Maximum time from now to the next probe.
    pause: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new(Self::INTERVAL)
    }
}

impl Breaker {
    /// The interval between two probes of an unavailable endpoint.
    pub const INTERVAL: Duration = Duration::from_secs(10);

    /// Creates a breaker that assumes the endpoint is available.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self { interval, away: None }
    }

    /// Requests permission for one attempt. [`BreakerDecision::Probe`] is returned once per interval.
    #[must_use]
    pub fn admit(&mut self, now: Timestamp) -> BreakerDecision {
        if let Some(until) = self.closed_until(now) {
            return BreakerDecision::Wait(until);
        }
        let Some(away) = &mut self.away else { return BreakerDecision::Free };
        away.pause = self.interval;
        away.next_probe = after(now, self.interval);
        BreakerDecision::Probe
    }

    /// Returns the time until which no attempt is allowed, or `None` if one may be [requested](Self::admit).
    #[must_use]
    pub fn closed_until(&mut self, now: Timestamp) -> Option<Timestamp> {
        let away = self.away.as_mut()?;
        // If the clock was set back, the probe must not be postponed by more than the pause.
        away.next_probe = away.next_probe.min(after(now, away.pause));
        (now < away.next_probe).then_some(away.next_probe)
    }

    /// The endpoint answered. Returns true if it had been unavailable, so that waiting attempts may proceed.
    pub fn succeeded(&mut self) -> bool {
        self.away.take().is_some()
    }

    /// The endpoint could not be reached. Returns true if it had been available until now.
    pub fn failed(&mut self, now: Timestamp) -> bool {
        if self.away.is_some() {
            // Late failures of earlier attempts must not postpone the next probe.
            return false;
        }
        self.away = Some(Away { since: now, next_probe: after(now, self.interval), pause: self.interval });
        true
    }

    /// The endpoint is reachable but requests a pause of this length. Returns true if it had been available until now.
    pub fn apply_requested_pause(&mut self, pause: Duration, now: Timestamp) -> bool {
        let since = self.away_since();
        self.away = Some(Away { since: since.unwrap_or(now), next_probe: after(now, pause), pause });
        since.is_none()
    }

    /// Returns since when the endpoint is unavailable, or `None` if it is available.
    #[must_use]
    pub fn away_since(&self) -> Option<Timestamp> {
        self.away.map(|away| away.since)
    }

    /// Returns when the next probe is allowed, or `None` if the endpoint is available.
    #[must_use]
    pub fn next_probe(&self) -> Option<Timestamp> {
        self.away.map(|away| away.next_probe)
    }
}

fn after(now: Timestamp, pause: Duration) -> Timestamp {
    now.saturating_add(pause).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(milliseconds).unwrap()
    }

    #[test]
    fn senseless_bounds_are_refused() {
        let second = Duration::from_secs(1);
        assert_eq!(Backoff::new(Duration::ZERO, second), Err(BackoffError::Zero));
        assert!(matches!(Backoff::new(second * 2, second), Err(BackoffError::Order { .. })));
        assert!(Backoff::new(second, second).is_ok());
    }

    #[test]
    fn while_away_one_probe_per_interval_goes_out_even_when_it_never_reports() {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.admit(at(0)), BreakerDecision::Free);
        assert!(breaker.failed(at(0)));
        assert!(!breaker.failed(at(5_000)));
        assert_eq!(breaker.admit(at(9_999)), BreakerDecision::Wait(at(10_000)));
        assert_eq!(breaker.admit(at(10_000)), BreakerDecision::Probe);
        assert_eq!(breaker.admit(at(10_000)), BreakerDecision::Wait(at(20_000)));
        assert_eq!(breaker.admit(at(20_001)), BreakerDecision::Probe);
        assert!(breaker.succeeded());
        assert!(!breaker.succeeded());
        assert_eq!(breaker.admit(at(20_001)), BreakerDecision::Free);
    }

    #[test]
    fn a_clock_set_back_delays_a_probe_by_one_interval_at_most() {
        let mut breaker = Breaker::default();
        breaker.failed(at(1_000_000));
        assert_eq!(breaker.admit(at(0)), BreakerDecision::Wait(at(10_000)));
        assert_eq!(breaker.admit(at(10_000)), BreakerDecision::Probe);
    }

    #[test]
    fn an_endpoint_that_asks_for_patience_gets_it_also_from_a_clock_set_back() {
        let mut breaker = Breaker::default();
        assert!(breaker.apply_requested_pause(Duration::from_secs(60), at(100_000)));
        assert_eq!(breaker.admit(at(159_999)), BreakerDecision::Wait(at(160_000)));
        assert_eq!(breaker.admit(at(0)), BreakerDecision::Wait(at(60_000)));
        assert_eq!(breaker.admit(at(60_000)), BreakerDecision::Probe);
        assert_eq!(breaker.admit(at(60_000)), BreakerDecision::Wait(at(70_000)), "then it is probed as any other");
        assert!(breaker.succeeded());
    }

    proptest! {
        #[test]
        fn every_pause_lies_in_its_bounds(
            min in 1_u64..100_000, extra in 0_u64..1_000_000, failures: u32, random in any::<f64>()
        ) {
            let min = Duration::from_millis(min);
            let max = min + Duration::from_millis(extra);
            let backoff = Backoff::new(min, max).unwrap();
            let pause = backoff.pause(failures, random);
            prop_assert!(min <= pause && pause <= max && pause <= backoff.ceiling(failures));
            prop_assert!(backoff.ceiling(failures) <= backoff.ceiling(failures.saturating_add(1)));
        }

        #[test]
        fn a_breaker_never_lets_two_probes_out_within_one_interval(
            steps in proptest::collection::vec((0_i64..4_000, 0_u8..4), 1..200)
        ) {
            let mut breaker = Breaker::default();
            let (mut now, mut last_probe) = (0, None::<i64>);
            for (pause, step) in steps {
                now += pause;
                match step {
                    0 => { breaker.failed(at(now)); }
                    1 => { breaker.succeeded(); last_probe = None; }
                    _ => match breaker.admit(at(now)) {
                        BreakerDecision::Probe => {
                            prop_assert!(last_probe.is_none_or(|last| now - last >= 10_000));
                            last_probe = Some(now);
                        }
                        BreakerDecision::Free => prop_assert!(breaker.away_since().is_none()),
                        BreakerDecision::Wait(until) => prop_assert!(until > at(now) && until <= at(now + 10_000)),
                    },
                }
            }
        }
    }
}
