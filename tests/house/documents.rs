//! Tests that everything the documents refer to exists, and that comments cite nothing outside the repository.

use std::{fs, path::Path};

use super::sources::files;

/// Documents outside the repository. Readers of a comment cannot follow references to them.
const DOCUMENTS: &[&str] = &[
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
/// Prefixes of requirement numbers (`ABC-12`).
const REQUIREMENTS: &[&str] = &[
    "ATC", "CMP", "COM", "CON", "CRT", "CTS", "DAPI", "DEV", "DSH", "FAP", "FAX", "FRP", "GDL", "GKG", "IPA", "MAI",
    "MAN", "MPK", "MPS", "MRL", "SNO", "UPS", "VDI", "WRK", "YEA",
];
/// Returns citations that readers cannot look up.
fn foreign_citations(text: &str) -> Vec<String> {
    let documents =
        DOCUMENTS.iter().filter(|document| text.contains(**document)).map(|document| (*document).to_owned());
    let is_word = |c: char| c.is_ascii_alphanumeric();
    let numbers = REQUIREMENTS.iter().flat_map(|kind| {
        let numbered = format!("{kind}-");
        let found = text.match_indices(&numbered).filter(|(at, _)| {
            let after = text[at + numbered.len()..].chars().take(2).filter(char::is_ascii_digit).count();
            !text[..*at].ends_with(is_word) && after == 2
        });
        found.map(|(at, _)| text[at..at + numbered.len() + 2].to_owned()).collect::<Vec<_>>()
    });
    documents.chain(numbers).collect()
}

#[test]
fn comments_cite_nothing_that_is_not_here() {
    assert_eq!(foreign_citations("as DESIGN 4.1 says (YEA-31), UTF-16, X-YEA-3"), ["DESIGN", "YEA-31"]);
    let files: Vec<_> = ["src", "crates", "tests", "benches"].iter().flat_map(|dir| files(Path::new(dir))).collect();
    let mut wrong = Vec::new();
    for path in files.iter().filter(|path| !path.ends_with("tests/house/documents.rs")) {
        let name = path.to_string_lossy();
        let cited = foreign_citations(&fs::read_to_string(path).unwrap());
        if !cited.is_empty() {
            wrong.push(format!("{name}: {}", cited.join(", ")));
        }
    }
    assert!(wrong.is_empty(), "state the rule itself instead of citing it:\n{}", wrong.join("\n"));
}

/// `docs/settings.md` is generated from the table of settings. `GANGWAY_UPDATE_FIXTURES=1` updates it.
#[test]
fn the_documentation_of_settings_is_their_table() {
    let table = format!(
        "# Settings\n\nMade from the table in `src/settings/table.rs`; `gangway settings list` prints the same.\n\n{}",
        gangway::settings::settings_markdown()
    );
    if std::env::var_os("GANGWAY_UPDATE_FIXTURES").is_some() {
        fs::write("docs/settings.md", &table).unwrap();
    }
    assert_eq!(fs::read_to_string("docs/settings.md").unwrap_or_default(), table, "run `make bless`");
}

/// The page about adding a vendor shows exactly the files that tests/live/vendor_folder.rs uses.
#[test]
fn the_tutorial_shows_the_folder_that_is_tested() {
    let page = fs::read_to_string("docs/vendors.md").unwrap();
    let mut examples = Vec::new();
    let mut parts = page.split("\n```");
    let mut before = parts.next().unwrap();
    while let (Some(block), Some(after)) = (parts.next(), parts.next()) {
        let path = before.trim_end().lines().next_back().unwrap_or_default().trim_matches('`').to_owned();
        let text = block.split_once('\n').map_or("", |(_, text)| text);
        if path.starts_with("vendors/") || path.starts_with("templates/") {
            let kept = fs::read_to_string(format!("fixtures/vendor-folder/{path}")).unwrap();
            assert_eq!(format!("{text}\n"), kept, "docs/vendors.md shows another {path}");
            examples.push(path);
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
    examples.sort();
    assert_eq!(examples, files);
}

/// Collects the tests of a file by their full names, as printed by `cargo nextest`: binary or nothing, modules,
/// function. `own` matches functions, `tabled` the rows of a macro of the same file that generates tests.
fn tests_of(path: &Path, text: &str, [own, tabled]: &[regex::Regex; 2], found: &mut Vec<String>) {
    let below = ["src", "tests", "crates/base/src", "crates/wire/src", "crates/sim/src"];
    let inside = below.iter().find_map(|root| path.strip_prefix(root).ok()).unwrap().with_extension("");
    let modules = inside.iter().map(|part| part.to_string_lossy()).filter(|part| part != "main" && part != "mod");
    let modules: Vec<_> = modules.collect();
    let mut names: Vec<&str> = own.captures_iter(text).map(|found| found.get(1).unwrap().as_str()).collect();
    if text.contains("macro_rules!") && text.contains("fn $") {
        names.extend(tabled.captures_iter(text).map(|found| found.get(1).unwrap().as_str()));
    }
    let inner = if text.contains("#[cfg(test)]\nmod tests {") { "::tests" } else { "" };
    found.extend(names.iter().map(|name| format!("{}{inner}::{name}", modules.join("::"))));
}

/// Returns whether the proof named by a page exists: a test, a module of tests, a file or a bench. The last words of a
/// long name may be omitted or replaced by `...` or `*`; `live x` means `live::x`.
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

/// Every test that a page refers to must exist: all names in a column `Test` or `Shown by`, and everything in prose
/// that has the form of a test's name.
#[test]
fn every_test_the_documentation_names_exists() {
    let files: Vec<_> = ["src", "crates", "tests"].iter().flat_map(|dir| files(Path::new(dir))).collect();
    let mut tests = Vec::new();
    let attribute = r"#\[[\w:]*test(?:\([^)]*\))?\]\s*(?:(?:#\[[^\]]*\]|///[^\n]*)\s*)*(?:async )?fn (\w+)";
    let forms = [attribute, r"(?m)^    (\w+): \w+,$"].map(|form| regex::Regex::new(form).unwrap());
    for path in &files {
        tests_of(path, &fs::read_to_string(path).unwrap(), &forms, &mut tests);
    }
    assert!(tests.len() > 1000, "{} tests were found", tests.len());
    assert!(is_there("house::documents::every_test_the_documentation_names_exists", &tests));
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

/// Folders at the root of the repository whose files documents name.
const FOLDERS: &str = "src|crates|templates|vendors|migrations|tests|benches|fixtures|fuzz|docs";
/// The vendor that docs/vendors.md adds by example. Its files are in `fixtures/vendor-folder`.
const EXAMPLE: &[&str] = &["vendors/kestrel/", "templates/kestrel/"];

/// Whether a path that a document names is there: a file, a folder, or a module without its `.rs`.
fn path_exists(named: &str) -> bool {
    let path = Path::new(named);
    path.exists() || path.with_extension("rs").exists()
}

/// Every path that a document names is there. A stranger finds the place of a change by the tables of
/// `docs/architecture.md`, which name rooms without the leading `src/`.
#[test]
fn every_path_the_documentation_names_exists() {
    let rooted = regex::Regex::new(&format!(r"^(?:{FOLDERS})(?:/[\w.-]+)+/?$")).unwrap();
    let in_room = regex::Regex::new(r"^[a-z_]+(?:/[a-z0-9_]+)+/?$").unwrap();
    let quoted = regex::Regex::new("`([^`]+)`").unwrap();
    let rooms: Vec<String> = fs::read_dir("src")
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(path_exists("src/phone/facets.rs") && path_exists("src/phone/facets") && path_exists("src/phone/"));
    assert!(!path_exists("src/phone/facetz.rs"));
    let (mut missing, mut named) = (Vec::new(), 0);
    let pages = fs::read_dir("docs").unwrap().map(|entry| entry.unwrap().path());
    for page in pages.chain(["README.md".into(), "CONTRIBUTING.md".into()]) {
        if page.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let text = fs::read_to_string(&page).unwrap();
        // Line by line, so that the fences of code blocks do not pair with quotes.
        for found in text.lines().flat_map(|line| quoted.captures_iter(line)) {
            let path = found[1].to_owned();
            let room = path.split('/').next().unwrap_or_default();
            let exists = if rooted.is_match(&path) {
                EXAMPLE.iter().any(|place| path.starts_with(place)) || path_exists(&path)
            } else if page.ends_with("architecture.md") && in_room.is_match(&path) && rooms.iter().any(|it| it == room)
            {
                path_exists(&format!("src/{path}"))
            } else {
                continue;
            };
            named += 1;
            if !exists {
                missing.push(format!("{}: {path}", page.display()));
            }
        }
    }
    assert!(named > 100, "{named} paths were read");
    assert!(missing.is_empty(), "no such file or folder:\n{}", missing.join("\n"));
}

/// Every name that a script of the tests and benchmarks imports from another one exists there. Node notices it only when
/// the script runs.
#[test]
fn every_name_a_script_imports_exists() {
    let import = regex::Regex::new(r#"import \{([^}]+)\} from "(\.[^"]+)""#).unwrap();
    let mut folders = vec![std::path::PathBuf::from("tests/browser"), "benches".into()];
    let (mut missing, mut names) = (Vec::new(), 0);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "mjs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for found in import.captures_iter(&text) {
                let exporting = fs::read_to_string(folder.join(&found[2])).unwrap_or_default();
                let exported = |name: &str| {
                    let pattern = format!(
                        r"(?m)^export (?:(?:async )?function|const|class|let) {name}\b|^export \{{[^}}]*\b{name}\b"
                    );
                    regex::Regex::new(&pattern).unwrap().is_match(&exporting)
                };
                for name in found[1].split(',').map(str::trim).filter(|name| !name.is_empty()) {
                    names += 1;
                    if !exported(name) {
                        missing.push(format!("{}: {name} of {}", path.display(), &found[2]));
                    }
                }
            }
        }
    }
    assert!(names > 50, "{names} names were read");
    assert!(missing.is_empty(), "not exported:\n{}", missing.join("\n"));
}
