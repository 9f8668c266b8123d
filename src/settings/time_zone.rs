//! Time zones in the form phones support: one offset and, with daylight saving time, the day of each change. Devices
//! sends POSIX TZ strings (with reversed signs: `CET-1` is east of UTC), settings contain IANA names. An unsupported
//! zone is an error and never silently treated as offset 0.

mod dst_rule;
mod names;
mod posix;

use std::sync::LazyLock;

use jiff::{
    Timestamp,
    tz::{TimeZone, TimeZoneDatabase},
};

pub use dst_rule::{ClockChange, ClockRule, DstRule};
pub use names::{ZoneName, ZoneNames, why_not};

/// The time-zone database. Always the bundled one and never the system's, so that the same settings produce the same
/// file on every machine, and the tested data is what is used in production.
static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The zone with this IANA name, case-insensitive.
#[must_use]
pub fn iana(name: &str) -> Option<TimeZone> {
    DATABASE.get(name).ok()
}

/// A time zone, given by IANA name or POSIX TZ string.
#[derive(Debug, Clone)]
pub struct Zone {
    time_zone: TimeZone,
}

/// Why a zone could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the time zone '{zone}' is not understood ({reason}): set the setting timezone to an IANA name such as Europe/Berlin"
)]
pub struct ZoneError {
    /// The text as given.
    pub zone: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Zone {
    /// Parses an IANA name or a POSIX TZ string.
    ///
    /// # Errors
    /// If the text is neither.
    pub fn read(text: &str) -> Result<Self, ZoneError> {
        let error = |reason| ZoneError { zone: text.to_owned(), reason };
        let text = text.trim();
        match text {
            "" => return Err(error("it is empty")),
            // The database's placeholder for a system without a configured zone.
            _ if text.eq_ignore_ascii_case("Factory") => return Err(error("it names no place")),
            _ => {}
        }
        // "EST5EDT" and the like are valid in both forms; the database contains them too.
        if !text.contains(',')
            && let Some(time_zone) = iana(text)
        {
            return Ok(Self { time_zone });
        }
        let spelt = posix::parse(text).map_err(error)?.to_string();
        let time_zone = TimeZone::posix(&spelt).map_err(|_refused| error("its rule contradicts itself"))?;
        Ok(Self { time_zone })
    }

    /// The IANA name, if it was parsed from one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.time_zone.iana_name()
    }

    /// The rule that a phone needs on that day for its clock to be right at least until the second change after it. For
    /// nearly all zones the rule is the same on every day.
    #[must_use]
    pub fn rule_at(&self, now: Timestamp) -> ClockRule {
        dst_rule::rule_at(&self.time_zone, now)
    }
}

impl From<TimeZone> for Zone {
    fn from(time_zone: TimeZone) -> Self {
        Self { time_zone }
    }
}

#[cfg(test)]
mod tests;
