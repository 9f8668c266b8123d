//! IANA zones: the lasting rule, read off the transitions of years for which no exceptions are known. The years are
//! fixed, so the result does not depend on today.

use jiff::{Zoned, civil, tz::TimeZone};

use super::{Change, Day, Dst, ZoneRule};

/// Beyond the last tabled exception (Morocco's end in 2087); 28 years show every position of a weekday.
const YEARS: std::ops::Range<i16> = 2101..2129;

/// `None` when the database knows no such name.
pub(super) fn rule(name: &str) -> Option<Result<ZoneRule, &'static str>> {
    // "EST5EDT" and the like are both; the string says it as well and needs no database.
    if name.contains(',') {
        return None;
    }
    let zone = TimeZone::get(name).ok()?;
    Some(lasting(&zone))
}

fn lasting(zone: &TimeZone) -> Result<ZoneRule, &'static str> {
    let first = civil::date(YEARS.start, 1, 1).at(0, 0, 0, 0);
    let last = civil::date(YEARS.end, 1, 1).at(0, 0, 0, 0);
    let (Ok(from), Ok(until)) = (zone.to_timestamp(first), zone.to_timestamp(last)) else {
        return Err("its offsets are out of range");
    };
    let mut before = zone.to_offset(from).seconds() / 60;
    let mut starts = Vec::new();
    let mut ends = Vec::new();
    let mut low = before;
    let mut high = before;
    for transition in zone.following(from).take_while(|transition| transition.timestamp() < until) {
        let after = transition.offset().seconds() / 60;
        let wall = wall_time(transition.timestamp(), before);
        if let Some(wall) = wall {
            if after > before { &mut starts } else { &mut ends }.push(wall);
        }
        low = low.min(after);
        high = high.max(after);
        before = after;
    }
    let (Some(start), Some(end)) = (common(&starts), common(&ends)) else {
        return Ok(ZoneRule { offset: low, dst: None });
    };
    Ok(ZoneRule { offset: low, dst: Some(Dst { save: high - low, start, end }) })
}

/// The local time just before the change, by the offset that held until then.
fn wall_time(at: jiff::Timestamp, minutes: i32) -> Option<civil::DateTime> {
    let offset = jiff::tz::Offset::from_seconds(minutes * 60).ok()?;
    Some(Zoned::new(at, TimeZone::fixed(offset)).datetime())
}

/// The day all of them share: a weekday in the same week of the month, or in its last one.
fn common(times: &[civil::DateTime]) -> Option<Change> {
    let first = times.first()?;
    let month = u8::try_from(first.month()).ok()?;
    let weekday = u8::try_from(first.weekday().to_monday_one_offset()).ok()?;
    let minutes = i32::from(first.hour()) * 60 + i32::from(first.minute());
    let week_of = |time: &civil::DateTime| u8::try_from((time.day() - 1) / 7 + 1).ok();
    let weeks: Option<Vec<u8>> = times.iter().map(week_of).collect();
    let weeks = weeks?;
    let is_last = |time: &civil::DateTime| time.day() + 7 > time.date().days_in_month();
    let one = *weeks.iter().min()?;
    // A rule such as "Friday before the last Sunday" falls into two weeks; the earlier one is right in most years.
    let week = if times.iter().all(is_last) { 5 } else { one };
    Some(Change { day: Day::Weekday { month, week, weekday }, minutes })
}
