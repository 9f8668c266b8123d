//! The bootstrap window: how long, and from where, data sent through a redirect service is accepted.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use jiff::Timestamp;

/// The time during which bootstrap (token, redirect credentials) is accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootstrapWindow {
    /// When it was last opened; `None` means never.
    pub opened: Option<Timestamp>,
    /// When it closes at the latest.
    pub until: Option<Timestamp>,
    /// First personal delivery inside the window.
    pub first_delivery: Option<Timestamp>,
    /// Source to which that delivery bound the window.
    pub bound: Option<WindowBinding>,
    /// When it was closed before `until`.
    pub closed: Option<Timestamp>,
    /// Whether an administrator allowed the phone to fetch without a token too (DHCP, a URL entered manually), and from
    /// where.
    pub first_contact: FirstContact,
}

/// Whether a phone may fetch without token and credentials (set in the admin page or in a CSV line).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FirstContact {
    /// Not allowed. This is the default.
    #[default]
    Refused,
    /// Allowed, only from this network if one is given.
    Allowed(Option<IpNet>),
}

/// Upper limit for the duration of a window. It overrides settings and stored records.
const LONGEST_WINDOW: Duration = Duration::from_secs(7 * 86_400);
/// A stored time this far in the future was written before the clock was set back, so its age is unknown.
const CLOCK_SKEW: Duration = Duration::from_secs(3_600);

/// Whether a stored time cannot be trusted because it is too far in the future.
#[must_use]
pub fn is_ahead(stored: Timestamp, now: Timestamp) -> bool {
    now.saturating_add(CLOCK_SKEW).is_ok_and(|soon| soon < stored)
}

impl BootstrapWindow {
    /// Opens the window again for `days` and clears binding and first delivery. The time is rounded down to
    /// milliseconds as in the store, because it identifies the window: it is compared to check that the window being
    /// bound is the one the decision was based on.
    pub fn open(&mut self, now: Timestamp, days: u32) {
        let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        let until = now
            .saturating_add(Duration::from_secs(u64::from(days) * 86_400).min(LONGEST_WINDOW))
            .unwrap_or(Timestamp::MAX);
        *self = Self { opened: Some(now), until: Some(until), ..Self::default() };
    }

    /// When the window ends unless it is closed earlier.
    #[must_use]
    pub fn ends(&self) -> Option<Timestamp> {
        let longest = self.opened?.saturating_add(LONGEST_WINDOW).unwrap_or(Timestamp::MAX);
        Some(self.until?.min(longest))
    }

    /// Whether bootstrap is accepted now. If the clock was set back, it is not.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.closed.is_none()
            && self.ends().is_some_and(|end| now < end)
            && self.opened.is_some_and(|opened| !is_ahead(opened, now))
    }
}

/// The source to which the first delivery binds a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowBinding {
    /// Source address.
    pub source: IpAddr,
    /// User-Agent family (vendor and model, without firmware).
    pub family: String,
}
