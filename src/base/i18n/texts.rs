//! The English texts by key.

use std::{collections::BTreeMap, sync::LazyLock};

/// The same file that the admin page fetches.
const FILE: &str = include_str!("../../../templates/admin/text/en.json");

/// A test proves that the file parses, so the program never runs without texts.
static ENGLISH: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| serde_json::from_str(FILE).unwrap_or_default());

/// The English text of a key, with placeholders in braces; `None` for an unknown key.
#[must_use]
pub fn english(key: &str) -> Option<&'static str> {
    ENGLISH.get(key).map(String::as_str)
}

/// All keys, sorted.
pub fn keys() -> impl Iterator<Item = &'static str> {
    ENGLISH.keys().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_parses_and_no_key_stands_twice() {
        let parsed: BTreeMap<String, String> = serde_json::from_str(FILE).unwrap();
        let lines = FILE.lines().filter(|line| line.trim_start().starts_with('"')).count();
        assert!(parsed.len() > 900 && parsed.len() == lines, "{} keys in {lines} lines", parsed.len());
        assert_eq!(english("state.deviceConfig.received"), Some("Config Received"));
        assert_eq!(english("no.such.key"), None);
    }
}
