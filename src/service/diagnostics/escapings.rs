//! The escaped forms in which logs, files, and responses may contain a text.

use std::collections::BTreeSet;

use crate::catalog::format::Format;

/// Returns the text itself, and its forms in JSON, debug output, XML, and phone files, and percent-encoded.
pub(super) fn spellings(text: &str) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = [text.to_owned(), inside(&format!("{text:?}"))].into();
    all.extend(serde_json::to_string(text).ok().map(|json| inside(&json)));
    all.extend(Format::ALL.map(|format| format.escaped(text)));
    all.insert(quick_xml::escape::escape(text).into_owned());
    let form: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    all.insert(form.replace('+', "%20"));
    all.insert(form);
    all.retain(|spelling| !spelling.trim().is_empty());
    all
}

/// The same for case-insensitive search. The matcher ignores case only for ASCII, so other letters are needed in both
/// cases.
pub(super) fn spellings_in_any_case(text: &str) -> BTreeSet<String> {
    let mut all = spellings(text);
    if !text.is_ascii() {
        all.extend([text.to_lowercase(), text.to_uppercase()].iter().flat_map(|text| spellings(text)));
    }
    all
}

/// Returns the text without its quotes.
fn inside(quoted: &str) -> String {
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

/// Whether a word may start here although the preceding character is a letter or digit, because that character ends an
/// escape such as `%3A` or `\n`.
pub(super) fn ends_an_escape(before: &str) -> bool {
    let mut last = before.bytes().rev();
    let (a, b, c) = (last.next(), last.next(), last.next());
    let percent = c == Some(b'%') && [a, b].iter().flatten().all(u8::is_ascii_hexdigit);
    percent || (b == Some(b'\\') && c != Some(b'\\') && a.is_some_and(|a| b"nrt".contains(&a)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_anything_special_has_one_spelling() {
        assert_eq!(spellings("anna.muster"), ["anna.muster".to_owned()].into());
        let odd = spellings("A & \"B\"");
        for spelling in ["A & \"B\"", "A & \\\"B\\\"", "A &amp; &quot;B&quot;", "A+%26+%22B%22", "A%20%26%20%22B%22"] {
            assert!(odd.contains(spelling), "{spelling}: {odd:?}");
        }
        assert!(spellings_in_any_case("Jörg").contains("JÖRG"));
    }

    #[test]
    fn an_escape_ends_a_word() {
        assert!(ends_an_escape("sip%3A") && ends_an_escape("a\\n"));
        assert!(!ends_an_escape("anna") && !ends_an_escape("a\\\\n") && !ends_an_escape("") && !ends_an_escape("%G1"));
    }
}
