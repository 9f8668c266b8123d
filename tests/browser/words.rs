//! Tests the page's texts and code without a browser: both languages have the same keys with the same placeholders,
//! every key that the gateway sends has a German text, and data never becomes markup.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/templates/admin");

/// Returns the texts of a module.
fn texts(name: &str) -> serde_json::Map<String, Value> {
    let script = format!("import('{FOLDER}/text/{name}').then((m) => console.log(JSON.stringify(m.default)))");
    // The page's folder has no package file, so Node needs an option to load these files as modules.
    let ended = Command::new("node").args(["--experimental-default-type=module", "-e", &script]).output().unwrap();
    assert!(ended.status.success(), "{name}: {}", String::from_utf8_lossy(&ended.stderr));
    let Value::Object(texts) = serde_json::from_slice(&ended.stdout).unwrap() else { panic!("{name}") };
    texts
}

fn places(text: &Value) -> BTreeSet<String> {
    let text = text.as_str().unwrap();
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.to_owned()).collect()
}

fn compare(what: &str, english: &serde_json::Map<String, Value>, german: &serde_json::Map<String, Value>) {
    for (key, text) in english {
        let other = german.get(key).unwrap_or_else(|| panic!("{what}: no German text for {key}"));
        assert_eq!(places(text), places(other), "{what}: {key}");
        assert_eq!(text.as_str().unwrap().is_empty(), other.as_str().unwrap().is_empty(), "{what}: {key}");
    }
    for key in german.keys() {
        assert!(english.contains_key(key), "{what}: German has {key}, English has not");
    }
}

#[test]
fn both_languages_have_the_same_texts() {
    let page = texts("en.js");
    assert!(page.len() > 50);
    compare("page", &page, &texts("de.js"));
    let views = texts("views.en.js");
    assert!(views.len() > 50);
    compare("views", &views, &texts("views.de.js"));
}

#[test]
fn everything_the_gateway_says_has_its_german_text() {
    let english = gangway::api::pages::page_english().into_iter().collect();
    compare("gateway", &english, &texts("gateway.de.js"));
}

fn scripts(dir: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scripts(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "js") {
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn every_key_named_in_the_code_has_a_text_and_every_text_is_used() {
    let (mut files, mut known) = (Vec::new(), texts("en.js"));
    scripts(Path::new(FOLDER), &mut files);
    known.extend(texts("views.en.js"));
    let code: String =
        files.iter().filter(|(name, _)| !name.contains("/text/")).map(|(_, text)| text.as_str()).collect();
    let named = regex::Regex::new(r#"\b(?:app\.t|t|count)\(\s*"([a-z][^"]*)""#).unwrap();
    for key in named.captures_iter(&code).map(|found| found.extract::<1>().1[0]) {
        let is_known = known.contains_key(key) || known.contains_key(&format!("{key}.one"));
        assert!(is_known, "{key} has no text");
    }
    // Keys may also be composed. In that case the code contains one of their prefixes before a placeholder.
    for key in known.keys() {
        let whole = key.trim_end_matches(".one").trim_end_matches(".other");
        let mut beginnings = key.match_indices(['.', '-']).map(|(at, mark)| &key[..at + mark.len()]);
        let is_used = code.contains(whole) || beginnings.any(|part| code.contains(&format!("{part}${{")));
        assert!(is_used, "nothing shows {key}");
    }
}

#[test]
fn nothing_makes_markup_of_data() {
    let mut files = Vec::new();
    scripts(Path::new(FOLDER), &mut files);
    let ours: Vec<_> = files.iter().filter(|(name, _)| !name.contains("/lit/")).collect();
    assert!(ours.len() > 20);
    for (name, text) in ours {
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "unsafe",
            "document.write",
            "eval(",
            "new Function",
            "srcdoc",
        ] {
            assert!(!text.contains(word), "{name} uses {word}");
        }
        assert!(!text.contains("http://") && !text.contains("https://"), "{name} names another host");
        assert!(
            !text.contains("style=\"") && !text.contains(" style=$"),
            "{name}: the page's policy drops inline style"
        );
    }
}
