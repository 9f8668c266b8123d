//! Time zones as a phone can keep them: one offset and, where there is daylight saving time, the day of each change.
//! Devices sends POSIX TZ strings (signs reversed: `CET-1` lies east), settings hold IANA names. What cannot be
//! understood is an error, never silently offset 0.

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

/// The zones that are known: always those built in, never the computer's own, so that the same settings give the same
/// file on every machine and what is tested is what is served.
static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The zone of an IANA name, in any case.
#[must_use]
pub fn iana(name: &str) -> Option<TimeZone> {
    DATABASE.get(name).ok()
}

/// A time zone by name or by POSIX TZ string.
#[derive(Debug, Clone)]
pub struct Zone {
    time_zone: TimeZone,
}

/// Why a zone was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the time zone '{zone}' is not understood ({reason}): set the setting timezone to an IANA name such as Europe/Berlin"
)]
pub struct ZoneError {
    /// As given.
    pub zone: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Zone {
    /// Understands an IANA name or a POSIX TZ string.
    ///
    /// # Errors
    /// When it is neither.
    pub fn read(text: &str) -> Result<Self, ZoneError> {
        let error = |reason| ZoneError { zone: text.to_owned(), reason };
        let text = text.trim();
        match text {
            "" => return Err(error("it is empty")),
            // The database's entry for a computer nobody has set up.
            _ if text.eq_ignore_ascii_case("Factory") => return Err(error("it names no place")),
            _ => {}
        }
        // "EST5EDT" and the like are both; the database knows them as well.
        if !text.contains(',')
            && let Some(time_zone) = iana(text)
        {
            return Ok(Self { time_zone });
        }
        let spelt = posix::parse(text).map_err(error)?.to_string();
        let time_zone = TimeZone::posix(&spelt).map_err(|_refused| error("its rule contradicts itself"))?;
        Ok(Self { time_zone })
    }

    /// The IANA name, if it was read by one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.time_zone.iana_name()
    }

    /// What a phone must be told on that day so that its clock is right until the second change from then on at
    /// least; for nearly every zone that is the same on every day.
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
