//! Corpus and property tests. How phones display the zones is tested together with rendering.

use jiff::{
    Timestamp,
    tz::{TimeZone, TimeZoneDatabase},
};
use proptest::prelude::*;
use serde::Deserialize;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn shown(zone: &str, now: &str) -> String {
    let rule = Zone::read(zone).unwrap_or_else(|error| panic!("{error}")).rule_at(at(now));
    let change = |change: &ClockChange| {
        let ClockChange { month, week, weekday, minutes } = change;
        format!("{month}/{week}/{weekday}@{minutes}")
    };
    let lasting = if rule.lasting { "" } else { " for now" };
    match rule.dst {
        Some(dst) => format!("{} +{} {} {}{lasting}", rule.offset, dst.save, change(&dst.start), change(&dst.end)),
        None => format!("{}{lasting}", rule.offset),
    }
}

const NOW: &str = "2026-11-21T00:00:00Z";

#[derive(Deserialize)]
struct Case {
    tz: String,
    rule: String,
}

#[test]
fn strings_devices_sends() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/time_zones/posix.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() > 15);
    for Case { tz, rule } in cases {
        assert_eq!(shown(&tz, NOW), rule, "{tz}");
    }
}

#[test]
fn zone_names_give_the_rule_of_the_place() {
    for (name, expected) in [
        ("Europe/Berlin", "60 +60 3/5/7@120 10/5/7@180"),
        // Irish law defines summer time as standard time, but phones need the lower offset.
        ("Europe/Dublin", "0 +60 3/5/7@60 10/5/7@120"),
        ("Europe/Bucharest", "120 +60 3/5/7@180 10/5/7@240"),
        ("America/Montreal", "-300 +60 3/2/7@120 11/1/7@120"),
        ("America/Regina", "-360"),
        ("America/St_Johns", "-210 +60 3/2/7@120 11/1/7@120"),
        ("Australia/Sydney", "600 +60 10/1/7@120 4/1/7@180"),
        ("Australia/Lord_Howe", "630 +30 10/1/7@120 4/1/7@120"),
        ("Pacific/Chatham", "765 +60 9/5/7@165 4/1/7@225"),
        ("Asia/Kathmandu", "345"),
        ("Asia/Tokyo", "540"),
        ("Europe/Istanbul", "180"),
        ("Etc/UTC", "0"),
    ] {
        assert_eq!(shown(name, NOW), expected, "{name}");
    }
}

#[test]
fn zones_without_a_rule_are_valid_until_the_next_changes() {
    // Saturday before the last Sunday of March, at 23:00: the fourth Saturday, except in years in which that is the
    // 21st.
    assert_eq!(shown("America/Nuuk", NOW), "-120 +60 3/4/6@1380 10/5/7@0 for now");
    // Hour 24 of a Thursday: Friday 0:00, the last Friday unless October ends on a Thursday.
    assert_eq!(shown("Africa/Cairo", NOW), "120 +60 4/5/5@0 10/5/5@0 for now");
    // One hour back for Ramadan: each change is named by its actual day.
    assert_eq!(shown("Africa/Casablanca", "2025-11-01T00:00:00Z"), "0 +60 4/1/7@120 2/3/7@180 for now");
    assert_eq!(shown("Africa/Casablanca", "2026-02-20T00:00:00Z"), "0 +60 3/4/7@120 2/3/7@180 for now");
}

#[test]
fn the_end_of_a_rule_is_reported_in_time() {
    // Turkey made summer time permanent in 2016: there is one more start. The end is that of 2015, which was delayed by
    // an election.
    assert_eq!(shown("Europe/Istanbul", "2016-01-10T00:00:00Z"), "120 +60 3/5/7@180 11/2/7@240 for now");
    assert_eq!(shown("Europe/Istanbul", "2016-10-31T00:00:00Z"), "180");
    // Morocco makes the opposite change in 2026.
    assert_eq!(shown("Africa/Casablanca", "2026-04-01T00:00:00Z"), "0 +60 3/4/7@120 9/3/7@120 for now");
    assert_eq!(shown("Africa/Casablanca", NOW), "0");
    assert_eq!(shown("America/Vancouver", NOW), "-420");
    // Samoa skipped a day. The rule changes only after that.
    assert_eq!(shown("Pacific/Fakaofo", "2011-12-01T00:00:00Z"), "-660 for now");
    assert_eq!(shown("Pacific/Fakaofo", "2012-01-02T00:00:00Z"), "780");
}

#[test]
fn nonsense_is_an_error_and_never_offset_zero() {
    for text in [
        "",
        " ",
        "Mars/Olympus",
        "XYZ",
        "CET-99",
        "CET-1CEST-2,garbage",
        "CET-1CEST-2,M13.1.0,M1.1.0",
        "5",
        "Factory",
        "CET-1CEST-2,M3.5.0",
        "CET-1CEST-2,M350,M10.5.0",
        "CET-1CEST-9,M3.5.0,M10.5.0",
        "CET-1:00:30",
        "CET-1 CEST",
    ] {
        let refused = Zone::read(text).unwrap_err();
        assert!(refused.to_string().contains("timezone"), "{refused}");
    }
}

#[test]
fn every_zone_of_the_database_has_a_rule() {
    let database = TimeZoneDatabase::bundled();
    let names: Vec<_> = database.available().filter(|name| name.as_str() != "Factory").collect();
    for name in &names {
        assert!(Zone::read(name.as_str()).is_ok(), "{name}");
    }
    assert!(names.len() > 590, "{}", names.len());
}

#[test]
fn names_are_withheld_where_firmware_may_be_wrong() {
    for (zone, listed, reason) in [
        ("Europe/Berlin", 60, None),
        ("Asia/Tokyo", 540, None),
        ("America/New_York", -300, None),
        ("Europe/Dublin", 0, None),
        ("Asia/Shanghai", 420, Some("the phone lists it under +7:00, the zone is at +8:00")),
        ("Europe/Moscow", 180, Some("changed since 2008")),
        ("Europe/Istanbul", 120, Some("changed since 2008")),
        ("Africa/Casablanca", 0, Some("changed since 2008")),
        ("Mars/Olympus", 0, Some("no IANA zone")),
    ] {
        match (why_not(zone, listed), reason) {
            (None, None) => {}
            (Some(found), Some(reason)) => assert!(found.contains(reason), "{zone}: {found}"),
            (found, reason) => panic!("{zone}: {found:?}, not {reason:?}"),
        }
    }
}

/// A string of the POSIX TZ grammar in all its notations.
fn posix() -> impl Strategy<Value = String> {
    let name = prop_oneof!["[A-Z]{3,5}", "<[+-][0-9]{2,4}>"];
    let offset = prop_oneof!["[+-]?(1[0-4]|[0-9])", "[+-]?0?[0-9]:[0-5][0-9]"];
    let day = prop_oneof![
        (1..=12, 1..=5, 0..=6).prop_map(|(month, week, day)| format!("M{month}.{week}.{day}")),
        (1..=365).prop_map(|day| format!("J{day}")),
        (0..=365_u16).prop_map(|day| day.to_string()),
    ];
    let moment = (day, prop_oneof![Just(String::new()), "/[0-9]", "/(1[0-9]|2[0-4]):[0-5][0-9]", "/-?[0-9]{1,2}"])
        .prop_map(|(day, time)| format!(",{day}{time}"));
    let summer = (name.clone(), prop_oneof![Just(String::new()), offset.clone()], moment.clone(), moment)
        .prop_map(|(name, offset, start, end)| format!("{name}{offset}{start}{end}"));
    (name, offset, proptest::option::of(summer))
        .prop_map(|(name, offset, summer)| format!("{name}{offset}{}", summer.unwrap_or_default()))
}

proptest! {
    #[test]
    fn no_input_panics(text in ".{0,60}") {
        let _ = Zone::read(&text);
    }

    #[test]
    fn no_likely_input_panics(text in "[A-Z<>]{0,5}[-+0-9:]{0,8}[A-Z]{0,4}[-0-9:]{0,5}(,[MJ0-9./:-]{0,12}){0,3}") {
        let _ = Zone::read(&text);
    }

    /// Another parser of the same grammar derives the same clock from every accepted string.
    #[test]
    fn strings_mean_what_the_standard_says(text in posix(), seconds in 1_700_000_000_i64..1_900_000_000) {
        if let (Ok(read), Ok(truth)) = (Zone::read(&text), TimeZone::posix(&text)) {
            let when = Timestamp::from_second(seconds).unwrap();
            prop_assert_eq!(read.time_zone.to_offset(when), truth.to_offset(when), "{}", text);
        }
    }

    /// Nearly everything that the grammar allows is accepted, except clock changes of more than five hours.
    #[test]
    fn clock_changes_beyond_the_limit_are_rejected(text in posix()) {
        if let Err(error) = Zone::read(&text) {
            prop_assert!(error.reason.contains("five hours"), "{}: {}", text, error.reason);
        }
    }

    /// The phone's rule matches the zone on the day for which it was computed.
    #[test]
    fn a_rule_is_right_on_its_day(text in posix(), days in 19_700_i64..22_000) {
        if let Ok(zone) = Zone::read(&text) {
            let now = Timestamp::from_second(days * 86_400).unwrap();
            let rule = zone.rule_at(now);
            let truth = zone.time_zone.to_offset(now).seconds() / 60;
            let possible = [rule.offset, rule.offset + rule.dst.map_or(0, |dst| dst.save)];
            prop_assert!(possible.contains(&truth), "{}: {:?}, not {}", text, rule, truth);
        }
    }
}
