//! Tests which top-level modules may import from which, and that files have no dependency cycles.

use std::{collections::BTreeMap, fs};

use super::sources::{arrows, sources};

/// The top-level modules of `src`, lowest first. A module imports only from modules before it.
const ROOMS: &[&str] = &[
    "base",
    "phone",
    "settings",
    "phone_config",
    "catalog",
    "net",
    "store",
    "render",
    "redirect",
    "pbx",
    "devices",
    "provision",
    "service",
    "http",
    "sip",
    "api",
    "app",
    "cli",
];

#[test]
fn rooms_import_only_from_rooms_above() {
    let rank: BTreeMap<&str, usize> = ROOMS.iter().enumerate().map(|(rank, room)| (*room, rank)).collect();
    let (sources, mut wrong) = (sources(), Vec::new());
    for (source, named) in sources.iter().zip(arrows(&sources)) {
        if source.module[0] != "gangway" || source.room().is_empty() {
            continue;
        }
        let own = rank.get(source.room()).unwrap_or_else(|| panic!("{} has no row in tests/house", source.room()));
        for other in named.into_iter().map(|index| &sources[index]) {
            if other.module[0] == "gangway" && rank.get(other.room()).is_none_or(|rank| rank > own) {
                wrong.push(format!("{} must not import from {}", source.name(), other.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The compiler separates crates; this test checks their manifests.
#[test]
fn simulators_and_protocols_depend_on_the_base_alone() {
    for (crate_, allowed) in [("base", &[][..]), ("wire", &["gangway-base"]), ("sim", &["gangway-base"])] {
        let manifest = fs::read_to_string(format!("crates/{crate_}/Cargo.toml")).unwrap();
        let ours: Vec<&str> = manifest
            .lines()
            .filter_map(|line| line.split_once(['.', ' ']).map(|(name, _)| name))
            .filter(|name| name.starts_with("gangway"))
            .collect();
        assert_eq!(ours, allowed, "crates/{crate_}");
    }
}

/// Returns the files of a dependency cycle, if there is one. Follows the edges until a file repeats.
fn circle(arrows: &[std::collections::BTreeSet<usize>]) -> Option<Vec<usize>> {
    fn walk(
        at: usize,
        arrows: &[std::collections::BTreeSet<usize>],
        done: &mut [bool],
        way: &mut Vec<usize>,
    ) -> Option<Vec<usize>> {
        if let Some(start) = way.iter().position(|file| *file == at) {
            return Some(way[start..].to_vec());
        }
        if done[at] {
            return None;
        }
        way.push(at);
        for next in &arrows[at] {
            if let Some(found) = walk(*next, arrows, done, way) {
                return Some(found);
            }
        }
        way.pop();
        done[at] = true;
        None
    }
    let mut done = vec![false; arrows.len()];
    (0..arrows.len()).find_map(|file| walk(file, arrows, &mut done, &mut Vec::new()))
}

#[test]
fn no_circle_stands_between_files() {
    let sources = sources();
    let mut arrows = arrows(&sources);
    // Test files may use what they test, regardless of cycles.
    for (source, named) in sources.iter().zip(&mut arrows) {
        if source.is_test() {
            named.clear();
        }
    }
    let mut circles = Vec::new();
    while let Some(files) = circle(&arrows) {
        let names: Vec<String> = files.iter().map(|file| sources[*file].name()).collect();
        circles.push(names.join(" -> "));
        // Remove an edge, so that the next cycle is found, too.
        arrows[files[files.len() - 1]].remove(&files[0]);
    }
    assert!(circles.is_empty(), "circles:\n{}", circles.join("\n"));
}

/// Another database engine is another folder beside `sqlite`, so nothing else may know SQL. Tests may: they read a file
/// with a second reader.
#[test]
fn sql_stays_in_its_folder() {
    let outside = |path: &str| {
        path.starts_with("src/") && !path.starts_with("src/store/sqlite") && path != "src/base/telemetry/log.rs"
    };
    let sources = sources();
    let wrong: Vec<String> = sources
        .iter()
        .filter(|source| outside(&source.name()) && !source.is_test())
        .filter(|source| source.text.contains("sqlx"))
        .map(super::sources::Source::name)
        .collect();
    assert!(wrong.is_empty(), "SQL outside src/store/sqlite: {wrong:?}");
    let inside = sources.iter().filter(|source| source.name().starts_with("src/store/sqlite"));
    assert!(inside.filter(|source| source.text.contains("sqlx::query")).count() > 10, "the search finds what is there");
}

#[test]
fn a_circle_is_found() {
    let arrows = |edges: &[&[usize]]| edges.iter().map(|named| named.iter().copied().collect()).collect::<Vec<_>>();
    assert_eq!(circle(&arrows(&[&[1], &[2], &[]])), None);
    assert_eq!(circle(&arrows(&[&[1], &[2], &[1]])), Some(vec![1, 2]));
}

#[test]
fn files_keep_to_one_concern() {
    let long: Vec<String> = sources()
        .iter()
        // Test files may be long, because their tables are read row by row.
        .filter(|source| !source.is_test())
        .filter_map(|source| {
            let own = source.text.split("\n#[cfg(test)]").next().unwrap_or_default().lines().count();
            (own > 500).then(|| format!("{} has {own} lines before its tests", source.name()))
        })
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}
