//! Yealink's `key = value` files: escapes values and validates rendered files.
//!
//! A value is raw text up to the end of the line. Line breaks cannot be escaped, and `#` at the start or after a blank
//! begins a comment (documented at the top of Yealink's template files).

use std::io::Write;

use super::{Fault, KeyFilter, ValuePlace, dropped, rest_of};

/// The first line of a Yealink file. The phone ignores files without it.
pub const VERSION_LINE: &str = "#!version:1.0.0.1";

/// Writes a value so that it remains a single value. Control characters, byte order marks, line separators and
/// surrounding blanks are dropped, and a `#` that would begin a comment becomes the full-width `＃`.
///
/// # Errors
/// Errors of the output.
pub fn escape(value: &str, output: &mut dyn Write) -> std::io::Result<()> {
    output.write_all(escaped(value).as_bytes())
}

/// Like [`escape`], but returns the text.
#[must_use]
pub fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut blank = true;
    for c in value.trim_matches(|c: char| c.is_whitespace() || dropped(c)).chars() {
        if dropped(c) {
            continue;
        }
        text.push(if c == '#' && blank { '\u{ff03}' } else { c });
        blank = c.is_whitespace();
    }
    text
}

/// Whether the format can represent the value exactly.
#[must_use]
pub fn is_exact(value: &str) -> bool {
    escaped(value) == value
}

/// Drops blank lines and trailing blanks and validates the rest: the version line occurs once, as the first line; each
/// line is `key = value` or a comment; there are no control characters; and all keys pass `allowed`.
///
/// # Errors
/// The first fault. It never contains the value of a line.
pub fn finish(rendered: &str, allowed: KeyFilter<'_>) -> Result<String, Fault> {
    let mut text = String::with_capacity(rendered.len());
    for (index, line) in rendered.split('\n').enumerate() {
        let line = line.trim_end_matches([' ', '\t']);
        let fault = |reason: &str| Fault { line: index + 1, reason: reason.to_owned() };
        if line.is_empty() {
            continue;
        }
        if line.chars().any(dropped) {
            return Err(fault("it holds a control character"));
        }
        if text.is_empty() {
            if line != VERSION_LINE {
                return Err(fault("the first line is not the version line"));
            }
        } else if line == VERSION_LINE {
            return Err(fault("the version line stands there twice"));
        } else if !line.starts_with('#') {
            let (key, value) = line.split_once('=').ok_or_else(|| fault("it is no 'key = value'"))?;
            let key = key.trim_end();
            let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
            if key.is_empty() || !key.chars().all(word) {
                return Err(fault("its key is no name of a parameter"));
            }
            if value.trim_start().starts_with('#') || value.contains(" #") || value.contains("\t#") {
                return Err(fault("a '#' would begin a comment"));
            }
            if allowed.is_some_and(|allowed| !allowed(key)) {
                return Err(fault(&format!("{key} must not stand in the open stage")));
            }
        } else if allowed.is_some() {
            return Err(fault("a comment must not stand in the open stage"));
        }
        text.push_str(line);
        text.push('\n');
    }
    if text.is_empty() {
        return Err(Fault { line: 1, reason: "the file is empty".to_owned() });
    }
    Ok(text)
}

/// Key and value of a line. `%NULL%` counts as no value.
pub fn place(line: &str) -> Option<ValuePlace<'_>> {
    let mut place = rest_of(line, "=").filter(|_| !line.starts_with('#'))?;
    place.values.retain(|range| line.get(range.clone()) != Some("%NULL%"));
    Some(place)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_look_refuses() {
        for (text, part) in [
            ("", "empty"),
            ("a = 1\n", "first line"),
            ("#!version:1.0.0.1\nnonsense\n", "key = value"),
            ("#!version:1.0.0.1\na b = 1\n", "name of a parameter"),
            ("#!version:1.0.0.1\na = 1\r\n", "control"),
            ("#!version:1.0.0.1\na = 1 #x\n", "comment"),
            ("#!version:1.0.0.1\n#!version:1.0.0.1\n", "twice"),
        ] {
            assert!(finish(text, None).unwrap_err().reason.contains(part), "{text:?}");
        }
        let only = |key: &str| key == "a";
        assert!(finish("#!version:1.0.0.1\n\nb = 1\n", Some(&only)).unwrap_err().reason.contains("open stage"));
        assert_eq!(finish("#!version:1.0.0.1\n\na = 1 \n", Some(&only)).unwrap(), "#!version:1.0.0.1\na = 1\n");
    }

    proptest! {
        #[test]
        fn a_value_stays_one_value(value in any::<String>()) {
            let text = escaped(&value);
            let file = finish(&format!("{VERSION_LINE}\nkey = {text}\n"), None).unwrap();
            let lines: Vec<&str> = file.lines().collect();
            prop_assert_eq!(lines.len(), 2);
            let (key, back) = lines[1].split_once('=').unwrap();
            prop_assert_eq!(key.trim(), "key");
            prop_assert_eq!(back.trim(), text.as_str());
            prop_assert_eq!(escaped(&text), text);
        }

        #[test]
        fn a_plain_value_is_not_touched(value in "[A-Za-z0-9!-\"$-~äöü€😀]{0,40}") {
            prop_assert_eq!(escaped(&value), value.clone());
            prop_assert!(is_exact(&value));
        }
    }
}
