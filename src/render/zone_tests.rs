//! Checks every zone of the time zone database as phones display it. The values are taken from rendered files and
//! evaluated by clock models written from the vendors' parameter descriptions. The reference is the database. What a
//! phone's parameters cannot express is listed with the reason in `fixtures/time_zones/report.json`, so that changes
//! are visible.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use gangway_base::{clock::ManualClock, mac::Mac, secret::Secret};
use jiff::{
    Timestamp,
    civil::{self, Weekday},
    tz::{TimeZone, TimeZoneDatabase},
};
use serde::Serialize;

use super::{tests::whole, *};
use crate::{
    catalog::{Registry, SharedRegistry},
    phone_config::sample_phone,
    settings::{Layers, SettingRow, time_zone::Zone},
};

const YEARS: [i16; 2] = [2026, 2027];

/// A switch of a phone's clock: month, week (5 = last), weekday (7 = Sunday), minutes after midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    month: i8,
    week: i8,
    weekday: i8,
    minutes: i64,
}

/// The clock of a phone: minutes east of UTC, and by how many minutes it changes when.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PhoneClock {
    standard: i64,
    summer: Option<(i64, Change, Change)>,
}

impl Change {
    /// Minutes since 1970 in the phone's local time.
    fn in_year(self, year: i16) -> i64 {
        let weekday = Weekday::from_monday_one_offset(self.weekday).unwrap();
        let nth = if self.week == 5 { -1 } else { self.week };
        let day = civil::date(year, self.month, 1).nth_weekday_of_month(nth, weekday).unwrap();
        let midnight = day.to_zoned(TimeZone::UTC).unwrap().timestamp();
        midnight.as_second() / 60 + self.minutes
    }
}

impl PhoneClock {
    /// The displayed time, in minutes from UTC.
    fn offset_at(&self, at: Timestamp) -> i64 {
        let Some((saved, start, end)) = self.summer else { return self.standard };
        let standard = at.as_second().div_euclid(60) + self.standard;
        let year = at.to_zoned(TimeZone::UTC).year();
        let begins = |year| start.in_year(year);
        // The end is given in daylight saving time.
        let ends = |year| end.in_year(year) - saved;
        // An end before the start in the calendar belongs to the period that began in the previous year.
        let within = |year: i16| {
            let until = if ends(year) > begins(year) { ends(year) } else { ends(year + 1) };
            (begins(year)..until).contains(&standard)
        };
        if within(year - 1) || within(year) || within(year + 1) { self.standard + saved } else { self.standard }
    }

    /// `+1`, `-3:30`, `0`; `0` off, `1` on; `month/week/weekday/hour`; minutes.
    fn of_yealink(lines: &BTreeMap<&str, &str>) -> Self {
        let (sign, hours) = match lines["local_time.time_zone"].split_at_checked(1).unwrap() {
            ("-", rest) => (-1, rest),
            ("+", rest) => (1, rest),
            _ => (1, lines["local_time.time_zone"]),
        };
        let (hours, minutes) = hours.split_once(':').unwrap_or((hours, "0"));
        let (hours, minutes): (i64, i64) = (hours.parse().unwrap(), minutes.parse().unwrap());
        assert!(hours <= 14 && minutes < 60);
        let change = |key: &str| {
            let numbers: Vec<i64> = lines[key].split('/').map(|part| part.parse().unwrap()).collect();
            let [month, week, weekday, hour] = numbers[..] else { panic!("{key}: {}", lines[key]) };
            assert!((1..=12).contains(&month) && (1..=5).contains(&week));
            assert!((1..=7).contains(&weekday) && (0..=23).contains(&hour));
            let small = |number: i64| i8::try_from(number).unwrap();
            Change { month: small(month), week: small(week), weekday: small(weekday), minutes: hour * 60 }
        };
        let summer = match lines["local_time.summer_time"] {
            "0" => None,
            "1" => {
                assert_eq!(lines["local_time.dst_time_type"], "1");
                let saved: i64 = lines["local_time.offset_time"].parse().unwrap();
                assert!((1..=300).contains(&saved));
                Some((saved, change("local_time.start_time"), change("local_time.end_time")))
            }
            other => panic!("summer_time = {other}: the phone's own table is not known"),
        };
        Self { standard: sign * (hours * 60 + minutes), summer }
    }

    /// `utc_offset` in seconds; `dst`: seconds, then twice `month.week.weekday hh:mm:ss`.
    fn of_snom(utc_offset: &str, dst: &str) -> Self {
        let seconds = |text: &str| text.parse::<i64>().unwrap();
        let change = |day: &str, time: &str| {
            let numbers = |text: &str, by| text.split(by).map(|part| part.parse().unwrap()).collect::<Vec<i8>>();
            let (day, time) = (numbers(day, '.'), numbers(time, ':'));
            assert!(day.len() == 3 && time.len() == 3 && (0..24).contains(&time[0]) && (0..60).contains(&time[1]));
            let minutes = i64::from(time[0]) * 60 + i64::from(time[1]);
            Change { month: day[0], week: day[1], weekday: day[2], minutes }
        };
        let words: Vec<&str> = dst.split_whitespace().collect();
        let summer = match words[..] {
            [] => None,
            [saved, day, time, last_day, last_time] => {
                Some((seconds(saved) / 60, change(day, time), change(last_day, last_time)))
            }
            _ => panic!("{dst}"),
        };
        Self { standard: seconds(utc_offset) / 60, summer }
    }
}

#[test]
fn the_clocks_read_what_the_vendors_describe() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let berlin = BTreeMap::from([
        ("local_time.time_zone", "+1"),
        ("local_time.summer_time", "1"),
        ("local_time.dst_time_type", "1"),
        ("local_time.start_time", "3/5/7/2"),
        ("local_time.end_time", "10/5/7/3"),
        ("local_time.offset_time", "60"),
    ]);
    let yealink = PhoneClock::of_yealink(&berlin);
    let snom = PhoneClock::of_snom("3600", "3600 03.05.07 02:00:00 10.05.07 03:00:00");
    assert_eq!(yealink, snom);
    for (when, offset) in [
        ("2027-03-28T00:59:00Z", 60),
        ("2027-03-28T01:00:00Z", 120),
        ("2027-10-31T00:59:00Z", 120),
        ("2027-10-31T01:00:00Z", 60),
    ] {
        assert_eq!(yealink.offset_at(at(when)), offset, "{when}");
    }
    let sydney = PhoneClock::of_snom("36000", "3600 10.01.07 02:00:00 04.01.07 03:00:00");
    for (when, offset) in [
        ("2026-12-31T23:59:00Z", 660),
        ("2027-01-01T00:00:00Z", 660),
        ("2027-04-03T15:59:00Z", 660),
        ("2027-04-03T16:00:00Z", 600),
        ("2027-10-02T15:59:00Z", 600),
        ("2027-10-02T16:00:00Z", 660),
    ] {
        assert_eq!(sydney.offset_at(at(when)), offset, "{when}");
    }
}

/// Renders the file of one phone for any zone and day.
struct Bench {
    registry: SharedRegistry,
}

impl Bench {
    fn new() -> Self {
        Self { registry: Registry::load_shared(None).unwrap() }
    }

    fn file(&self, vendor: &str, agent: &str, path: &str, zone: &str, day: Timestamp) -> String {
        let mac: Mac = if vendor == "snom" { "000413123456" } else { "805ec0123456" }.parse().unwrap();
        let mut phone = sample_phone(vendor, vendor, None, None, mac);
        phone.device_config.items.clear();
        let name = "timezone".to_owned();
        let row = SettingRow { scope: "instance".parse().unwrap(), name, value: Secret::new(zone) };
        let recognition = self.registry.load().recognise(Some(agent), Some(path));
        let clock = Arc::new(ManualClock::new(day));
        let rendered = Renderer::new(Arc::clone(&self.registry), [7; 32], 0, clock).file(&whole(
            &phone,
            &recognition,
            &Layers::new(vec![row], 1),
        ));
        let rendered = rendered.unwrap();
        assert_eq!(rendered.notes, Vec::<String>::new(), "{zone}");
        String::from_utf8(rendered.body.to_vec()).unwrap()
    }

    /// The clock of a Snom phone, and its time zone code.
    fn snom(&self, zone: &str, day: Timestamp) -> (PhoneClock, String) {
        let text = self.file("snom", SNOM, "/snomD785-000413123456.htm", zone, day);
        let value = |name: &str| {
            let (_, rest) = text.split_once(&format!("<{name} perm=\"R\">"))?;
            Some(rest.split_once("</")?.0)
        };
        // An element without a value may be self-closing.
        let clock = PhoneClock::of_snom(value("utc_offset").unwrap(), value("dst").unwrap_or_default());
        assert!(text.contains("<dst ") && text.contains("<timezone "));
        (clock, value("timezone").unwrap_or_default().to_owned())
    }

    /// The clock of a Yealink phone, and its time zone name.
    fn yealink(&self, agent: &str, zone: &str, day: Timestamp) -> (PhoneClock, String) {
        let text = self.file("yealink", agent, "/805ec0123456.cfg", zone, day);
        let lines: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once(" = ")).collect();
        (PhoneClock::of_yealink(&lines), lines["local_time.time_zone_name"].to_owned())
    }
}

const NEW: &str = "Yealink SIP-T46U 108.86.0.90 80:5e:c0:12:34:56";
const OLD: &str = "Yealink SIP-T46G 28.72.0.1 80:5e:c0:12:34:56";
const SNOM: &str = "Mozilla/4.0 (compatible; snomD785-SIP 10.1.33.33 2010.12-00004-g9ba52f5 000413123456 SXM:0 UXM:0)";

fn zones() -> Vec<(String, TimeZone)> {
    let database = TimeZoneDatabase::bundled();
    let names = database.available().map(|name| name.as_str().to_owned());
    names.map(|name| (name.clone(), database.get(&name).unwrap())).collect()
}

fn minutes(zone: &TimeZone, at: Timestamp) -> i64 {
    i64::from(zone.to_offset(at).seconds().div_euclid(60))
}

fn moment(year: i16, month: i8, day: i8) -> Timestamp {
    civil::date(year, month, day).at(0, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp()
}

fn after(at: Timestamp, minutes: i64) -> Timestamp {
    at.checked_add(jiff::Span::new().minutes(minutes)).unwrap()
}

/// Checks a winter and a summer day of this year and the next with the file of that day. Where the rule is permanent,
/// also with a file that is never updated.
#[test]
fn every_zone_shows_the_right_time_in_winter_and_summer() {
    let bench = Bench::new();
    let middays = YEARS.iter().flat_map(|year| [moment(*year, 1, 15), moment(*year, 7, 15)]).map(|at| after(at, 720));
    let middays: Vec<Timestamp> = middays.collect();
    let mut checked = 0;
    let all = zones();
    for &day in &middays {
        for (name, zone) in &all {
            if name == "Factory" {
                continue;
            }
            let (snom, _) = bench.snom(name, day);
            assert_eq!(snom.offset_at(day), minutes(zone, day), "{name} at {day}, Snom");
            // Both generations write the same values; one year is enough for the older one.
            let agents = if day < middays[2] { &[NEW, OLD][..] } else { &[NEW] };
            for agent in agents {
                let (clock, _) = bench.yealink(agent, name, day);
                let lasting = Zone::from(zone.clone()).rule_at(day).lasting;
                for &at in middays.iter().filter(|at| **at == day || (lasting && **at > day)) {
                    assert_eq!(clock.offset_at(at), minutes(zone, at), "{name} at {at}, file of {day}");
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 590 * 14, "{checked}");
}

/// One way in which a vendor's parameters cannot express a zone.
#[derive(Debug, Serialize)]
struct Shortfall {
    zone: String,
    vendor: &'static str,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Report {
    zones: usize,
    refused: BTreeMap<&'static str, &'static str>,
    /// Wrong for some minutes at each change, because the phone supports only whole hours.
    whole_hours: Vec<Shortfall>,
    /// Correct only if the phone fetches its file from time to time: no single rule gives the days of all years.
    told_anew: BTreeSet<String>,
}

/// Checks both years at every sixth day, and every quarter of an hour around each change, with the file of that day.
#[test]
fn both_years_are_right_but_for_what_is_listed() {
    let bench = Bench::new();
    let mut report = Report {
        zones: 0,
        refused: BTreeMap::from([("Factory", "it names no place")]),
        whole_hours: Vec::new(),
        told_anew: BTreeSet::new(),
    };
    let (from, until) = (moment(YEARS[0], 1, 1), moment(YEARS[1] + 1, 1, 1));
    for (name, zone) in zones().into_iter().filter(|(name, _)| name != "Factory") {
        report.zones += 1;
        let changes: Vec<Timestamp> =
            zone.following(from).map(|one| one.timestamp()).take_while(|at| *at < until).collect();
        let mut instants: Vec<Timestamp> = (0..730).step_by(6).map(|day| after(from, day * 1440 + 700)).collect();
        for &change in &changes {
            instants.extend((-12..=12).map(|quarter| after(change, quarter * 15)));
            instants.extend([after(change, -1), after(change, -3 * 1440), after(change, 3 * 1440)]);
        }
        let near = |at: Timestamp| changes.iter().any(|change| at.duration_since(*change).as_mins().abs() <= 60);
        let mut known: Option<(crate::settings::time_zone::ClockRule, PhoneClock, PhoneClock)> = None;
        let mut wrong = 0;
        instants.sort();
        for at in instants {
            let today = Timestamp::from_second(at.as_second().div_euclid(86_400) * 86_400).unwrap();
            let rule = Zone::from(zone.clone()).rule_at(today);
            if !rule.lasting {
                report.told_anew.insert(name.clone());
            }
            let (_, yealink, snom) = match &known {
                Some(same) if same.0 == rule => same,
                _ => known.insert((rule, bench.yealink(NEW, &name, today).0, bench.snom(&name, today).0)),
            };
            let truth = minutes(&zone, at);
            assert_eq!(snom.offset_at(at), truth, "Snom: {name} at {at}, {snom:?}");
            if yealink.offset_at(at) != truth {
                assert!(near(at), "Yealink: {name} at {at}, {yealink:?}");
                wrong += 1;
            }
        }
        if wrong > 0 {
            let zone = name.clone();
            let (vendor, reason) =
                ("yealink", "its clocks change at another minute than 0; the nearest hour is written");
            report.whole_hours.push(Shortfall { zone, vendor, reason: reason.to_owned() });
        }
    }
    kept("report.json", &report);
}

fn kept(name: &str, value: &impl Serialize) {
    let path = format!("{}/fixtures/time_zones/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = serde_json::to_string_pretty(value).unwrap() + "\n";
    if std::env::var_os("GANGWAY_UPDATE_FIXTURES").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "{name} differs; GANGWAY_UPDATE_FIXTURES=1 writes it anew:\n{text}");
}

/// A vendor's zone names: how many are used, and why the others are not.
#[derive(Debug, Serialize)]
struct Names {
    used: usize,
    withheld: BTreeMap<String, BTreeMap<String, String>>,
}

/// A name is used only if every firmware must be right: the clock displayed today would have been right since 2008, and
/// the phone lists the name under that exact offset.
#[test]
fn names_are_used_only_where_every_firmware_is_right() {
    let bench = Bench::new();
    let today = moment(2026, 11, 21);
    let mut report = BTreeMap::new();
    for vendor in bench.registry.load().vendors() {
        let path = format!("{}/vendors/{}/time-zones.toml", env!("CARGO_MANIFEST_DIR"), vendor.name);
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        let table: toml::Table = text.parse().unwrap();
        let rows = table["zones"].as_array().unwrap();
        for (zone, name) in &vendor.zones.names {
            let (clock, written) = match &*vendor.name {
                "yealink" => {
                    assert_eq!(bench.yealink(OLD, zone, today).1, name.old_name);
                    bench.yealink(NEW, zone, today)
                }
                "snom" => bench.snom(zone, today),
                other => panic!("{other} has names of zones: read its files here"),
            };
            assert_eq!(written, name.name);
            let of_zone = |row: &&toml::Value| {
                let zones = row["zones"].as_array().unwrap();
                row["name"].as_str() == Some(&name.name) && zones.iter().any(|one| one.as_str() == Some(zone))
            };
            let row = rows.iter().find(of_zone).unwrap();
            let lines = BTreeMap::from([
                ("local_time.time_zone", row["offset"].as_str().unwrap()),
                ("local_time.summer_time", "0"),
            ]);
            assert_eq!(PhoneClock::of_yealink(&lines).standard, clock.standard, "{}", name.name);
            let truth = TimeZoneDatabase::bundled().get(zone).unwrap();
            let (from, until) = (moment(2008, 1, 10), moment(2037, 1, 1));
            let changes = truth.following(from).map(|one| one.timestamp()).take_while(|at| *at < until);
            let around = changes.flat_map(|at| [after(at, -60), after(at, 60)]);
            for at in around.chain((0..29 * 12).map(|month| after(from, month * 30 * 1440))) {
                // Yealink supports only whole hours: see the report.
                if zone != "Pacific/Chatham" || &*vendor.name == "snom" {
                    assert_eq!(clock.offset_at(at), minutes(&truth, at), "{} at {at}", name.name);
                }
            }
        }
        let mut withheld: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for one in &vendor.zones.withheld {
            withheld.entry(one.name.clone()).or_default().insert(one.zone.clone(), one.reason.clone());
        }
        report.insert(vendor.name.to_string(), Names { used: vendor.zones.names.len(), withheld });
    }
    kept("names.json", &report);
}
