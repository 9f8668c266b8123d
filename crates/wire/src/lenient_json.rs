//! Lenient JSON accessors. The vendor's documents disagree about types (numbers as strings, objects as arrays of one),
//! so these functions accept every unambiguous form.

use serde_json::Value;

/// A string; a number is returned as its digits. `None` if missing or of another type.
pub(super) fn text(value: &Value, name: &str) -> Option<String> {
    match value.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Like [`text`], but empty if missing.
pub(super) fn text_or_empty(value: &Value, name: &str) -> String {
    text(value, name).unwrap_or_default()
}

/// An unsigned number, which may be written as a string.
pub(super) fn number(value: &Value, name: &str) -> Option<u64> {
    match value.get(name)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A flag: `true`, a non-zero number, `"true"`, `"on"` or `"1"` is true. Everything else, including a missing member,
/// is false.
pub(super) fn flag(value: &Value, name: &str) -> bool {
    value.get(name).is_some_and(is_true)
}

/// Interprets one value as a flag.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_u64().is_some_and(|number| number > 0),
        Value::String(text) => matches!(text.as_str(), "true" | "on" | "1"),
        _ => false,
    }
}

/// The elements of an array. A single object counts as an array of one; a missing member is empty.
pub(super) fn rows<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    match value.get(name) {
        Some(Value::Array(rows)) => rows,
        Some(object @ Value::Object(_)) => std::slice::from_ref(object),
        _ => &[],
    }
}

/// The error of a result. `None` if it is absent, empty, `null` or `false`.
pub(super) fn error(value: &Value) -> Option<String> {
    match value.get("error")? {
        Value::Null | Value::Bool(false) => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unambiguous_spellings_are_accepted() {
        let value = json!({"n": "7", "m": 7, "f": 1, "g": "on", "h": -1, "o": {"a": 1}, "e": "", "t": 5});
        assert_eq!((number(&value, "n"), number(&value, "m"), number(&value, "o")), (Some(7), Some(7), None));
        assert!(flag(&value, "f") && flag(&value, "g"));
        assert!(!flag(&value, "h") && !flag(&value, "none"));
        assert_eq!(rows(&value, "o").len(), 1);
        assert_eq!(rows(&value, "x").len(), 0);
        assert_eq!(text(&value, "t").as_deref(), Some("5"));
        assert_eq!(error(&json!({"error": ""})), None);
        assert_eq!(error(&json!({"error": 4})), Some("4".into()));
    }
}
