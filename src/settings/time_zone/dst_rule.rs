//! The rule a phone is told, read off the zone's real changes around a day. Phones know one offset and two changes a
//! year, each on the nth (or last) weekday of a month; some laws are richer (the Saturday before the last Sunday, hour
//! 24 of a Thursday, the days around Ramadan). So of all ways to name a change's day the one that stays true longest
//! is taken, and a day that no rule names is named for the change at hand: the phone hears of the next one in time,
//! because it asks for its file again.

use jiff::{Span, Timestamp, Zoned, civil, tz::TimeZone};

/// A zone as a phone keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockRule {
    /// Minutes east of UTC outside daylight saving time: the lower of both offsets, also where the law calls the higher
    /// one standard time (Ireland, Morocco).
    pub offset: i32,
    /// Daylight saving time, if the zone has it.
    pub dst: Option<DstRule>,
    /// Whether it holds for years; otherwise the phone must hear of every change before it comes.
    pub lasting: bool,
}

/// Daylight saving time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DstRule {
    /// Minutes the clock is put forward: 1..=300.
    pub save: i32,
    /// When it starts, in local standard time.
    pub start: ClockChange,
    /// When it ends, in local daylight saving time.
    pub end: ClockChange,
}

/// The moment of a change by the clock that is about to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockChange {
    /// 1..=12
    pub month: u8,
    /// 1..=5, 5 = last.
    pub week: u8,
    /// 1 = Monday .. 7 = Sunday
    pub weekday: u8,
    /// Minutes after midnight: 0..=1439.
    pub minutes: u16,
}

/// Phones' limit, and more than any law asks for.
const MOST_SAVED: i32 = 300;
/// How far ahead a rule is tried: every position of a weekday in a month occurs in so many years.
const YEARS_AHEAD: i64 = 8;

/// One change of the clock.
#[derive(Debug, Clone, Copy)]
struct YearlyChange {
    at: Timestamp,
    before: i32,
    after: i32,
}

impl YearlyChange {
    fn is_like(&self, other: &Self) -> bool {
        (self.before, self.after) == (other.before, other.after)
    }

    fn undoes(&self, other: &Self) -> bool {
        (self.before, self.after) == (other.after, other.before)
    }

    fn forward(&self) -> bool {
        self.after > self.before
    }

    /// The clock on the wall just before it is changed.
    fn wall(&self) -> civil::DateTime {
        let offset = jiff::tz::Offset::from_seconds(self.before * 60).unwrap_or(jiff::tz::Offset::UTC);
        Zoned::new(self.at, TimeZone::fixed(offset)).datetime()
    }

    /// Every way to name its day.
    fn names(&self) -> Vec<ClockChange> {
        let wall = self.wall();
        let small = |number: i8| u8::try_from(number).unwrap_or_default();
        let minutes = u16::try_from(i32::from(wall.hour()) * 60 + i32::from(wall.minute())).unwrap_or_default();
        let name = |week| ClockChange {
            month: small(wall.month()),
            week,
            weekday: small(wall.weekday().to_monday_one_offset()),
            minutes,
        };
        let nth = small((wall.day() - 1) / 7 + 1);
        let mut names = Vec::new();
        if wall.day() + 7 > wall.date().days_in_month() {
            names.push(name(5));
        }
        if nth < 5 {
            names.push(name(nth));
        }
        names
    }
}

/// Days from one moment to a later one.
fn days(from: Timestamp, until: Timestamp) -> i64 {
    until.duration_since(from).as_hours() / 24
}

fn shifted(at: Timestamp, hours: i64) -> Timestamp {
    at.checked_add(Span::new().hours(hours)).unwrap_or(at)
}

fn minutes_at(zone: &TimeZone, at: Timestamp) -> i32 {
    zone.to_offset(at).seconds().div_euclid(60)
}

/// The changes that move the clock, from `from` until `until`.
fn turns(zone: &TimeZone, from: Timestamp, until: Timestamp) -> Vec<YearlyChange> {
    let mut before = minutes_at(zone, from);
    let mut found = Vec::new();
    for transition in zone.following(from).take_while(|one| one.timestamp() < until) {
        let after = transition.offset().seconds().div_euclid(60);
        // A new abbreviation alone moves nothing.
        if after != before {
            found.push(YearlyChange { at: transition.timestamp(), before, after });
        }
        before = after;
    }
    found
}

pub(super) fn rule_at(zone: &TimeZone, now: Timestamp) -> ClockRule {
    let all = turns(zone, shifted(now, -400 * 24), shifted(now, YEARS_AHEAD * 366 * 24));
    let (past, coming): (Vec<YearlyChange>, Vec<YearlyChange>) = all.iter().partition(|turn| turn.at <= now);
    let present = minutes_at(zone, now);
    let Some(next) = coming.first() else {
        return ClockRule { offset: present, dst: None, lasting: true };
    };
    let save = (next.after - next.before).abs();
    let last = past.last().filter(|last| last.undoes(next) && days(last.at, next.at) < 350);
    if save > MOST_SAVED || (last.is_none() && days(now, next.at) > 270) {
        return ClockRule { offset: present, dst: None, lasting: false };
    }
    let (coming_change, coming_lasts) = longest(next, &coming);
    let (last_change, last_lasts) = match last {
        Some(last) => longest(last, &all),
        None => (earlier(now), false),
    };
    let (start, end) = if next.forward() { (coming_change, last_change) } else { (last_change, coming_change) };
    ClockRule {
        offset: next.before.min(next.after),
        dst: Some(DstRule { save, start, end }),
        lasting: coming_lasts && last_lasts,
    }
}

/// The name of this change's day that fits most of the like changes after it, and whether it fits all.
fn longest(turn: &YearlyChange, all: &[YearlyChange]) -> (ClockChange, bool) {
    let likes: Vec<Vec<ClockChange>> =
        all.iter().filter(|other| other.at >= turn.at && other.is_like(turn)).map(YearlyChange::names).collect();
    let years = usize::try_from(YEARS_AHEAD - 1).unwrap_or_default();
    let run = |name: &ClockChange| likes.iter().take_while(|names| names.contains(name)).count();
    let scored = turn.names().into_iter().map(|name| (run(&name), name));
    // The first of equals: "the last", which laws say more often than "the fourth".
    let best = scored.reduce(|best, other| if other.0 > best.0 { other } else { best });
    match best {
        Some((run, name)) => (name, run == likes.len() && run >= years),
        None => (earlier(turn.at), false),
    }
}

/// A day well before this one: the other end of a rule whose law knows only one more change.
fn earlier(now: Timestamp) -> ClockChange {
    let month = shifted(now, -45 * 24).to_zoned(TimeZone::UTC).month();
    ClockChange { month: u8::try_from(month).unwrap_or(1), week: 1, weekday: 7, minutes: 0 }
}

/// Whether the clock has followed one law all the time from 2008 on, as far as the database knows.
pub(super) fn steady(zone: &TimeZone) -> Option<ClockRule> {
    let day = |year| civil::date(year, 1, 10).at(0, 0, 0, 0).to_zoned(TimeZone::UTC).map(|day| day.timestamp());
    let (Ok(from), Ok(until)) = (day(2008), day(2037)) else { return None };
    let all = turns(zone, from, until);
    let rule = rule_at(zone, from);
    let Some(dst) = rule.dst else { return all.is_empty().then_some(rule) };
    // Two changes in each of the 29 years, each on the day the rule names.
    let (high, low) = (rule.offset + dst.save, rule.offset);
    let kept = all.iter().all(|turn| match (turn.before, turn.after) {
        (before, after) if (before, after) == (low, high) => turn.names().contains(&dst.start),
        (before, after) if (before, after) == (high, low) => turn.names().contains(&dst.end),
        _ => false,
    });
    (kept && all.len() == 58).then_some(rule)
}
