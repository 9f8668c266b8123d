//! `vendors/<vendor>/line-keys.toml`: the words a vendor's files have for types of line keys.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{finding::Finding, folder::Files};
use crate::phone::line_keys::KeyType;

/// The file as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    types: BTreeMap<String, String>,
}

/// The vendor's word of each type; empty if its phones have no line keys.
pub(super) fn load(vendor: &str, files: &Files, findings: &mut Vec<Finding>) -> BTreeMap<KeyType, String> {
    let path = format!("vendors/{vendor}/line-keys.toml");
    let mut codes = BTreeMap::new();
    let Some(text) = files.get(&path) else { return codes };
    let line_at = |offset: usize| text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1;
    let known = KeyType::ALL.map(KeyType::word).join(", ");
    let table: Table = match toml::from_str(text) {
        Ok(table) => table,
        Err(error) => {
            let line = error.span().map(|span| line_at(span.start));
            findings.push(Finding::new(&path, line, error.message(), "write type = \"word\" below [types]"));
            return codes;
        }
    };
    for (word, code) in table.types {
        let line = text.find(&format!("\n{word} ")).map(|offset| line_at(offset + 1));
        let Some(kind) = KeyType::of_word(&word) else {
            let cure = format!("use one of {known}");
            findings.push(Finding::new(&path, line, format!("'{word}' is no type of line key"), &cure));
            continue;
        };
        if code.trim().is_empty() || code.chars().any(char::is_control) {
            findings.push(Finding::new(&path, line, format!("{word} has no word"), "write it, or drop the line"));
            continue;
        }
        codes.insert(kind, code);
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_faults_named() {
        let load = |text: &str| {
            let mut findings = Vec::new();
            let files = Files::from([("vendors/acme/line-keys.toml".to_owned(), text.to_owned())]);
            let codes = load("acme", &files, &mut findings);
            (codes, findings.iter().map(ToString::to_string).collect::<String>())
        };
        let (codes, findings) = load("[types]\nblf = \"16\"\nspeed_dial = \"13\"\n");
        assert_eq!((codes[&KeyType::Blf].as_str(), codes.len(), findings.as_str()), ("16", 2, ""));
        for (text, said) in [
            ("[types]\nlaser = \"1\"\n", "line-keys.toml:2: 'laser' is no type of line key; use one of line, blf"),
            ("[types]\nblf = \" \"\n", ":2: blf has no word"),
            ("[types]\nblf = 16\n", "line-keys.toml:2"),
            ("[kinds]\n", "unknown field"),
        ] {
            assert!(load(text).1.contains(said), "{text}: {}", load(text).1);
        }
    }
}
