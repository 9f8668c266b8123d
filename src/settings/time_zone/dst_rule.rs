//! Derives a phone's clock rule from the actual changes of a zone around a day. Phones support one offset and two
//! changes per year, each on the nth (or last) weekday of a month. Some laws are more complex (the Saturday before the
//! last Sunday, hour 24 of a Thursday, the days around Ramadan). If there are several ways to name the day of a change,
//! the one that stays correct longest is used. A day that no rule describes is named for the next change only. The
//! phone learns about the following change in time, because it fetches its file again.

use jiff::{Span, Timestamp, Zoned, civil, tz::TimeZone};

/// A zone in the form phones support.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockRule {
    /// Minutes east of UTC outside daylight saving time: the lower of both offsets, even if the law calls the higher
    /// one standard time (Ireland, Morocco).
    pub offset: i32,
    /// Daylight saving time, if the zone uses it.
    pub dst: Option<DstRule>,
    /// Whether the rule is valid for years. Otherwise the phone must receive every change before it happens.
    pub lasting: bool,
}

/// Daylight saving time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DstRule {
    /// Minutes by which the clock is put forward: 1..=300.
    pub save: i32,
    /// Start in local standard time.
    pub start: ClockChange,
    /// End in local daylight saving time.
    pub end: ClockChange,
}

/// The moment of a change, in local time before the change.
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

/// Limit of the phones, in minutes; more than any law requires.
const MOST_SAVED: i32 = 300;
/// Number of years for which a rule is checked: each position of a weekday in a month occurs within them.
const YEARS_AHEAD: i64 = 8;

/// One clock change.
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

    /// Local time immediately before the change.
    fn wall(&self) -> civil::DateTime {
        let offset = jiff::tz::Offset::from_seconds(self.before * 60).unwrap_or(jiff::tz::Offset::UTC);
        Zoned::new(self.at, TimeZone::fixed(offset)).datetime()
    }

    /// All ways to name the day of the change.
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

/// The changes of the offset from `from` until `until`.
fn turns(zone: &TimeZone, from: Timestamp, until: Timestamp) -> Vec<YearlyChange> {
    let mut before = minutes_at(zone, from);
    let mut found = Vec::new();
    for transition in zone.following(from).take_while(|one| one.timestamp() < until) {
        let after = transition.offset().seconds().div_euclid(60);
        // A new abbreviation alone does not change the clock.
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

/// The name of this change's day that matches most of the later changes of the same kind, and whether it matches all.
fn longest(turn: &YearlyChange, all: &[YearlyChange]) -> (ClockChange, bool) {
    let likes: Vec<Vec<ClockChange>> =
        all.iter().filter(|other| other.at >= turn.at && other.is_like(turn)).map(YearlyChange::names).collect();
    let years = usize::try_from(YEARS_AHEAD - 1).unwrap_or_default();
    let run = |name: &ClockChange| likes.iter().take_while(|names| names.contains(name)).count();
    let scored = turn.names().into_iter().map(|name| (run(&name), name));
    // If several are equal, use the first: laws say "the last" more often than "the fourth".
    let best = scored.reduce(|best, other| if other.0 > best.0 { other } else { best });
    match best {
        Some((run, name)) => (name, run == likes.len() && run >= years),
        None => (earlier(turn.at), false),
    }
}

/// A day well before this one. It is the other end of a rule if only one more change is known.
fn earlier(now: Timestamp) -> ClockChange {
    let month = shifted(now, -45 * 24).to_zoned(TimeZone::UTC).month();
    ClockChange { month: u8::try_from(month).unwrap_or(1), week: 1, weekday: 7, minutes: 0 }
}

/// Returns the rule if the clock has followed the same law since 2008, according to the database.
pub(super) fn steady(zone: &TimeZone) -> Option<ClockRule> {
    let day = |year| civil::date(year, 1, 10).at(0, 0, 0, 0).to_zoned(TimeZone::UTC).map(|day| day.timestamp());
    let (Ok(from), Ok(until)) = (day(2008), day(2037)) else { return None };
    let all = turns(zone, from, until);
    let rule = rule_at(zone, from);
    let Some(dst) = rule.dst else { return all.is_empty().then_some(rule) };
    // Two changes in each of the 29 years, each on the day of the rule.
    let (high, low) = (rule.offset + dst.save, rule.offset);
    let kept = all.iter().all(|turn| match (turn.before, turn.after) {
        (before, after) if (before, after) == (low, high) => turn.names().contains(&dst.start),
        (before, after) if (before, after) == (high, low) => turn.names().contains(&dst.end),
        _ => false,
    });
    (kept && all.len() == 58).then_some(rule)
}
