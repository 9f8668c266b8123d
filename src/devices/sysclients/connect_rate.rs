//! The number of connects per second, never exceeded in any second.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;

const SECOND: Duration = Duration::from_secs(1);
/// Within this time at most a 25th of a second's connects go out, so that a second's share is spread. Twice what an
/// even flow needs: a late timer must not cost throughput.
const SLICE: Duration = Duration::from_millis(20);

/// A sliding window over the connects of the last second.
#[derive(Debug)]
pub struct Rate {
    per_second: usize,
    log: VecDeque<Timestamp>,
}

impl Rate {
    /// At most `per_second` (at least 1) in any second.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self { per_second: usize::try_from(per_second.max(1)).unwrap_or(usize::MAX), log: VecDeque::new() }
    }

    /// When the next one may go out; `now` or earlier means at once.
    pub fn free_at(&mut self, now: Timestamp) -> Timestamp {
        // A clock that was set back would otherwise hold everything until it has caught up.
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

    /// One goes out.
    pub fn take(&mut self, now: Timestamp) {
        self.log.push_back(now);
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}
