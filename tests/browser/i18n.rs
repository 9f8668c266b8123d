//! Tests the page's texts and code without a browser: both languages have the same keys with the same placeholders,
//! every key that the gateway sends has a German text, and data never becomes markup.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    path::Path,
};

use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/templates/admin");

/// Returns the texts of a language.
fn texts(language: &str) -> serde_json::Map<String, Value> {
    let file = fs::read(format!("{FOLDER}/text/{language}.json")).unwrap();
    let Value::Object(texts) = serde_json::from_slice(&file).unwrap() else { panic!("{language}") };
    texts
}

fn places(text: &Value) -> BTreeSet<String> {
    let text = text.as_str().unwrap();
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn both_languages_have_the_same_texts() {
    let (english, german) = (texts("en"), texts("de"));
    assert!(english.len() > 900);
    for (key, text) in &english {
        let other = german.get(key).unwrap_or_else(|| panic!("no German text for {key}"));
        assert_eq!(places(text), places(other), "{key}");
        assert_eq!(text.as_str().unwrap().is_empty(), other.as_str().unwrap().is_empty(), "{key}");
    }
    for key in german.keys() {
        assert!(english.contains_key(key), "German has {key}, English has not");
    }
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

/// All files below a folder with this extension, as one text.
fn sources(dir: &Path, extension: &str, code: &mut String) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, extension, code);
        } else if path.extension().is_some_and(|found| found == extension) {
            code.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_key_named_in_the_code_has_a_text_and_every_text_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut page, mut gateway, known) = (String::new(), String::new(), texts("en"));
    sources(Path::new(FOLDER), "js", &mut page);
    sources(&root.join("src"), "rs", &mut gateway);
    let by_page = regex::Regex::new(r#"\b(?:app\.t|t|count)\(\s*"([a-z][^"]*)""#).unwrap();
    let by_gateway = regex::Regex::new(r#"\b(?:Text|Message)::new\(\s*"([a-z][^"]*)""#).unwrap();
    let named = by_page.captures_iter(&page).chain(by_gateway.captures_iter(&gateway));
    for key in named.map(|found| found.extract::<1>().1[0]).filter(|key| *key != "no.such.key") {
        let is_known = known.contains_key(key) || known.contains_key(&format!("{key}.one"));
        assert!(is_known, "{key} has no text");
    }
    let wire = fs::read_to_string(root.join("crates/wire/src/appws/login_rejection.rs")).unwrap();
    let literals: HashSet<&str> = [&page, &gateway, &wire].into_iter().flat_map(|code| code.split('"')).collect();
    // Keys may also be composed of a prefix and a placeholder.
    let prefixes: HashSet<&str> = page.split("${").chain(gateway.split('{')).filter_map(last_word).collect();
    for key in known.keys() {
        let whole = key.trim_end_matches(".one").trim_end_matches(".other");
        let mut parts = key.match_indices(['.', '-']).map(|(at, mark)| key.split_at(at + mark.len()));
        let is_composed = parts
            .any(|(prefix, rest)| prefixes.contains(prefix) || literals.contains(prefix) && literals.contains(rest));
        let is_login = key.strip_prefix("refusal.").is_some_and(|word| literals.contains(word));
        // Sentences of errors are compared with the errors; tests beside the errors show each of them. Timelines hold
        // keys for years.
        let is_sentence = key.starts_with("error.") || key.starts_with("happened.");
        assert!(literals.contains(whole) || is_composed || is_login || is_sentence, "nothing shows {key}");
    }
}

/// The gateway sends when a change takes effect as an English phrase. The page maps each phrase to a key.
#[test]
fn every_effect_time_of_a_setting_has_a_text() {
    let page = fs::read_to_string(format!("{FOLDER}/views/settings/field.js")).unwrap();
    for setting in gangway::settings::TABLE.iter().chain(gangway::settings::REDIRECT_SETTINGS) {
        let phrase = setting.effect.text();
        let (_, rest) =
            page.split_once(&format!("\"{phrase}\": \"")).unwrap_or_else(|| panic!("no key for '{phrase}'"));
        let key = rest.split('"').next().unwrap();
        assert_eq!(texts("en").get(key).and_then(Value::as_str), Some(phrase));
    }
}

/// The part of a key at the end of a text.
fn last_word(text: &str) -> Option<&str> {
    let start = text.rfind(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_'))?;
    text.get(start + 1..).filter(|word| word.ends_with(['.', '-']))
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
