//! Line-based files with a key and a value per line, in a shape that the manifest describes: `key=value` or `key:
//! value`, with or without `[sections]` and a fixed first and last line. The format is for vendors whose parsers are
//! unknown, so values are escaped against everything that some parser of such files interprets: comments, quotes, and
//! continued lines.

use std::io::Write;

use serde::Deserialize;

use super::{Fault, KeyFilter, ValuePlace, dropped, rest_of};

/// The shape of such a file: `[lines]` of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shape {
    /// Text between key and value. Templates add blanks around it.
    pub separator: String,
    /// The exact first line; empty = not required.
    pub first: String,
    /// The exact last line; empty = not required.
    pub last: String,
    /// Whether `[section]` lines are allowed.
    pub sections: bool,
    /// Prefixes of comment lines.
    pub comments: Vec<String>,
    /// Characters of keys in addition to letters, digits, `_`, `.` and `-`. Blanks are allowed only between words.
    pub key_characters: String,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            separator: "=".to_owned(),
            first: String::new(),
            last: String::new(),
            sections: true,
            comments: vec!["#".to_owned(), ";".to_owned()],
            key_characters: String::new(),
        }
    }
}

impl Shape {
    /// What is wrong with the shape itself.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let separator = self.separator.trim();
        if separator.is_empty() || separator.chars().any(|c| c.is_alphanumeric() || dropped(c)) {
            return Some("lines.separator is no sign such as '=' or ':'".to_owned());
        }
        if self.key_characters.chars().any(|c| dropped(c) || separator.contains(c)) {
            return Some("lines.key_characters holds the separator or a control character".to_owned());
        }
        if [&self.first, &self.last].into_iter().any(|line| line.trim() != line || line.chars().any(dropped)) {
            return Some("lines.first or lines.last is more than one trimmed line".to_owned());
        }
        self.comments.iter().any(|sign| sign.trim().is_empty()).then(|| "lines.comments holds an empty sign".to_owned())
    }
}

/// Writes a value so that it remains a single value for every parser.
///
/// # Errors
/// Errors of the output.
pub fn escape(value: &str, output: &mut dyn Write) -> std::io::Result<()> {
    output.write_all(escaped(value).as_bytes())
}

/// Like [`escape`], but returns the text. Control characters and surrounding blanks are dropped. `#`, `;` and `//` that
/// could begin a comment and a `\` that could continue the line become their full-width forms.
#[must_use]
pub fn escaped(value: &str) -> String {
    let plain: String = value.chars().filter(|c| !dropped(*c)).collect();
    let plain = plain.trim();
    let mut text = String::with_capacity(plain.len());
    let mut blank = true;
    for (index, c) in plain.char_indices() {
        let after = plain.get(index + c.len_utf8()..).unwrap_or_default();
        text.push(match c {
            '#' if blank => '\u{ff03}',
            ';' if blank => '\u{ff1b}',
            '/' if blank && after.starts_with('/') => '\u{ff0f}',
            '\\' if after.is_empty() => '\u{ff3c}',
            other => other,
        });
        blank = c.is_whitespace();
    }
    text
}

/// Whether every parser reads the exact value; some strip quotes.
#[must_use]
pub fn is_exact(value: &str) -> bool {
    let quoted = |sign| value.starts_with(sign) || value.ends_with(sign);
    escaped(value) == value && !quoted('"') && !quoted('\'')
}

/// Drops blank lines and trailing blanks, and validates the rest against the shape and `allowed` (which gets sections
/// as `[section]`).
///
/// # Errors
/// The first fault. It never contains the value of a line.
pub fn finish(rendered: &str, shape: &Shape, allowed: KeyFilter<'_>) -> Result<String, Fault> {
    let lines: Vec<(usize, &str)> = rendered
        .split('\n')
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim_end_matches([' ', '\t'])))
        .filter(|(_, line)| !line.is_empty())
        .collect();
    let fault = |line: usize, reason: &str| Fault { line, reason: reason.to_owned() };
    let Some((last, _)) = lines.len().checked_sub(1).map(|last| (last, ())) else {
        return Err(fault(1, "the file is empty"));
    };
    let mut text = String::with_capacity(rendered.len());
    for (index, (number, line)) in lines.iter().enumerate() {
        let (first, end) = (index == 0 && !shape.first.is_empty(), index == last && !shape.last.is_empty());
        if line.chars().any(dropped) {
            return Err(fault(*number, "it holds a control character"));
        }
        if first && *line != shape.first {
            return Err(fault(*number, "the first line is not the one the manifest demands"));
        }
        if end && *line != shape.last {
            return Err(fault(*number, "the last line is not the one the manifest demands"));
        }
        let frame = first || end;
        if !frame && (*line == shape.first || *line == shape.last) {
            return Err(fault(*number, "the first or last line stands in the middle"));
        }
        if !frame {
            check(line, shape, allowed).map_err(|reason| Fault { line: *number, reason })?;
        }
        text.push_str(line);
        text.push('\n');
    }
    if lines.len() == 1 && !shape.first.is_empty() && !shape.last.is_empty() && shape.first != shape.last {
        return Err(fault(1, "the last line is missing"));
    }
    Ok(text)
}

fn check(line: &str, shape: &Shape, allowed: KeyFilter<'_>) -> Result<(), String> {
    let forbidden = |key: &str| allowed.is_some_and(|allowed| !allowed(key));
    if shape.comments.iter().any(|sign| line.trim_start().starts_with(sign.as_str())) {
        return if allowed.is_some() { Err("a comment must not stand in the open stage".to_owned()) } else { Ok(()) };
    }
    if shape.sections && line.starts_with('[') && line.ends_with(']') {
        return if forbidden(line) { Err(format!("{line} must not stand in the open stage")) } else { Ok(()) };
    }
    let Some((key, value)) = line.split_once(shape.separator.as_str()) else {
        return Err(format!("it is no 'key{}value'", shape.separator));
    };
    let key = key.trim();
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') || shape.key_characters.contains(c);
    if key.is_empty() || !key.chars().all(word) {
        return Err("its key is no name of a parameter".to_owned());
    }
    if value.ends_with('\\') {
        return Err("a '\\' at its end would continue the line".to_owned());
    }
    if forbidden(key) {
        return Err(format!("{key} must not stand in the open stage"));
    }
    Ok(())
}

/// Key and value of a line.
pub fn place<'a>(line: &'a str, shape: &Shape) -> Option<ValuePlace<'a>> {
    let comment = shape.comments.iter().any(|sign| line.trim_start().starts_with(sign.as_str()));
    let frame = line == shape.first || line == shape.last;
    let section = shape.sections && line.starts_with('[') && line.ends_with(']');
    if comment || frame || section { None } else { rest_of(line, &shape.separator) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A separate parser for ini files with the usual comments, quotes, continued lines and sections.
    fn read(text: &str, separator: char) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut section = String::new();
        let mut lines = text.split(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}', '\u{1e}']);
        while let Some(line) = lines.next() {
            let mut line = line.to_owned();
            while line.ends_with('\\') {
                line.pop();
                line.push_str(lines.next().unwrap_or_default());
            }
            for sign in [" #", " ;", " //", "\t#", "\t;"] {
                line = line.split(sign).next().unwrap_or_default().to_owned();
            }
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') || line.starts_with(';') || line.starts_with("//") {
                continue;
            }
            if line.starts_with('[') && line.ends_with(']') {
                section = line.to_owned();
                continue;
            }
            let (key, value) = line.split_once(separator).unwrap_or_else(|| panic!("no setting: {line:?}"));
            found.push((format!("{section}{}", key.trim()), value.trim().to_owned()));
        }
        found
    }

    #[test]
    fn the_last_look_refuses() {
        let shape = Shape {
            first: "<<BEGIN>>".to_owned(),
            last: "<<END>>".to_owned(),
            separator: ":".to_owned(),
            key_characters: " ".to_owned(),
            ..Shape::default()
        };
        let none: KeyFilter<'_> = None;
        for (text, part) in [
            ("", "empty"),
            ("a:1\n<<END>>", "first line"),
            ("<<BEGIN>>\na:1", "last line"),
            ("<<BEGIN>>\n<<END>>\na:1\n<<END>>", "in the middle"),
            ("<<BEGIN>>\nnonsense\n<<END>>", "key:value"),
            ("<<BEGIN>>\na=b\n<<END>>", "key:value"),
            ("<<BEGIN>>\na/b:1\n<<END>>", "name of a parameter"),
            ("<<BEGIN>>\na:1\r\n<<END>>", "control"),
            ("<<BEGIN>>\na:1\\\n<<END>>", "continue"),
        ] {
            assert!(finish(text, &shape, none).unwrap_err().reason.contains(part), "{text:?}");
        }
        assert_eq!(
            finish("<<BEGIN>>\n\nSIP1 Name :x \n[b]\n<<END>>", &shape, none).unwrap(),
            "<<BEGIN>>\nSIP1 Name :x\n[b]\n<<END>>\n"
        );
        let only = |key: &str| key == "a" || key == "[s]";
        let open = |text: &str| finish(text, &Shape::default(), Some(&only));
        assert_eq!(open("[s]\na = 1\n").unwrap(), "[s]\na = 1\n");
        for text in ["[t]\na=1", "b=1", "# note", "; note"] {
            assert!(open(text).unwrap_err().reason.contains("open stage"), "{text}");
        }
    }

    #[test]
    fn a_description_that_cannot_be_read_is_refused() {
        let with = |change: fn(&mut Shape)| {
            let mut shape = Shape::default();
            change(&mut shape);
            shape.fault()
        };
        assert_eq!(with(|_| {}), None);
        assert!(with(|shape| shape.separator = " ".to_owned()).is_some());
        assert!(with(|shape| shape.separator = "is".to_owned()).is_some());
        assert!(with(|shape| shape.key_characters = "=".to_owned()).is_some());
        assert!(with(|shape| shape.first = "a\nb".to_owned()).is_some());
        assert!(with(|shape| shape.comments = vec![String::new()]).is_some());
    }

    proptest! {
        #[test]
        fn a_value_stays_one_value(value in any::<String>(), between in "(=| = |: )") {
            let text = escaped(&value);
            let separator = if between.contains(':') { ':' } else { '=' };
            let shape = Shape { separator: separator.to_string(), ..Shape::default() };
            let file = finish(&format!("[s]\nkey{between}{text}\nnext{between}1\n"), &shape, None).unwrap();
            prop_assert_eq!(
                read(&file, separator),
                vec![("[s]key".to_owned(), text.clone()), ("[s]next".to_owned(), "1".to_owned())]
            );
            prop_assert_eq!(escaped(&text), text);
        }

        #[test]
        fn signs_of_comments_and_lines_stay_inside(value in "[#;/\\\\ \t\r\n\"'=\\[\\]a]{0,12}") {
            let file = finish(&format!("key={}\nnext=1\n", escaped(&value)), &Shape::default(), None).unwrap();
            let back = read(&file, '=');
            prop_assert_eq!(back.len(), 2);
            prop_assert!(!is_exact(&value) || back[0].1 == value);
        }

        #[test]
        fn a_plain_value_is_not_touched(value in "[A-Za-z0-9!$-&(-.:<-@^-~äöü€😀]{0,40}") {
            prop_assert_eq!(escaped(&value), value.clone());
            prop_assert!(is_exact(&value));
        }
    }
}
