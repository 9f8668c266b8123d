//! Defines which characters a phone's file can contain. User input, values from services and the escapers of all
//! formats share this rule, so that only values that can be written to a file are accepted.

/// Returns whether no file format can carry the character: control characters, line and paragraph separators, byte
/// order marks and Unicode noncharacters. XML excludes some of them, and a parser may treat any of them as the end of a
/// line or a file.
#[must_use]
pub fn is_unwritable(c: char) -> bool {
    let code = u32::from(c);
    c.is_control()
        || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{fdd0}'..='\u{fdef}')
        || code & 0xfffe == 0xfffe
}

/// The first character of a value that no format can carry.
#[must_use]
pub fn unwritable(value: &str) -> Option<char> {
    value.chars().find(|c| is_unwritable(*c))
}

/// Removes the characters that no format can carry from a display name and replaces line ends with a blank. This is
/// safe because the name is only displayed and never used for authentication.
#[must_use]
pub fn cleaned(name: &str) -> String {
    let separates = |c: char| c.is_whitespace() || matches!(c, '\u{2028}' | '\u{2029}');
    let kept: String =
        name.chars().map(|c| if separates(c) { ' ' } else { c }).filter(|c| !is_unwritable(*c)).collect();
    kept.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_no_format_can_carry_are_listed() {
        for c in [
            '\0',
            '\n',
            '\r',
            '\t',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{feff}',
            '\u{2028}',
            '\u{2029}',
            '\u{fdd0}',
            '\u{fdef}',
            '\u{fffe}',
            '\u{ffff}',
            '\u{1fffe}',
            '\u{10ffff}',
        ] {
            assert!(is_unwritable(c), "U+{:04X}", u32::from(c));
        }
        for c in ['a', ' ', '#', 'ä', '€', '😀', '\u{fffd}', '\u{e000}', '\u{a0}', '\u{fdcf}', '\u{fdf0}'] {
            assert!(!is_unwritable(c), "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn a_name_is_cleaned_and_stays_readable() {
        assert_eq!(cleaned(" Anna\n Atlantis\u{ffff}\u{feff} "), "Anna Atlantis");
        assert_eq!(cleaned("J\u{fc}rgen O'Neil #2"), "J\u{fc}rgen O'Neil #2");
        assert_eq!(cleaned("\u{fffe}\u{2028}"), "");
    }
}
