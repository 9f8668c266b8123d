//! Loads `vendors/<vendor>/line-keys.toml`: the words for line key types in a vendor's files.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Registry, diagnostic::Diagnostic, files::FolderFiles};
use crate::{
    phone::record::Phone,
    settings::{
        Scope,
        line_keys::{KeyLimits, KeyType, LineKeys},
    },
};

/// The file format.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    types: BTreeMap<String, String>,
}

/// The vendor's word for each type; empty if its phones have no line keys.
pub(super) fn load(vendor: &str, files: &FolderFiles, findings: &mut Vec<Diagnostic>) -> BTreeMap<KeyType, String> {
    let path = format!("vendors/{vendor}/line-keys.toml");
    let mut codes = BTreeMap::new();
    let Some(text) = files.get(&path) else { return codes };
    let line_at = |offset: usize| text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1;
    let known = KeyType::ALL.map(KeyType::word).join(", ");
    let table: Table = match toml::from_str(text) {
        Ok(table) => table,
        Err(error) => {
            let line = error.span().map(|span| line_at(span.start));
            findings.push(Diagnostic::new(&path, line, error.message(), "write type = \"word\" below [types]"));
            return codes;
        }
    };
    for (word, code) in table.types {
        let line = text.find(&format!("\n{word} ")).map(|offset| line_at(offset + 1));
        let Some(kind) = KeyType::of_word(&word) else {
            let cure = format!("use one of {known}");
            findings.push(Diagnostic::new(&path, line, format!("'{word}' is no type of line key"), &cure));
            continue;
        };
        if code.trim().is_empty() || code.chars().any(char::is_control) {
            findings.push(Diagnostic::new(&path, line, format!("{word} has no word"), "write it, or drop the line"));
            continue;
        }
        codes.insert(kind, code);
    }
    codes
}

impl Registry {
    /// The keys of a list that are not supported in the scope, each as a message. `phone` is the phone of the scope, if
    /// known. For a vendor, its largest model is used. For an instance or a category nothing is checked; there each
    /// phone reports unsupported keys itself.
    #[must_use]
    pub fn refused_keys(&self, scope: &Scope, phone: Option<&Phone>, list: &LineKeys) -> Vec<String> {
        let refused = |room: &KeyLimits<'_>| list.keys().iter().filter_map(|key| room.refuses(key)).collect();
        self.in_room(scope, phone, refused).unwrap_or_default()
    }

    /// Calls `work` with the line keys supported in a scope; returns `None` if they are unknown. For a vendor, its
    /// largest model is used.
    pub fn in_room<T>(
        &self,
        scope: &Scope,
        phone: Option<&Phone>,
        work: impl FnOnce(&KeyLimits<'_>) -> T,
    ) -> Option<T> {
        let (vendor, model) = match scope {
            Scope::Vendor(vendor) => (vendor.as_str(), None),
            Scope::Model(name) => match name.split_once('/') {
                Some((vendor, model)) => (vendor, Some(model)),
                None => return None,
            },
            Scope::Phone(_) => match phone {
                Some(phone) => (phone.vendor.as_str(), phone.model.as_deref()),
                None => return None,
            },
            Scope::Instance | Scope::Category(_) => return None,
        };
        let vendor = self.vendor(vendor)?;
        let models = &vendor.manifest.models;
        let title = format!("the largest model of {}", vendor.title);
        let room = match model.and_then(|name| vendor.model(name)) {
            Some(one) => {
                KeyLimits { model: &one.name, keys: one.line_keys, accounts: one.accounts, codes: &vendor.key_codes }
            }
            // A phone that has not reported its model may be any model.
            None => KeyLimits {
                model: &title,
                keys: models.iter().map(|model| model.line_keys).max().unwrap_or_default(),
                accounts: models.iter().map(|model| model.accounts).max().unwrap_or(1),
                codes: &vendor.key_codes,
            },
        };
        Some(work(&room))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_faults_named() {
        let load = |text: &str| {
            let mut findings = Vec::new();
            let files = FolderFiles::from([("vendors/acme/line-keys.toml".to_owned(), text.to_owned())]);
            let codes = load("acme", &files, &mut findings);
            (codes, findings.iter().map(ToString::to_string).collect::<String>())
        };
        let (codes, findings) = load("[types]\nblf = \"16\"\nspeed_dial = \"13\"\n");
        assert_eq!((codes[&KeyType::Blf].as_str(), codes.len(), findings.as_str()), ("16", 2, ""));
        for (text, expected_text) in [
            ("[types]\nlaser = \"1\"\n", "line-keys.toml:2: 'laser' is no type of line key; use one of line, blf"),
            ("[types]\nblf = \" \"\n", ":2: blf has no word"),
            ("[types]\nblf = 16\n", "line-keys.toml:2"),
            ("[kinds]\n", "unknown field"),
        ] {
            assert!(load(text).1.contains(expected_text), "{text}: {}", load(text).1);
        }
    }

    #[test]
    fn a_list_is_refused_where_the_model_is_known() {
        let registry = Registry::load(None).unwrap();
        let list = LineKeys::read(r#"[{"type":"line"},{"key":3,"type":"dnd"},{"key":390,"type":"dnd"}]"#).unwrap();
        let refused = |scope: &str| registry.refused_keys(&scope.parse().unwrap(), None, &list);
        let small = refused("model:yealink/t31p");
        assert_eq!(small[0], "line key 3 (dnd) is refused: T31P has 2 line keys");
        assert_eq!(small.len(), 2);
        assert_eq!(refused("model:yealink/T46U").len(), 1);
        assert_eq!(
            refused("vendor:yealink"),
            ["line key 390 (dnd) is refused: the largest model of Yealink has 95 line keys"]
        );
        assert_eq!(refused("category:Lab"), Vec::<String>::new());
        let mut phone = crate::phone_config::sample_phone(
            "yealink",
            "yealink",
            Some("CP920"),
            None,
            "805ec0aabbcc".parse().unwrap(),
        );
        let of_phone = |phone: &Phone| registry.refused_keys(&Scope::Phone(phone.mac), Some(phone), &list);
        assert_eq!(of_phone(&phone).len(), 3);
        assert!(of_phone(&phone)[0].ends_with("CP920 has no line keys"));
        phone.model = None;
        assert_eq!(of_phone(&phone).len(), 1);
    }
}
