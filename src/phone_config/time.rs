//! Clock configuration: time servers, and the time zone as offset and rule in the notations of phones.

use jiff::Timestamp;
use serde::Serialize;

use crate::settings::{
    Effective,
    time_zone::{ClockChange, Zone, ZoneName, ZoneNames},
};

/// Clock configuration. Templates always write the offset and the explicit rule. If the vendor's name of the zone is
/// correct, it is written too and has the same meaning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ClockConfig {
    /// Time servers; empty = keep the phone's own.
    pub servers: [String; 2],
    /// Whether the zone is known. Otherwise the file contains no zone and the phone keeps its own.
    pub known: bool,
    /// Offset outside daylight saving time: `+1`, `-3:30`, `+5:45`, `0`.
    pub offset: String,
    /// The same offset in seconds.
    pub offset_seconds: i32,
    /// The vendor's name of the zone; empty if there is none or if some firmware may interpret it wrongly.
    pub name: String,
    /// The spelling of the name in older firmware.
    pub old_name: String,
    /// Whether daylight saving time is used.
    pub dst: bool,
    /// Minutes by which the clock is put forward.
    pub save: i32,
    /// The same in seconds.
    pub save_seconds: i32,
    /// Start in local standard time.
    pub start: ClockChangeDate,
    /// End in local daylight saving time.
    pub end: ClockChangeDate,
}

/// The date of a clock change, on the nth weekday of a month.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ClockChangeDate {
    /// 1..=12
    pub month: u8,
    /// 1..=5, 5 = last.
    pub week: u8,
    /// 1 = Monday .. 7 = Sunday.
    pub weekday: u8,
    /// 0..=23: rounded to the nearest full hour of the same day.
    pub hour: u16,
    /// `02:45`: exact to the minute.
    pub clock: String,
    /// `3/5/7`: month, week, weekday.
    pub slashed: String,
    /// `03.05.07`: the same with dots.
    pub dotted: String,
}

impl From<ClockChange> for ClockChangeDate {
    fn from(change: ClockChange) -> Self {
        let ClockChange { month, week, weekday, minutes } = change;
        Self {
            month,
            week,
            weekday,
            hour: ((minutes + 30) / 60).min(23),
            clock: format!("{:02}:{:02}", minutes / 60, minutes % 60),
            slashed: format!("{month}/{week}/{weekday}"),
            dotted: format!("{month:02}.{week:02}.{weekday:02}"),
        }
    }
}

/// The clock configuration for that day. An unsupported zone adds a note and is never treated as offset 0.
pub(super) fn time(settings: &Effective, names: &ZoneNames, today: Timestamp, notes: &mut Vec<String>) -> ClockConfig {
    let servers = [settings.text("ntp_server_1").to_owned(), settings.text("ntp_server_2").to_owned()];
    let unknown = ClockConfig { servers, ..ClockConfig::default() };
    let Some(text) = settings.nonempty("timezone") else { return unknown };
    let zone = match Zone::read(text) {
        Ok(zone) => zone,
        Err(error) => {
            notes.push(error.to_string());
            return unknown;
        }
    };
    let rule = zone.rule_at(today);
    if !rule.lasting && settings.u32("update_interval_minutes") == 0 {
        notes.push(format!(
            "daylight saving time in {text} changes on days that differ from year to year: with \
             update_interval_minutes = 0 the phone hears of them only when it starts"
        ));
    }
    let ZoneName { name, old_name } = zone.name().and_then(|iana| names.get(iana)).cloned().unwrap_or_default();
    let save = rule.dst.map_or(0, |dst| dst.save);
    ClockConfig {
        known: true,
        offset: offset_text(rule.offset),
        offset_seconds: rule.offset * 60,
        name,
        old_name,
        dst: rule.dst.is_some(),
        save,
        save_seconds: save * 60,
        start: rule.dst.map(|dst| dst.start.into()).unwrap_or_default(),
        end: rule.dst.map(|dst| dst.end.into()).unwrap_or_default(),
        ..unknown
    }
}

fn offset_text(minutes: i32) -> String {
    let sign = match minutes {
        0 => "",
        1.. => "+",
        _ => "-",
    };
    let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
    if rest == 0 { format!("{sign}{hours}") } else { format!("{sign}{hours}:{rest:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_written_as_phones_want_them() {
        assert_eq!([60, -210, 345, 0, -300].map(offset_text), ["+1", "-3:30", "+5:45", "0", "-5"]);
    }

    #[test]
    fn moments_are_spelt_for_every_phone() {
        let moment = |minutes| ClockChangeDate::from(ClockChange { month: 9, week: 5, weekday: 7, minutes });
        let chatham = moment(165);
        assert_eq!((chatham.hour, chatham.clock.as_str()), (3, "02:45"));
        assert_eq!((chatham.slashed.as_str(), chatham.dotted.as_str()), ("9/5/7", "09.05.07"));
        // Rounding to full hours never leaves the day.
        assert_eq!([0, 1, 29, 30, 60, 1439].map(|minutes| moment(minutes).hour), [0, 0, 0, 1, 1, 23]);
    }
}
