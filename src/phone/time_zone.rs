//! Time zones as rules a phone can keep: the offset and, where there is daylight saving time, when it starts and
//! ends. Devices sends POSIX TZ strings (signs reversed: `CET-1` lies east), settings hold IANA names. What cannot be
//! understood is an error, never silently offset 0.

mod iana;
mod posix;

/// A zone as offset and rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneRule {
    /// Minutes east of UTC in standard time.
    pub offset: i32,
    /// Daylight saving time, if the zone has it.
    pub dst: Option<Dst>,
}

/// Daylight saving time of every year.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dst {
    /// Minutes the clock is put forward.
    pub save: i32,
    /// When it starts, in local standard time.
    pub start: Change,
    /// When it ends, in local daylight saving time.
    pub end: Change,
}

/// The moment of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The day.
    pub day: Day,
    /// Minutes after midnight; may be negative or beyond 24 hours.
    pub minutes: i32,
}

/// A day of every year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    /// The `week`th (5 = last) `weekday` (1 = Monday .. 7 = Sunday) of the month.
    Weekday {
        /// 1..=12
        month: u8,
        /// 1..=5
        week: u8,
        /// 1..=7
        weekday: u8,
    },
    /// A date.
    Date {
        /// 1..=12
        month: u8,
        /// 1..=31
        day: u8,
    },
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

/// Understands an IANA name or a POSIX TZ string.
///
/// # Errors
/// When it is neither.
pub fn zone_rule(zone: &str) -> Result<ZoneRule, ZoneError> {
    let text = zone.trim();
    let error = |reason| ZoneError { zone: zone.to_owned(), reason };
    if text.is_empty() {
        return Err(error("it is empty"));
    }
    match iana::rule(text) {
        Some(found) => found.map_err(error),
        None => posix::parse(text).map_err(error),
    }
}

impl Change {
    /// The whole hour 0..=23 a phone can keep. Rules at hour 24 or before midnight of their day keep the day and
    /// move to its last or first hour: a few hours early is less wrong than another week.
    #[must_use]
    pub fn hour(&self) -> i32 {
        self.minutes.div_euclid(60).clamp(0, 23)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(zone: &str) -> String {
        let rule = zone_rule(zone).unwrap_or_else(|error| panic!("{error}"));
        let change = |change: &Change| match change.day {
            Day::Weekday { month, week, weekday } => format!("{month}/{week}/{weekday}@{}", change.minutes),
            Day::Date { month, day } => format!("{month}-{day}@{}", change.minutes),
        };
        match rule.dst {
            Some(dst) => format!("{} +{} {} {}", rule.offset, dst.save, change(&dst.start), change(&dst.end)),
            None => rule.offset.to_string(),
        }
    }

    #[test]
    fn strings_devices_sends() {
        for (text, expected) in [
            ("GMT0BST-1,M3.5.0/1,M10.5.0/2", "0 +60 3/5/7@60 10/5/7@120"),
            ("WET0WEST-1,M3.5.0/1,M10.5.0/2", "0 +60 3/5/7@60 10/5/7@120"),
            ("MET-1MEST-2,M3.5.0/2,M10.5.0/3", "60 +60 3/5/7@120 10/5/7@180"),
            ("CET-1CEST-2,M3.5.0/2,M10.5.0/3", "60 +60 3/5/7@120 10/5/7@180"),
            ("EET-2EEST-3,M3.5.0/3,M10.5.0/4", "120 +60 3/5/7@180 10/5/7@240"),
            ("EET-2EEST-3,M4.5.5/0,M9.5.4/24", "120 +60 4/5/5@0 9/5/4@1440"),
            ("EST5EDT4,M3.2.0/2,M11.1.0/2", "-300 +60 3/2/7@120 11/1/7@120"),
            ("EST5EDT4,M3.2.0/02,M11.1.0/02", "-300 +60 3/2/7@120 11/1/7@120"),
            ("NST3:30NDT2:30,M3.2.0/0:01,M11.1.0/0:01", "-210 +60 3/2/7@1 11/1/7@1"),
            ("BRT3BTST2,M10.3.0/0,M2.3.0/0", "-180 +60 10/3/7@0 2/3/7@0"),
            ("IST-2IDT-3,M3.5.5/2,M9.3.0/2", "120 +60 3/5/5@120 9/3/7@120"),
            ("IRST-3:30", "210"),
            ("CST-9:30CST-10:30,M10.5.0/2,M3.5.0/3 ", "570 +60 10/5/7@120 3/5/7@180"),
            ("CST-8", "480"),
            ("SGT-8", "480"),
            ("EST5EDT", "-300 +60 3/2/7@120 11/1/7@120"),
            ("<+0545>-5:45", "345"),
            ("XST0XDT,J60,J300/3", "0 +60 3-1@120 10-27@180"),
            ("UTC0", "0"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn iana_names_by_their_lasting_rule() {
        for (name, expected) in [
            ("Europe/Berlin", "60 +60 3/5/7@120 10/5/7@180"),
            ("Europe/Dublin", "0 +60 3/5/7@60 10/5/7@120"),
            ("Europe/Bucharest", "120 +60 3/5/7@180 10/5/7@240"),
            ("America/Montreal", "-300 +60 3/2/7@120 11/1/7@120"),
            ("America/Regina", "-360"),
            ("America/St_Johns", "-210 +60 3/2/7@120 11/1/7@120"),
            ("Australia/Sydney", "600 +60 10/1/7@120 4/1/7@180"),
            ("Australia/Lord_Howe", "630 +30 10/1/7@120 4/1/7@120"),
            ("Asia/Kathmandu", "345"),
            ("Asia/Tokyo", "540"),
            ("Europe/Istanbul", "180"),
            ("Etc/UTC", "0"),
        ] {
            assert_eq!(shown(name), expected, "{name}");
        }
    }

    #[test]
    fn no_zone_of_the_database_is_given_up() {
        let mut count = 0;
        for name in jiff::tz::db().available() {
            // "Factory" and the like carry no place.
            assert!(zone_rule(name.as_str()).is_ok(), "{name}");
            count += 1;
        }
        assert!(count > 400, "{count} zones");
    }

    #[test]
    fn nonsense_is_an_error_and_never_offset_zero() {
        for text in ["", " ", "Mars/Olympus", "XYZ", "CET-99", "CET-1CEST-2,garbage", "CET-1CEST-2,M13.1.0,M1.1.0", "5"]
        {
            assert!(zone_rule(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hours_a_phone_cannot_keep_stay_on_their_day() {
        let at = |minutes| Change { day: Day::Date { month: 1, day: 1 }, minutes }.hour();
        assert_eq!([at(1440), at(-60), at(1), at(150)], [23, 0, 0, 2]);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(text in ".{0,60}") {
            let _ = zone_rule(&text);
        }
        #[test]
        fn no_likely_input_panics(text in "[A-Z<>]{0,5}[-+0-9:]{0,8}[A-Z]{0,4}[-0-9:]{0,5}(,[MJ0-9./:-]{0,12}){0,3}") {
            let _ = zone_rule(&text);
        }
    }
}
