//! POSIX TZ strings: `std offset [dst [offset] [,start[/time],end[/time]]]`.

use super::{Change, Day, Dst, ZoneRule};

const TWO: i32 = 120;

/// `None` of the rule part means the rule of the United States, as the C library takes it.
pub(super) fn parse(text: &str) -> Result<ZoneRule, &'static str> {
    let mut rest = Rest(text);
    rest.name()?;
    let offset = -rest.offset()?.ok_or("the offset behind the name is missing")?;
    if rest.0.is_empty() {
        return Ok(ZoneRule { offset, dst: None });
    }
    rest.name()?;
    let save = match rest.offset()? {
        Some(minutes) => -minutes - offset,
        None => 60,
    };
    if rest.0.is_empty() {
        let weekday = |month, week| Change { day: Day::Weekday { month, week, weekday: 7 }, minutes: TWO };
        return Ok(ZoneRule { offset, dst: Some(Dst { save, start: weekday(3, 2), end: weekday(11, 1) }) });
    }
    let start = rest.change()?;
    let end = rest.change()?;
    if !rest.0.is_empty() {
        return Err("something follows the rule");
    }
    if save == 0 {
        return Ok(ZoneRule { offset, dst: None });
    }
    if !(-300..=300).contains(&save) {
        return Err("the clock would be moved by more than five hours");
    }
    Ok(ZoneRule { offset, dst: Some(Dst { save, start, end }) })
}

struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> &'a str {
        let (taken, rest) = self.0.split_at_checked(count).unwrap_or((self.0, ""));
        self.0 = rest;
        taken
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.0.starts_with(c);
        if found {
            self.take(c.len_utf8());
        }
        found
    }

    /// At least three letters, or anything in angle brackets.
    fn name(&mut self) -> Result<(), &'static str> {
        if self.eat('<') {
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
        let sign = if self.eat('-') {
            -1
        } else {
            self.eat('+');
            1
        };
        let mut minutes = self.number().ok_or("a number is missing")? * 60;
        if self.eat(':') {
            minutes += self.number().filter(|m| *m < 60).ok_or("the minutes are wrong")?;
            if self.eat(':') {
                self.number().ok_or("the seconds are wrong")?;
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

    fn change(&mut self) -> Result<Change, &'static str> {
        if !self.eat(',') {
            return Err("the start or the end of daylight saving time is missing");
        }
        let day = self.day()?;
        let minutes = if self.eat('/') { self.clock()? } else { TWO };
        if minutes.abs() > 167 * 60 {
            return Err("an hour is beyond a week");
        }
        Ok(Change { day, minutes })
    }

    fn day(&mut self) -> Result<Day, &'static str> {
        let within = |number: Option<i32>, least: u8, most: u8| {
            let number = number.and_then(|number| u8::try_from(number).ok());
            number.filter(|number| (least..=most).contains(number)).ok_or("a day is out of its range")
        };
        if self.eat('M') {
            let month = within(self.number(), 1, 12)?;
            self.eat('.');
            let week = within(self.number(), 1, 5)?;
            self.eat('.');
            let weekday = within(self.number(), 0, 6)?;
            return Ok(Day::Weekday { month, week, weekday: if weekday == 0 { 7 } else { weekday } });
        }
        // Jn counts 1..365 and never a 29th of February; n counts from 0 and does. No phone knows the difference.
        let julian = self.eat('J');
        let number = self.number().ok_or("a day is missing")?;
        let mut left = if julian { number } else { number + 1 };
        if !(1..=366).contains(&left) {
            return Err("a day is out of its range");
        }
        left = left.min(365);
        for (month, days) in (1u8..).zip([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
            if left <= days {
                return Ok(Day::Date { month, day: u8::try_from(left).map_err(|_wide| "a day is out of its range")? });
            }
            left -= days;
        }
        Err("a day is out of its range")
    }
}
