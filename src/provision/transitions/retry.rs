//! Computes when the redirect service is asked about a phone again.

use jiff::Timestamp;

use super::later;
use crate::{
    net::backoff::{Backoff, Breaker},
    phone::{facet::RedirectState, record::Phone},
    provision::{endpoint_queue::wait_limit, flow::CHECKED_EVERY},
    redirect::RedirectResult,
};

/// How a failed attempt is retried.
#[derive(Debug, Clone, Copy)]
pub struct Pause {
    /// The service was already away. The failure is then not caused by the phone, so its own pauses do not grow.
    pub is_probe: bool,
    /// 0..1; spreads the next attempts.
    pub random: f64,
}

impl Pause {
    /// Records a failure that may recover, and when to retry. While the service is away, the phone then queues at the
    /// endpoint; the first failure may also be caused by the phone.
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

/// When a phone is compared next: in a day, give or take six hours, so that phones provisioned together are not always
/// compared together. `random` is 0..1.
pub(super) fn next_check(now: Timestamp, random: f64) -> Timestamp {
    later(now, CHECKED_EVERY.mul_f64(0.75 + 0.5 * random.clamp(0.0, 1.0)))
}
