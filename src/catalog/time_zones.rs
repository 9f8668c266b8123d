//! Loads `vendors/<vendor>/time-zones.toml`, the zone names of the vendor's phones.

use std::collections::HashSet;

use serde::Deserialize;

use super::{diagnostic::Diagnostic, files::FolderFiles};
use crate::settings::time_zone::{ZoneName, ZoneNames, iana, why_not};

/// The file format.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    zones: Vec<Row>,
}

/// The entry for one name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// Spelling in the current firmware.
    name: String,
    /// Spelling in older firmware, if different.
    old_name: Option<String>,
    /// The offset under which the phone lists it: `+1`, `-3:30`, `0`.
    offset: String,
    /// The IANA zones that correspond to it.
    zones: Vec<String>,
}

/// A name that must not be used, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// The vendor's name.
    pub name: String,
    /// The IANA zone.
    pub zone: String,
    /// Why a phone could interpret the name wrongly.
    pub reason: String,
}

/// The zone names of a vendor's phones: those that may be used and those that are withheld.
#[derive(Debug, Clone, Default)]
pub struct Zones {
    /// Names that are correct for all firmware versions.
    pub names: ZoneNames,
    /// The other names.
    pub withheld: Vec<Withheld>,
}

/// Loads the table of a vendor; empty if there is none. The time-zone database decides whether a name may be used.
pub(super) fn load(vendor: &str, files: &FolderFiles, findings: &mut Vec<Diagnostic>) -> Zones {
    let path = format!("vendors/{vendor}/time-zones.toml");
    let mut loaded = Zones::default();
    let Some(text) = files.get(&path) else { return loaded };
    let line_at = |offset: usize| text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1;
    let table: Table = match toml::from_str(text) {
        Ok(table) => table,
        Err(error) => {
            let line = error.span().map(|span| line_at(span.start));
            findings.push(Diagnostic::new(&path, line, error.message(), "write name, offset and zones of each row"));
            return loaded;
        }
    };
    let line_of = |part: &str| text.find(&format!("\"{part}\"")).map(line_at);
    let mut seen = HashSet::new();
    for row in &table.zones {
        let Some(listed) = minutes(&row.offset) else {
            let reason = format!("'{}' is no offset", row.offset);
            findings.push(Diagnostic::new(&path, line_of(&row.name), reason, "write +1, -3:30 or 0"));
            continue;
        };
        for zone in &row.zones {
            if iana(zone).is_none() {
                let reason = format!("{zone} is no IANA time zone");
                findings.push(Diagnostic::new(&path, line_of(zone), reason, "write it as the tz database does"));
            } else if !seen.insert(zone) {
                let reason = format!("{zone} stands there twice");
                findings.push(Diagnostic::new(&path, line_of(&row.name), reason, "keep it under one name"));
            } else if let Some(reason) = why_not(zone, listed) {
                loaded.withheld.push(Withheld { name: row.name.clone(), zone: zone.clone(), reason });
            } else {
                let old_name = row.old_name.clone().unwrap_or_else(|| row.name.clone());
                loaded.names.insert(zone.clone(), ZoneName { name: row.name.clone(), old_name });
            }
        }
    }
    loaded
}

/// Parses `+1`, `-3:30`, `0` into minutes east of UTC.
fn minutes(text: &str) -> Option<i32> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => (1, text),
    };
    let (hours, rest) = rest.split_once(':').unwrap_or((rest, "0"));
    let digits = |text: &str| (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(());
    digits(hours).and(digits(rest))?;
    let (hours, rest): (i32, i32) = (hours.parse().ok()?, rest.parse().ok()?);
    (hours <= 14 && rest < 60).then_some(sign * (hours * 60 + rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_as_phones_list_them() {
        for (text, expected) in [
            ("+1", Some(60)),
            ("-3:30", Some(-210)),
            ("0", Some(0)),
            ("+12:45", Some(765)),
            ("", None),
            ("+", None),
            ("1h", None),
            ("+-1", None),
            ("+15", None),
            ("+1:60", None),
        ] {
            assert_eq!(minutes(text), expected, "{text}");
        }
    }

    #[test]
    fn a_wrong_row_is_named_with_its_line() {
        let load = |rows: &str| {
            let mut findings = Vec::new();
            let text = format!("zones = [\n{rows}\n]\n");
            let files = FolderFiles::from([("vendors/acme/time-zones.toml".to_owned(), text)]);
            let zones = load("acme", &files, &mut findings);
            (zones, findings.iter().map(ToString::to_string).collect::<String>())
        };
        for (rows, expected_text) in [
            ("{ name = \"X\", offset = \"one\", zones = [] }", ":2: 'one' is no offset"),
            ("{ name = \"X\", offset = \"+1\", zones = [\"Mars/Olympus\"] }", "Mars/Olympus is no IANA time zone"),
            ("{ name = \"X\", offset = \"+1\", zones = [\"Europe/Berlin\", \"Europe/Berlin\"] }", "stands there twice"),
            ("{ name = \"X\", offset = \"+1\", zones = [], colour = 1 }", "unknown field `colour`"),
        ] {
            assert!(load(rows).1.contains(expected_text), "{}", load(rows).1);
        }
        let (zones, findings) =
            load("{ name = \"GER\", offset = \"+1\", zones = [\"Europe/Berlin\", \"Europe/Moscow\"] }");
        assert_eq!(findings, "");
        assert_eq!(zones.names.len(), 1);
        assert_eq!((zones.withheld.len(), zones.withheld[0].zone.as_str()), (1, "Europe/Moscow"));
    }
}
