//! When the redirect service is asked about a phone again.

use jiff::Timestamp;

use super::later;
use crate::{
    net::backoff::{Backoff, Breaker},
    phone::{facet::RedirectState, record::Phone},
    provision::{endpoint_queue::wait_limit, flow::CHECKED_EVERY},
    redirect::RedirectResult,
};

/// How an attempt that failed is repeated.
#[derive(Debug, Clone, Copy)]
pub struct Pause {
    /// The service was away already. Then that is what failed and no matter of the phone: its own pauses do not grow.
    pub is_probe: bool,
    /// 0..1, spreads next attempts.
    pub random: f64,
}

impl Pause {
    /// Notes a failure that can heal and when it is repeated. While its service is away the phone then stands in line
    /// there; the first failure may as well be its own.
    pub(super) fn fail(self, phone: &mut Phone, state: RedirectState, outcome: &RedirectResult, now: Timestamp) {
        let attempts = phone.redirect.attempts;
        let pause = match outcome {
            RedirectResult::RateLimited { retry_after } => wait_limit(*retry_after),
            _ if self.is_probe => Breaker::INTERVAL,
            _ => Backoff::PHONE.pause(attempts.saturating_add(1), self.random),
        };
        phone.redirect.fail(state, outcome.sentence(), Some(later(now, pause)), now);
        if self.is_probe {
            phone.redirect.attempts = attempts;
        }
    }
}

/// When a phone is looked at next: a day from now, give or take six hours, so that phones provisioned together are not
/// for ever asked about together. `random` is 0..1.
pub(super) fn next_check(now: Timestamp, random: f64) -> Timestamp {
    later(now, CHECKED_EVERY.mul_f64(0.75 + 0.5 * random.clamp(0.0, 1.0)))
}
