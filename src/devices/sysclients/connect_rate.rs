//! Limits the number of connects in any period of one second.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;

const SECOND: Duration = Duration::from_secs(1);
/// Spreads the connects of a second: at most a 25th of them go out within this time. That is twice the rate of an even
/// flow, so that a late timer does not reduce throughput.
const SLICE: Duration = Duration::from_millis(20);

/// A sliding window over the connects of the last second.
#[derive(Debug)]
pub struct Rate {
    per_second: usize,
    log: VecDeque<Timestamp>,
}

impl Rate {
    /// Allows at most `per_second` connects (at least 1) in any second.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self { per_second: usize::try_from(per_second.max(1)).unwrap_or(usize::MAX), log: VecDeque::new() }
    }

    /// The earliest time of the next connect; `now` or earlier means at once.
    pub fn free_at(&mut self, now: Timestamp) -> Timestamp {
        // If the clock was set back, do not wait until it has caught up.
        for at in self.log.iter_mut().rev().take_while(|at| **at > now) {
            *at = now;
        }
        while self.log.front().is_some_and(|at| later(*at, SECOND) <= now) {
            self.log.pop_front();
        }
        let slice = self.per_second.div_ceil(25);
        let nth_last = |count: usize, window| {
            self.log.len().checked_sub(count).and_then(|index| self.log.get(index)).map(|at| later(*at, window))
        };
        let second = nth_last(self.per_second, SECOND).unwrap_or(now);
        let slice = nth_last(slice, SLICE).unwrap_or(now);
        second.max(slice)
    }

    /// Records a connect.
    pub fn take(&mut self, now: Timestamp) {
        self.log.push_back(now);
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}
