//! How long, and for whom, what travelled through a redirect service opens anything.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use jiff::Timestamp;

/// The time in which bootstrap (token, redirect credentials) admits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootstrapWindow {
    /// When it was opened last; `None` = never.
    pub opened: Option<Timestamp>,
    /// When it closes at the latest.
    pub until: Option<Timestamp>,
    /// First personal delivery inside this window.
    pub first_delivery: Option<Timestamp>,
    /// Source that delivery bound it to.
    pub bound: Option<WindowBinding>,
    /// When it was closed before `until`.
    pub closed: Option<Timestamp>,
    /// Whether a person let the phone come without a token too (DHCP, a URL typed by hand), and from where.
    pub first_contact: FirstContact,
}

/// Whether a phone may come without token and credentials (a click or a CSV line).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FirstContact {
    /// The rule: it may not.
    #[default]
    Refused,
    /// It may, from this network where one is given.
    Allowed(Option<IpNet>),
}

/// How long a window is open at most, whatever a setting or a stored record says.
const LONGEST_WINDOW: Duration = Duration::from_secs(7 * 86_400);
/// What is this far ahead of the clock was written before somebody set it back: how old it is nobody knows.
const CLOCK_SKEW: Duration = Duration::from_secs(3_600);

/// Whether a stored time cannot be trusted, because the clock stands before it.
#[must_use]
pub fn is_ahead(stored: Timestamp, now: Timestamp) -> bool {
    now.saturating_add(CLOCK_SKEW).is_ok_and(|soon| soon < stored)
}

impl BootstrapWindow {
    /// Opens anew for `days`: binding and first delivery are forgotten. In whole milliseconds, as the store keeps it: by
    /// this time it is told whether the window that is bound is still the one that was judged.
    pub fn open(&mut self, now: Timestamp, days: u32) {
        let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        let until = now
            .saturating_add(Duration::from_secs(u64::from(days) * 86_400).min(LONGEST_WINDOW))
            .unwrap_or(Timestamp::MAX);
        *self = Self { opened: Some(now), until: Some(until), ..Self::default() };
    }

    /// When it ends if nothing closes it before.
    #[must_use]
    pub fn ends(&self) -> Option<Timestamp> {
        let longest = self.opened?.saturating_add(LONGEST_WINDOW).unwrap_or(Timestamp::MAX);
        Some(self.until?.min(longest))
    }

    /// Whether bootstrap admits now. A clock that was set back closes it.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.closed.is_none()
            && self.ends().is_some_and(|end| now < end)
            && self.opened.is_some_and(|opened| !is_ahead(opened, now))
    }
}

/// What the first delivery binds a window to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowBinding {
    /// Source address.
    pub source: IpAddr,
    /// User-Agent family (vendor and model, without firmware).
    pub family: String,
}
