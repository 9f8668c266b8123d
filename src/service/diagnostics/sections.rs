//! The parts of a bundle and how much of each fits: small and required parts always, of the others the newest data.

use std::io::Write;

use flate2::{Compression, write::DeflateEncoder};

use crate::base::telemetry::escape_control;

/// The group of a part. If not everything fits, each group has a share, plus what other groups do not use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Small parts that are never cut.
    Basics,
    /// Settings and the table of phones.
    Tables,
    /// Logs.
    Logs,
    /// Timelines and files of single phones, those with the newest events first.
    Phones,
    /// Calls to redirect services.
    History,
    /// The audit.
    Audit,
}

/// The groups that can be cut, and their shares in percent.
const SHARES: [(Group, u64); 5] =
    [(Group::Tables, 25), (Group::Logs, 35), (Group::Phones, 20), (Group::History, 10), (Group::Audit, 10)];
/// Bytes an archive needs per file besides its name and content.
const PER_FILE: u64 = 192;
/// Minimum size of a separate file.
const LEAST: u64 = 256;

/// The content of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Included completely or not at all.
    Whole(String),
    /// Lines, newest last.
    Lines(Vec<String>),
    /// JSON values, most important (or newest) first.
    Rows(Vec<String>),
}

/// A file of the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFile {
    /// Its path in the archive.
    pub name: String,
    /// Its group.
    pub group: Group,
    /// Its content.
    pub body: Body,
}

impl Body {
    /// Number of lines or rows; one for a part that cannot be cut.
    pub fn len(&self) -> usize {
        match self {
            Self::Whole(_) => 1,
            Self::Lines(lines) | Self::Rows(lines) => lines.len(),
        }
    }

    /// Returns the file with `kept` lines or rows, and a note on what is missing. Control characters are escaped,
    /// because the files are read in terminals.
    pub fn text(&self, kept: usize) -> String {
        let text = self.joined(kept);
        match self {
            Self::Lines(_) => escape_control::lines(&text).into_owned(),
            Self::Whole(_) | Self::Rows(_) => escape_control::json(&text).into_owned(),
        }
    }

    fn joined(&self, kept: usize) -> String {
        match self {
            Self::Whole(text) => text.clone(),
            Self::Lines(lines) => {
                let missing = lines.len().saturating_sub(kept);
                let mut text = String::new();
                if missing > 0 {
                    text = format!("... {missing} older lines are left out to keep the bundle small\n");
                }
                for line in lines.iter().skip(missing) {
                    text.push_str(line);
                    text.push('\n');
                }
                text
            }
            Self::Rows(rows) => {
                let mut displayed: Vec<String> = rows.iter().take(kept).cloned().collect();
                let missing = rows.len().saturating_sub(kept);
                if missing > 0 {
                    displayed.push(format!("{{\"left_out_to_keep_the_bundle_small\":{missing}}}"));
                }
                format!("[\n{}\n]\n", displayed.join(",\n"))
            }
        }
    }
}

/// What is kept of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its path in the archive.
    pub name: String,
    /// The file, or `None` if nothing of it fits.
    pub text: Option<String>,
    /// Its group.
    pub group: Group,
    /// Number of lines or rows kept.
    pub kept: usize,
    /// Total number of lines or rows.
    pub of: usize,
}

/// Returns the compressed size of a file, in bytes.
fn packed(name: &str, text: &str) -> u64 {
    let mut encoder = DeflateEncoder::new(Counter(0), Compression::default());
    // Counting cannot fail.
    let _ = encoder.write_all(text.as_bytes());
    let bytes = encoder.finish().map_or(text.len() as u64, |counter| counter.0);
    bytes + 2 * name.len() as u64 + PER_FILE
}

struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Selects what fits into `room` bytes. Returns `Err` with the size of the basic parts if they do not fit.
pub fn fit(parts: &[BundleFile], room: u64) -> Result<Vec<Kept>, u64> {
    let sized: Vec<(&BundleFile, u64)> = parts
        .iter()
        .map(|part| {
            let size = packed(&part.name, &part.body.text(part.body.len()));
            (part, size)
        })
        .collect();
    let size_of =
        |group: Group| sized.iter().filter(|(part, _)| part.group == group).map(|(_, size)| size).sum::<u64>();
    let basics = size_of(Group::Basics);
    let room = room.checked_sub(basics).ok_or(basics)?;
    let wanted: Vec<(u64, u64)> = SHARES.iter().map(|(group, share)| (size_of(*group), *share)).collect();
    let rooms = divided(room, &wanted);
    let mut rooms: Vec<(Group, u64)> = SHARES.iter().map(|(group, _)| *group).zip(rooms).collect();
    // Parts of one group share the space evenly. For phones, those with the newest events have priority.
    let even: Vec<(Group, Vec<u64>)> = rooms
        .iter()
        .filter(|(group, _)| *group != Group::Phones)
        .map(|(group, room)| {
            let own = sized.iter().filter(|(part, _)| part.group == *group);
            (*group, divided(*room, &own.map(|(_, size)| (*size, 1)).collect::<Vec<_>>()))
        })
        .collect();
    let mut even: Vec<(Group, std::vec::IntoIter<u64>)> =
        even.into_iter().map(|(group, rooms)| (group, rooms.into_iter())).collect();
    let mut kept = Vec::with_capacity(sized.len());
    for (part, size) in sized {
        let room = match part.group {
            Group::Basics => size,
            Group::Phones => rooms.iter().find(|(group, _)| *group == Group::Phones).map_or(0, |(_, room)| *room),
            group => even.iter_mut().find(|(of, _)| *of == group).and_then(|(_, rooms)| rooms.next()).unwrap_or(0),
        };
        let (count, text, took) = cut(part, size, room);
        if part.group == Group::Phones
            && let Some((_, room)) = rooms.iter_mut().find(|(group, _)| *group == Group::Phones)
        {
            *room = room.saturating_sub(took);
        }
        kept.push(Kept { name: part.name.clone(), group: part.group, text, kept: count, of: part.body.len() });
    }
    Ok(kept)
}

/// Returns the number of lines or rows that fit, the file, and its size.
fn cut(part: &BundleFile, size: u64, room: u64) -> (usize, Option<String>, u64) {
    let all = part.body.len();
    if size <= room {
        return (all, Some(part.body.text(all)), size);
    }
    if room < LEAST + part.name.len() as u64 * 2 + PER_FILE || matches!(part.body, Body::Whole(_)) {
        return (0, None, 0);
    }
    let share = |count: usize, of: u64, whole: u64| {
        usize::try_from(count as u128 * u128::from(of) / u128::from(whole.max(1))).unwrap_or(count)
    };
    let mut count = share(all, room, size);
    while count > 0 {
        let text = part.body.text(count);
        let took = packed(&part.name, &text);
        if took <= room {
            return (count, Some(text), took);
        }
        // The newest part may compress worse than the rest.
        count = share(count, room, took).min(count * 19 / 20);
    }
    (0, None, 0)
}

/// Divides `room` between requests (size, share). A request never gets more than its size, and the rest is divided
/// between the others.
fn divided(room: u64, wanted: &[(u64, u64)]) -> Vec<u64> {
    let mut given = vec![0; wanted.len()];
    let mut open: Vec<usize> = (0..wanted.len()).collect();
    let mut left = room;
    loop {
        let shares: u64 = open.iter().map(|place| wanted[*place].1).sum();
        if shares == 0 {
            return given;
        }
        let part_of = |place: usize| {
            let part = u128::from(left) * u128::from(wanted[place].1) / u128::from(shares);
            u64::try_from(part).unwrap_or(left)
        };
        let (content, hungry): (Vec<usize>, Vec<usize>) =
            open.iter().partition(|place| wanted[**place].0 <= part_of(**place));
        if content.is_empty() {
            for place in hungry {
                given[place] = part_of(place);
            }
            return given;
        }
        for place in content {
            given[place] = wanted[place].0;
            left -= given[place];
        }
        open = hungry;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn unused_shares_go_to_the_other_parts() {
        assert_eq!(divided(100, &[(10, 1), (500, 1), (500, 2)]), [10, 30, 60]);
        assert_eq!(divided(100, &[(10, 1), (20, 1)]), [10, 20]);
        assert_eq!(divided(5, &[]), [] as [u64; 0]);
    }

    #[test]
    fn no_file_acts_on_the_terminal_it_is_read_at() {
        let acting = "a\u{1b}[2J\u{9b}\u{202e}";
        for body in [
            Body::Whole(format!("{acting}\n")),
            Body::Lines(vec![acting.to_owned()]),
            Body::Rows(vec![serde_json::json!({ "name": acting }).to_string()]),
        ] {
            let text = body.text(9);
            assert!(!text.replace('\n', "").contains(escape_control::is_control), "{text:?}");
        }
        let rows = Body::Rows(vec![serde_json::json!({ "name": acting }).to_string()]).text(9);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&rows).unwrap()[0]["name"], acting);
    }

    #[test]
    fn the_newest_is_kept_and_the_file_says_what_is_missing() {
        let lines = Body::Lines(["a", "b", "c"].map(str::to_owned).into());
        assert_eq!(lines.text(3), "a\nb\nc\n");
        assert!(lines.text(1).starts_with("... 2 older lines") && lines.text(1).ends_with("\nc\n"));
        let rows = Body::Rows(["1", "2", "3"].map(str::to_owned).into());
        assert_eq!(rows.text(3), "[\n1,\n2,\n3\n]\n");
        let cut: serde_json::Value = serde_json::from_str(&rows.text(1)).unwrap();
        assert_eq!(cut, serde_json::json!([1, { "left_out_to_keep_the_bundle_small": 2 }]));
        assert_eq!(Body::Rows(Vec::new()).text(0), "[\n\n]\n");
    }

    /// A line that compresses badly.
    fn line(number: usize) -> String {
        use sha2::Digest;
        data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(number.to_le_bytes()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_memory_limit_is_kept(
            lines in prop::collection::vec((0..6_usize, 0..300_usize, any::<bool>()), 1..8),
            room in 2_000..60_000_u64,
        ) {
            let groups = [Group::Basics, Group::Tables, Group::Logs, Group::Phones, Group::History, Group::Audit];
            let parts: Vec<BundleFile> = lines
                .iter()
                .enumerate()
                .map(|(place, (group, count, rows))| {
                    let lines: Vec<String> = (0..*count).map(|number| format!("\"{}\"", line(number + place * 1000))).collect();
                    let body = if *rows { Body::Rows(lines) } else { Body::Lines(lines) };
                    BundleFile { name: format!("p{place}.txt"), group: groups[*group], body }
                })
                .collect();
            match fit(&parts, room) {
                Ok(kept) => {
                    let took: u64 = kept.iter().filter_map(|kept| Some(packed(&kept.name, kept.text.as_ref()?))).sum();
                    prop_assert!(took <= room, "{} of {}", took, room);
                    let all: u64 = parts.iter().map(|part| packed(&part.name, &part.body.text(part.body.len()))).sum();
                    let is_cut = kept.iter().any(|kept| kept.kept < kept.of || kept.text.is_none());
                    prop_assert_eq!(is_cut, all > room, "{} for {}", all, room);
                    for kept in kept.iter().filter(|kept| kept.group == Group::Basics) {
                        prop_assert_eq!(kept.kept, kept.of);
                    }
                }
                Err(basics) => prop_assert!(basics > room),
            }
        }
    }
}
