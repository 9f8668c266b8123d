//! Escapes untrusted text for logs, terminals and the audit log. Characters that move the cursor, end a line, change
//! colours or change the text direction are written as escape sequences, so that they are visible and have no effect.

use std::{
    borrow::Cow,
    fmt::{self, Write},
    io,
};

/// Whether a character controls the display: C0, DEL, C1, line and paragraph separators, bidirectional marks, and the
/// byte order mark.
#[must_use]
pub fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
        )
}

/// Escapes every control character so that the text is on one line (`\n`, `\u{1b}`).
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_control)
}

/// Like [`line()`], but for text with several lines: line feeds and tabs are kept.
#[must_use]
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_control(c) && !matches!(c, '\n' | '\t'))
}

/// Truncates untrusted text to at most `longest` characters on one line and marks the truncation.
#[must_use]
pub fn beginning(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}...", line(&text[..end])),
        None => line(text).into_owned(),
    }
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    // Writing to a String cannot fail.
    let _ = write_escaped(&mut out, text, is_escaped);
    Cow::Owned(out)
}

fn write_escaped(out: &mut (impl Write + ?Sized), text: &str, is_escaped: impl Fn(char) -> bool) -> fmt::Result {
    let mut rest = text;
    while let Some(at) = rest.find(&is_escaped) {
        let (before, after) = rest.split_at(at);
        out.write_str(before)?;
        let mut characters = after.chars();
        match characters.next() {
            Some('\n') => out.write_str("\\n")?,
            Some('\r') => out.write_str("\\r")?,
            Some('\t') => out.write_str("\\t")?,
            Some(other) => write!(out, "\\u{{{:x}}}", u32::from(other))?,
            None => {}
        }
        rest = characters.as_str();
    }
    out.write_str(rest)
}

/// A writer that escapes its input like [`line()`].
pub struct LineWriter<'a>(pub &'a mut dyn Write);

impl Write for LineWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write_escaped(self.0, text, is_control)
    }
}

/// A writer for lines of JSON that escapes all control characters in strings, because `serde_json` escapes only C0.
pub struct JsonLines<W>(pub W);

impl<W: io::Write> io::Write for JsonLines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.0.write_all(json(text).as_bytes())?,
            Err(_part_of_a_line) => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Writes every control character in JSON as `\uXXXX`. Outside of strings, JSON text contains no control characters
/// except line feeds.
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    let is_escaped = |c: char| is_control(c) && c != '\n';
    if !text.contains(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut units = [0_u16; 2];
    for c in text.chars() {
        if !is_escaped(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut units) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use io::Write as _;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_characters_are_made_visible() {
        for (text, seen) in [
            ("Anna \u{fc}\u{df} \u{1f4de}", "Anna \u{fc}\u{df} \u{1f4de}"),
            ("a\r\n2026-11-30T00:00:00Z INFO all is well", "a\\r\\n2026-11-30T00:00:00Z INFO all is well"),
            ("\u{1b}[31mred\u{9b}0m\u{7f}\u{0}", "\\u{1b}[31mred\\u{9b}0m\\u{7f}\\u{0}"),
            ("\u{202e}txt.exe\u{2066}\u{2028}\u{2029}\u{feff}", "\\u{202e}txt.exe\\u{2066}\\u{2028}\\u{2029}\\u{feff}"),
        ] {
            assert_eq!(line(text), seen);
        }
        assert_eq!(lines("a\n\tb\r\u{1b}"), "a\n\tb\\r\\u{1b}");
        assert_eq!((beginning("a\nb", 3), beginning("a\nbc", 3)), ("a\\nb".to_owned(), "a\\nb...".to_owned()));
    }

    #[test]
    fn json_stays_json_and_holds_no_control_character() {
        let value =
            serde_json::json!({ "text": "\u{1b}[31m\u{9b}\u{85}\u{7f}\u{2028}\u{202e}\n\t\"\\", "emoji": "\u{1f4de}" });
        let mut written = Vec::new();
        JsonLines(&mut written).write_all(format!("{value}\n").as_bytes()).unwrap();
        let text = String::from_utf8(written).unwrap();
        assert!(!text.trim_end_matches('\n').contains(is_control), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]
        #[test]
        fn no_text_acts(text in prop_oneof![any::<String>(), "[\u{0}-\u{a0}\u{2020}-\u{2070}a\\\\]{0,40}"]) {
            let seen = line(&text).into_owned();
            prop_assert!(!seen.contains(is_control), "{seen:?}");
            prop_assert_eq!(line(&seen), seen.as_str());
            prop_assert!(lines(&text).chars().all(|c| !is_control(c) || matches!(c, '\n' | '\t')));
            let harmless: String = text.chars().filter(|c| !is_control(*c)).collect();
            prop_assert_eq!(line(&harmless), harmless.as_str());
            let mut formatted = String::new();
            write!(LineWriter(&mut formatted), "{text}").unwrap();
            prop_assert_eq!(formatted, seen);
        }

        #[test]
        fn every_json_text_says_the_same(text: String) {
            let value = serde_json::json!([text]);
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&json(&value.to_string())).unwrap(), value);
        }
    }
}
