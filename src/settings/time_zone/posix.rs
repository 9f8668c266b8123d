//! Parses POSIX TZ strings: `std offset [dst [offset] [,start[/time],end[/time]]]`. Strict enough to detect typing
//! errors, and lenient enough for the strings that devices send (no rule at all, hour 24, a leading `+`).

use std::fmt;

const TWO: i32 = 120;
/// Maximum clock change that phones support, in minutes.
const MOST_SAVED: i32 = 300;

/// A parsed string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Posix {
    /// Minutes east of UTC in standard time.
    offset: i32,
    dst: Option<Summer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Summer {
    /// Minutes east of UTC.
    offset: i32,
    start: Moment,
    end: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moment {
    day: Day,
    /// Minutes after midnight; may be negative or beyond 24 hours.
    minutes: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Day {
    /// The `week`th (5 = last) `weekday` (0 = Sunday) of the month.
    Weekday { month: u16, week: u16, weekday: u16 },
    /// 1..=365, never February 29.
    Julian(u16),
    /// 0..=365, counting leap days.
    OfYear(u16),
}

pub(super) fn parse(text: &str) -> Result<Posix, &'static str> {
    let mut rest = Rest(text);
    rest.name()?;
    let offset = -rest.offset()?.ok_or("the offset behind the name is missing")?;
    if rest.0.is_empty() {
        return Ok(Posix { offset, dst: None });
    }
    rest.name()?;
    let summer = rest.offset()?.map_or(offset + 60, |minutes| -minutes);
    let (start, end) = if rest.0.is_empty() {
        // Without days, use the rule of the United States, like the C library.
        let weekday = |month, week| Moment { day: Day::Weekday { month, week, weekday: 0 }, minutes: TWO };
        (weekday(3, 2), weekday(11, 1))
    } else {
        (rest.change()?, rest.change()?)
    };
    if !rest.0.is_empty() {
        return Err("something follows the rule");
    }
    match (summer - offset).abs() {
        0 => Ok(Posix { offset, dst: None }),
        1..=MOST_SAVED => Ok(Posix { offset, dst: Some(Summer { offset: summer, start, end }) }),
        _ => Err("the clock would be moved by more than five hours"),
    }
}

/// Writes the complete form: abbreviation, both offsets, both moments.
impl fmt::Display for Posix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<STD>{}", Clock(-self.offset))?;
        match &self.dst {
            Some(summer) => {
                let Summer { offset, start, end } = summer;
                write!(f, "<DST>{},{},{}", Clock(-offset), start, end)
            }
            None => Ok(()),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.day {
            Day::Weekday { month, week, weekday } => write!(f, "M{month}.{week}.{weekday}")?,
            Day::Julian(day) => write!(f, "J{day}")?,
            Day::OfYear(day) => write!(f, "{day}")?,
        }
        write!(f, "/{}", Clock(self.minutes))
    }
}

/// `[-]h:mm`
struct Clock(i32);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(minutes) = self;
        write!(f, "{}{}:{:02}", if *minutes < 0 { "-" } else { "" }, minutes.abs() / 60, minutes.abs() % 60)
    }
}

struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> &'a str {
        let (taken, rest) = self.0.split_at_checked(count).unwrap_or((self.0, ""));
        self.0 = rest;
        taken
    }

    fn skip(&mut self, c: char) -> bool {
        let found = self.0.starts_with(c);
        if found {
            self.take(c.len_utf8());
        }
        found
    }

    /// At least three letters, or anything in angle brackets.
    fn name(&mut self) -> Result<(), &'static str> {
        if self.skip('<') {
            let end = self.0.find('>').ok_or("the '>' is missing")?;
            self.take(end + 1);
            return Ok(());
        }
        let end = self.0.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(self.0.len());
        if end < 3 {
            return Err("it starts with no abbreviation");
        }
        self.take(end);
        Ok(())
    }

    fn number(&mut self) -> Option<i32> {
        let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
        if end == 0 || end > 3 {
            return None;
        }
        self.take(end).parse().ok()
    }

    /// `[+-]hh[:mm[:ss]]` in minutes.
    fn clock(&mut self) -> Result<i32, &'static str> {
        let sign = if self.skip('-') {
            -1
        } else {
            self.skip('+');
            1
        };
        let mut minutes = self.number().ok_or("a number is missing")? * 60;
        if self.skip(':') {
            minutes += self.number().filter(|m| *m < 60).ok_or("the minutes are wrong")?;
            if self.skip(':') && self.number().ok_or("the seconds are wrong")? != 0 {
                return Err("phones keep no seconds");
            }
        }
        Ok(sign * minutes)
    }

    fn offset(&mut self) -> Result<Option<i32>, &'static str> {
        if self.0.is_empty() || self.0.starts_with(',') {
            return Ok(None);
        }
        match self.clock()? {
            minutes if minutes.abs() <= 24 * 60 => Ok(Some(minutes)),
            _ => Err("the offset is more than a day"),
        }
    }

    fn change(&mut self) -> Result<Moment, &'static str> {
        if !self.skip(',') {
            return Err("the start or the end of daylight saving time is missing");
        }
        let day = self.day()?;
        let minutes = if self.skip('/') { self.clock()? } else { TWO };
        if minutes.abs() > 167 * 60 {
            return Err("an hour is beyond a week");
        }
        Ok(Moment { day, minutes })
    }

    fn day(&mut self) -> Result<Day, &'static str> {
        let within = |number: Option<i32>, least: u16, most: u16| {
            let number = number.and_then(|number| u16::try_from(number).ok());
            number.filter(|number| (least..=most).contains(number)).ok_or("a day is out of its range")
        };
        if self.skip('M') {
            let month = within(self.number(), 1, 12)?;
            self.dot()?;
            let week = within(self.number(), 1, 5)?;
            self.dot()?;
            return Ok(Day::Weekday { month, week, weekday: within(self.number(), 0, 6)? });
        }
        if self.skip('J') {
            return within(self.number(), 1, 365).map(Day::Julian);
        }
        within(self.number(), 0, 365).map(Day::OfYear)
    }

    fn dot(&mut self) -> Result<(), &'static str> {
        if self.skip('.') { Ok(()) } else { Err("a '.' between month, week and weekday is missing") }
    }
}
