//! Parses the configuration that Devices deploys to a phone.

use std::fmt;

use gangway_base::secret::Secret;
use serde_json::Value;

use crate::{
    inno_encrypt::{self, SeededError},
    lenient_json,
};

/// Encrypted members, each with the members that may contain its seed (its own seed first).
const HIDDEN: [(&str, [&str; 2]); 2] = [("turnPassword", ["turnSeed", "seed"]), ("logPassword", ["logSeed", "seed"])];

/// A configuration item with decrypted passwords. It contains clear text secrets: [`fmt::Debug`] shows only the type.
#[derive(Clone, PartialEq)]
pub struct ConfigItem {
    /// `NTP`, `MEDIA`, `PHONE`, `TLS_PROFILE`, `ALARM_SERVER`, `FXS_PHONE` or one of a later edition.
    pub kind: String,
    /// The whole item (a JSON object) with `turnPassword` and `logPassword` in clear text and without their seeds.
    pub fields: Value,
}

/// A configuration message: an item, the end of the burst, or both.
pub(super) struct Configuration {
    pub item: Option<Value>,
    pub last: bool,
}

/// Parses a configuration message; `None` if it is invalid. `last` may be next to the item or inside it.
pub(super) fn parse(json: &str) -> Option<Configuration> {
    let mut message: Value = serde_json::from_str(json).ok()?;
    let message = message.as_object_mut()?;
    let mut last = message.get("last").is_some_and(lenient_json::is_true);
    let mut item = message.remove("config").filter(Value::is_object);
    if let Some(inside) = item.as_mut().and_then(Value::as_object_mut).and_then(|item| item.shift_remove("last")) {
        last = last || lenient_json::is_true(&inside);
    }
    // {"config":{"last":true}} ends a burst without items.
    let item = item.filter(|item| item.get("type").is_some_and(Value::is_string));
    (item.is_some() || last).then_some(Configuration { item, last })
}

/// Checks whether the item contains encrypted values.
pub(super) fn is_hidden(item: &Value) -> bool {
    HIDDEN.iter().any(|(name, _)| hidden(item, name).is_some())
}

/// Decrypts the encrypted values with the sysclient password.
///
/// # Errors
/// If a password cannot be decrypted. It is then removed from the item that is returned with the error.
pub(super) fn show(mut item: Value, password: &Secret) -> (ConfigItem, Option<SeededError>) {
    let mut failed = None;
    for (name, seeds) in HIDDEN {
        let Some(value) = hidden(&item, name) else { continue };
        let seed = seeds.iter().find_map(|seed| lenient_json::text(&item, seed)).unwrap_or_default();
        let decrypted = inno_encrypt::decrypt(&seed, password, &value);
        let Some(fields) = item.as_object_mut() else { continue };
        match decrypted {
            Ok(clear) => {
                fields.insert(name.to_owned(), clear.expose().into());
            }
            Err(error) => {
                fields.shift_remove(name);
                failed = Some(error);
            }
        }
    }
    if let Some(fields) = item.as_object_mut() {
        for seed in ["turnSeed", "logSeed", "seed"] {
            fields.shift_remove(seed);
        }
    }
    (ConfigItem { kind: lenient_json::text_or_empty(&item, "type"), fields: item }, failed)
}

fn hidden(item: &Value, name: &str) -> Option<String> {
    lenient_json::text(item, name).filter(|value| !value.is_empty())
}

impl fmt::Debug for ConfigItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigItem").field("kind", &self.kind).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn last_is_seen_at_both_places_and_alone() {
        for (text, item, last) in [
            (r#"{"config":{"type":"NTP"},"last":true}"#, true, true),
            (r#"{"config":{"type":"NTP","last":true}}"#, true, true),
            (r#"{"config":{"type":"NTP"}}"#, true, false),
            (r#"{"last":true}"#, false, true),
            (r#"{"config":null,"last":true}"#, false, true),
            (r#"{"config":{"last":true}}"#, false, true),
        ] {
            let read = parse(text).unwrap();
            assert_eq!((read.item.is_some(), read.last), (item, last), "{text}");
        }
        for nothing in ["", "[]", "{}", r#"{"config":{}}"#, r#"{"config":{"type":1}}"#] {
            assert!(parse(nothing).is_none(), "{nothing}");
        }
    }

    #[test]
    fn passwords_are_shown_with_either_seed() {
        let password = Secret::new("P");
        for seed in ["turnSeed", "seed"] {
            let mut item = json!({"type":"MEDIA","turnPassword":inno_encrypt::encrypt("s", &password, "geheim")});
            item[seed] = "s".into();
            assert!(is_hidden(&item));
            let (item, failed) = show(item, &password);
            assert_eq!((item.kind.as_str(), failed), ("MEDIA", None));
            assert_eq!(item.fields, json!({"type":"MEDIA","turnPassword":"geheim"}));
            assert!(!format!("{item:?}").contains("geheim"));
        }
        let (item, failed) = show(json!({"type":"ALARM_SERVER","logPassword":"zz","logSeed":"s","url":"u"}), &password);
        assert_eq!(failed, Some(SeededError::NotHex));
        assert_eq!(item.fields, json!({"type":"ALARM_SERVER","url":"u"}));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]
        #[test]
        fn any_text_is_read_without_panic(text: String, inner in "[{}\\[\\]\":,a-z0-9]{0,40}") {
            let _ = parse(&text);
            if let Some(Configuration { item: Some(item), .. }) = parse(&format!(r#"{{"config":{{"type":"X",{inner}}}}}"#)) {
                let _ = show(item, &Secret::new("p"));
            }
        }
    }
}
