//! The house keeps its order: rooms import only from rooms below them, and files stay small.

#![expect(clippy::unwrap_used, reason = "a failing test may say so by panicking")]

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

/// The rows of `docs/architecture.md`, from the ground up. A room may use its own row's ground and everything below
/// it; within a row the order of the list decides.
const ROWS: &[&[&str]] = &[
    &["clock", "secret", "tasks", "telemetry", "config", "crash_point"],
    &["phone"],
    &["wire"],
    &["net", "store", "vendor"],
    &["links", "render", "sysclients", "redirect"],
    &["provision"],
    &["apis", "diagnostics"],
    &["http", "sip"],
    &["admin"],
    &["rest"],
    &["lifecycle", "app", "cli", "sim"],
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn room_of(path: &Path) -> String {
    let inside = path.strip_prefix("src").unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// Papers that are not in the repository: whoever reads a comment cannot follow a reference to them.
const PAPERS: &[&str] = &[
    "DESIGN",
    "STYLE.md",
    "CRATES.md",
    "phone-formats",
    "innovaphone-protocols",
    "redirect-services",
    "requirements.md",
    "7.A bar",
    "7.G bar",
];
/// Beginnings of the requirements' numbers (`ABC-12`).
const REQUIREMENTS: &[&str] = &[
    "ATC", "CMP", "COM", "CON", "CRT", "CTS", "DAPI", "DEV", "DSH", "FAP", "FAX", "FRP", "GDL", "GKG", "IPA", "MAI",
    "MAN", "MPK", "MPS", "MRL", "SNO", "UPS", "VDI", "WRK", "YEA",
];
/// Files somebody else is working on; to be emptied.
const NOT_YET: &[&str] = &[];

/// What a text cites that nobody can look up.
fn foreign_citations(text: &str) -> Vec<String> {
    let papers = PAPERS.iter().filter(|paper| text.contains(**paper)).map(|paper| (*paper).to_owned());
    let is_word = |c: char| c.is_ascii_alphanumeric();
    let numbers = REQUIREMENTS.iter().flat_map(|kind| {
        let numbered = format!("{kind}-");
        let found = text.match_indices(&numbered).filter(|(at, _)| {
            let after = text[at + numbered.len()..].chars().take(2).filter(char::is_ascii_digit).count();
            !text[..*at].ends_with(is_word) && after == 2
        });
        found.map(|(at, _)| text[at..at + numbered.len() + 2].to_owned()).collect::<Vec<_>>()
    });
    papers.chain(numbers).collect()
}

#[test]
fn comments_cite_nothing_that_is_not_here() {
    assert_eq!(foreign_citations("as DESIGN 4.1 says (YEA-31), UTF-16, X-YEA-3"), ["DESIGN", "YEA-31"]);
    let mut files = Vec::new();
    for dir in ["src", "tests", "benches"] {
        sources(Path::new(dir), &mut files);
    }
    let mut wrong = Vec::new();
    for path in files.iter().filter(|path| !path.ends_with("tests/house.rs")) {
        let name = path.to_string_lossy();
        if NOT_YET.iter().any(|skipped| name.starts_with(skipped)) {
            continue;
        }
        let cited = foreign_citations(&fs::read_to_string(path).unwrap());
        if !cited.is_empty() {
            wrong.push(format!("{name}: {}", cited.join(", ")));
        }
    }
    assert!(wrong.is_empty(), "state the rule itself instead of citing it:\n{}", wrong.join("\n"));
}

/// The rooms a source text names through `crate::`, in plain paths and in `use crate::{a::.., b::..}` groups.
fn named_rooms(text: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (start, _) in text.match_indices("crate::") {
        if text[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &text[start + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut at_start = true;
            let mut word = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => at_start = true,
                    _ if depth == 0 && at_start && (c.is_alphanumeric() || c == '_') => word.push(c),
                    _ if depth == 0 && !word.is_empty() => at_start = false,
                    _ => {}
                }
                if (!at_start || c == ',') && !word.is_empty() {
                    rooms.push(std::mem::take(&mut word));
                }
            }
            if !word.is_empty() {
                rooms.push(word);
            }
        } else {
            rooms.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    rooms
}

#[test]
fn rooms_import_only_from_lower_rows() {
    let rank: HashMap<&str, usize> =
        ROWS.iter().enumerate().flat_map(|(row, rooms)| rooms.iter().map(move |room| (*room, row))).collect();
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    assert!(files.len() > 20, "the sources were not found");
    let mut wrong = Vec::new();
    for file in files {
        let room = room_of(&file);
        if matches!(room.as_str(), "lib" | "main") {
            continue;
        }
        let own = *rank.get(room.as_str()).unwrap_or_else(|| panic!("{room} has no row: enter it in tests/house.rs"));
        for named in named_rooms(&fs::read_to_string(&file).unwrap()) {
            if named == room {
                continue;
            }
            match rank.get(named.as_str()) {
                Some(&row) if row < own => {}
                // The ground row holds single files that build on one another.
                Some(&row) if row == own && (own == 0 || own + 1 == ROWS.len()) => {}
                Some(_) => wrong.push(format!("{}: {room} must not use {named}", file.display())),
                None => wrong.push(format!("{}: crate::{named} is no room", file.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_every_form() {
    let text = "use crate::{clock::{Clock, SharedClock}, phone::mac::Mac, wire};\nuse crate::store::Store;\nlet x = crate::net::http::Client;";
    assert_eq!(named_rooms(text), ["clock", "phone", "wire", "store", "net"]);
}

#[test]
fn simulators_share_nothing_with_the_protocol_code() {
    let mut files = Vec::new();
    sources(Path::new("src/sim"), &mut files);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for named in named_rooms(&text) {
            assert!(
                matches!(named.as_str(), "sim" | "tasks" | "clock" | "secret" | "phone"),
                "{}: a simulator uses {named}: a misreading there would cancel itself out",
                file.display()
            );
        }
    }
}

#[test]
fn files_keep_to_one_concern() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let long: Vec<String> = files
        .iter()
        // Tables of tests are read row by row; they may be long.
        .filter(|file| !file.components().any(|part| part.as_os_str().to_string_lossy().contains("tests")))
        .filter_map(|file| {
            let text = fs::read_to_string(file).unwrap();
            let own = text.split("\n#[cfg(test)]").next().unwrap_or(&text).lines().count();
            (own > 500).then(|| format!("{} has {own} lines before its tests", file.display()))
        })
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// `docs/settings.md` is the table of settings, written out. `GANGWAY_UPDATE_FIXTURES=1` renews it.
#[test]
fn the_documentation_of_settings_is_their_table() {
    let table = format!(
        "# Settings\n\nMade from the table in `src/phone/settings/table.rs`; `gangway settings list` prints the same.\n\n{}",
        gangway::phone::settings::settings_markdown()
    );
    if std::env::var_os("GANGWAY_UPDATE_FIXTURES").is_some() {
        fs::write("docs/settings.md", &table).unwrap();
    }
    assert_eq!(fs::read_to_string("docs/settings.md").unwrap_or_default(), table, "run `make bless`");
}

/// The page that tells how a vendor is added shows the very files a phone is taken to in tests/live/vendor_folder.rs.
#[test]
fn the_tutorial_shows_the_folder_that_is_tested() {
    let page = fs::read_to_string("docs/vendors.md").unwrap();
    let mut shown = Vec::new();
    let mut parts = page.split("\n```");
    let mut before = parts.next().unwrap();
    while let (Some(block), Some(after)) = (parts.next(), parts.next()) {
        let path = before.trim_end().lines().next_back().unwrap_or_default().trim_matches('`').to_owned();
        let text = block.split_once('\n').map_or("", |(_, text)| text);
        if path.starts_with("vendors/") || path.starts_with("templates/") {
            let kept = fs::read_to_string(format!("fixtures/vendor-folder/{path}")).unwrap();
            assert_eq!(format!("{text}\n"), kept, "docs/vendors.md shows another {path}");
            shown.push(path);
        }
        before = after;
    }
    let mut files = Vec::new();
    for folder in ["vendors/kestrel", "templates/kestrel"] {
        for entry in fs::read_dir(format!("fixtures/vendor-folder/{folder}")).unwrap() {
            files.push(format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy()));
        }
    }
    files.sort();
    shown.sort();
    assert_eq!(shown, files);
}

/// Where a certificate is judged by code of our own, and by what. There is no switch that turns it off.
const OWN_JUDGEMENT: &[(&str, &str)] = &[
    ("src/net/tls.rs", "the pinned key of a peer, else a trusted issuer"),
    ("src/net/tls/peers.rs", "whom tls.rs trusts, chosen by the host's name"),
    (
        "src/net/tls/preflight.rs",
        "not at all: it reads what a port asks phones for, and says nothing over the connection",
    ),
    ("src/http/tests/handshakes.rs", "a phone that refuses ours, played by a test"),
];

#[test]
fn nothing_connects_without_verifying() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let mut wrong = Vec::new();
    for path in &files {
        let name = path.to_string_lossy();
        let text = fs::read_to_string(path).unwrap();
        let judges = text.contains(".dangerous()") || text.contains("ServerCertVerifier for");
        if judges && !OWN_JUDGEMENT.iter().any(|(known, _)| *known == name) {
            wrong.push(format!("{name}: judges server certificates itself; enter what it judges by in OWN_JUDGEMENT"));
        }
        let lower = text.to_lowercase();
        for word in ["danger_accept", "accept_invalid", "insecure_skip", "verify_none", "skip_verif", "no_verify"] {
            if lower.contains(word) {
                wrong.push(format!("{name}: {word}"));
            }
        }
    }
    let tls = fs::read_to_string("src/net/tls.rs").unwrap();
    let assertions = tls.matches("ServerCertVerified::assertion()").count();
    assert_eq!(assertions, 1, "a server's certificate passes by its pinned key alone without an issuer");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A comparison with `==` ends at the first difference and so tells where it is. Whatever a stranger may try against us
/// is compared by `Secret` itself or by `subtle`; the files below compare what nobody outside can try.
#[test]
fn secrets_are_compared_in_constant_time() {
    let harmless = [
        // What a redirect service says it holds, and what it should: both are ours.
        "src/redirect/snom_sraps.rs",
        "src/redirect/snom_xmlrpc.rs",
        // Whether a setting changed.
        "src/store/setting.rs",
        // The form of a key, by its length.
        "src/wire/appws/key.rs",
    ];
    let comparison = regex::Regex::new(r"expose\(\)[^;{|]{0,60}[=!]=[^>]|[=!]=[^>;{)]{0,60}expose\(\)").unwrap();
    let (mut files, mut found) = (Vec::new(), Vec::new());
    sources(Path::new("src"), &mut files);
    for file in files {
        let name = file.display().to_string();
        let is_test = name.ends_with("tests.rs") || name.contains("/tests/") || name.starts_with("src/sim/");
        if is_test || harmless.contains(&name.as_str()) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let own = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        found.extend(
            own.lines().filter(|line| comparison.is_match(line)).map(|line| format!("{name}: {}", line.trim())),
        );
    }
    assert!(found.is_empty(), "compare with Secret's own ==:\n{}", found.join("\n"));
}

/// The tests of a file by their full names, as `cargo nextest` prints them: binary or nothing, modules, function.
/// `own` finds functions, `tabled` the rows of a macro of the same file that makes them: name and case.
fn tests_of(path: &Path, text: &str, [own, tabled]: &[regex::Regex; 2], found: &mut Vec<String>) {
    let inside = path.strip_prefix("src").or(path.strip_prefix("tests")).unwrap().with_extension("");
    let modules = inside.iter().map(|part| part.to_string_lossy()).filter(|part| part != "main" && part != "mod");
    let modules: Vec<_> = modules.collect();
    let mut names: Vec<&str> = own.captures_iter(text).map(|found| found.get(1).unwrap().as_str()).collect();
    if text.contains("macro_rules!") && text.contains("fn $") {
        names.extend(tabled.captures_iter(text).map(|found| found.get(1).unwrap().as_str()));
    }
    let inner = if text.contains("#[cfg(test)]\nmod tests {") { "::tests" } else { "" };
    found.extend(names.iter().map(|name| format!("{}{inner}::{name}", modules.join("::"))));
}

/// Whether what a page names as its proof is there: a test, a module of tests, a file, a bench. The last words of a long name may
/// be left out, also for `...` or `*`; `live x` stands for `live::x`.
fn is_there(named: &str, tests: &[String]) -> bool {
    if let Some(bench) = named.strip_prefix("cargo bench --bench ") {
        return Path::new(&format!("benches/{bench}.rs")).exists();
    }
    if named.contains('/') {
        return Path::new(named).exists();
    }
    let whole = named.replace(": ", "::").replace(' ', "::");
    let wanted = whole.trim_end_matches(['.', '*', '_']);
    tests.iter().any(|test| {
        test.match_indices(wanted).any(|(at, _)| {
            let after = &test[at + wanted.len()..];
            (at == 0 || test[..at].ends_with(':')) && (after.is_empty() || after.starts_with([':', '_']))
        })
    })
}

/// What a page says is shown by a test is shown by one: every name in a column `Test` or `Shown by`, and everything in
/// prose that has the form of a test's name.
#[test]
fn every_test_the_documentation_names_exists() {
    let (mut files, mut tests) = (Vec::new(), Vec::new());
    for dir in ["src", "tests"] {
        sources(Path::new(dir), &mut files);
    }
    let attribute = r"#\[[\w:]*test(?:\([^)]*\))?\]\s*(?:(?:#\[[^\]]*\]|///[^\n]*)\s*)*(?:async )?fn (\w+)";
    let forms = [attribute, r"(?m)^    (\w+): \w+,$"].map(|form| regex::Regex::new(form).unwrap());
    for path in &files {
        tests_of(path, &fs::read_to_string(path).unwrap(), &forms, &mut tests);
    }
    assert!(tests.len() > 1000, "{} tests were found", tests.len());
    assert!(is_there("house::every_test_the_documentation_names_exists", &tests));
    assert!(is_there("live crash::killed_*", &tests) && is_there("phone::admission::tests", &tests));
    assert!(!is_there("every_test_the_docu", &tests) && !is_there("documentation_names_exists", &tests));

    let quoted = regex::Regex::new("`([^`]+)`").unwrap();
    let sentence = regex::Regex::new(r"^[a-z0-9_:]+(_[a-z0-9]+){3,}(_\*|\.\.\.|_\.\.\.)?$").unwrap();
    let (mut missing, mut named) = (Vec::new(), 0);
    for page in fs::read_dir("docs").unwrap().map(|entry| entry.unwrap().path()) {
        if page.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let (mut is_table_of_tests, mut before) = (false, "");
        let text = fs::read_to_string(&page).unwrap();
        for line in text.lines() {
            let last = |line: &str| line.trim_end_matches('|').rsplit('|').next().unwrap_or_default().trim().to_owned();
            if line.starts_with("|---") {
                is_table_of_tests = matches!(last(before).as_str(), "Test" | "Tests" | "Shown by");
            }
            is_table_of_tests &= line.starts_with('|');
            let column = if is_table_of_tests { last(line) } else { String::new() };
            let proofs = quoted.captures_iter(&column).map(|found| found[1].to_owned());
            let in_prose = quoted.captures_iter(line).map(|found| found[1].to_owned());
            let in_prose = in_prose.filter(|name| sentence.is_match(name) && !name.starts_with("gangway_"));
            for name in proofs.chain(in_prose) {
                named += 1;
                if !is_there(&name, &tests) {
                    missing.push(format!("{}: {name}", page.display()));
                }
            }
            before = line;
        }
    }
    assert!(named > 100, "{named} names were read");
    missing.dedup();
    assert!(missing.is_empty(), "no such test:\n{}", missing.join("\n"));
}
