//! Searches for many texts at once.

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use super::escapings::ends_an_escape;

/// Where a text counts as a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    /// Anywhere.
    Anywhere,
    /// As a word: not preceded or followed by a letter or digit.
    Word,
    /// As a number: additionally not as a part of a time, a date, an address, or a version.
    Number,
}

/// The texts to search for and the meaning of each.
pub(super) struct Matcher<T> {
    automaton: Option<AhoCorasick>,
    meanings: Vec<(Where, T)>,
}

/// A match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span<T> {
    /// Its position.
    pub range: Range<usize>,
    /// Its meaning.
    pub meaning: T,
}

impl<T: Copy> Matcher<T> {
    /// Creates a matcher for all texts.
    ///
    /// # Errors
    /// If they exceed the memory limit of the search.
    pub fn new(
        texts: impl IntoIterator<Item = (String, Where, T)>,
        any_case: bool,
    ) -> Result<Self, aho_corasick::BuildError> {
        let (mut patterns, mut meanings) = (Vec::new(), Vec::new());
        for (text, place, meaning) in texts {
            if !text.is_empty() {
                patterns.push(text);
                meanings.push((place, meaning));
            }
        }
        if patterns.is_empty() {
            return Ok(Self { automaton: None, meanings });
        }
        // Find overlapping matches too: one that does not count must not hide one that does.
        let mut builder = AhoCorasick::builder();
        let automaton = builder.match_kind(MatchKind::Standard).ascii_case_insensitive(any_case).build(&patterns)?;
        Ok(Self { automaton: Some(automaton), meanings })
    }

    /// Returns all matches that count. They may overlap and are not ordered.
    pub fn spans(&self, text: &str) -> Vec<Span<T>> {
        let found = self.automaton.iter().flat_map(|automaton| automaton.find_overlapping_iter(text));
        found
            .filter_map(|hit| {
                let (place, meaning) = *self.meanings.get(hit.pattern().as_usize())?;
                counts(text, &hit.range(), place).then(|| Span { range: hit.range(), meaning })
            })
            .collect()
    }
}

fn counts(text: &str, range: &Range<usize>, place: Where) -> bool {
    match place {
        Where::Anywhere => true,
        Where::Word => stands_alone(text, range),
        Where::Number => stands_alone(text, range) && !is_part_of_a_number(text, range),
    }
}

/// Whether no ASCII letter or digit precedes or follows. Other characters end a word, because some scripts do not
/// separate words by spaces.
pub(super) fn stands_alone(text: &str, range: &Range<usize>) -> bool {
    let (Some(before), Some(found), Some(after)) =
        (text.get(..range.start), text.get(range.clone()), text.get(range.end..))
    else {
        return false;
    };
    let joined = |a: Option<u8>, b: Option<u8>| {
        a.zip(b).is_some_and(|(a, b)| a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric())
    };
    let begins = !joined(before.bytes().next_back(), found.bytes().next()) || ends_an_escape(before);
    begins && !joined(found.bytes().next_back(), after.bytes().next())
}

fn is_part_of_a_number(text: &str, range: &Range<usize>) -> bool {
    let bytes = text.as_bytes();
    let joins = |c: Option<&u8>| c.is_some_and(|c| b".:-".contains(c));
    let digit = |c: Option<&u8>| c.is_some_and(u8::is_ascii_digit);
    let at = |place: Option<usize>| place.and_then(|place| bytes.get(place));
    joins(at(range.start.checked_sub(1))) && digit(at(range.start.checked_sub(2)))
        || joins(bytes.get(range.end)) && digit(bytes.get(range.end + 1))
}

/// Removes overlaps: from left to right, keeps the longest match.
pub(super) fn leftmost_longest<T>(mut spans: Vec<Span<T>>) -> Vec<Span<T>> {
    spans.sort_by_key(|span| (span.range.start, std::cmp::Reverse(span.range.end)));
    let mut end = 0;
    spans.retain(|span| {
        let is_free = span.range.start >= end;
        if is_free {
            end = span.range.end;
        }
        is_free
    });
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, patterns: &[(&str, Where)]) -> Vec<String> {
        let search = Matcher::new(patterns.iter().map(|(text, place)| ((*text).to_owned(), *place, ())), true).unwrap();
        leftmost_longest(search.spans(text)).iter().map(|span| text[span.range.clone()].to_owned()).collect()
    }

    #[test]
    fn words_are_found_as_words_and_numbers_as_numbers() {
        let anna = [("anna", Where::Word)];
        assert_eq!(found("Anna annabelle anna.m hanna sip%3Aanna%40x", &anna), ["Anna", "anna", "anna"]);
        let number = [("21", Where::Number)];
        assert_eq!(found("10:21:33 user 21 10.0.0.21 v1.21 2026-11-21 <21> 210", &number), ["21", "21"]);
        assert_eq!(found("xsecretx", &[("secret", Where::Anywhere)]), ["secret"]);
    }

    #[test]
    fn one_that_does_not_count_hides_none_that_does() {
        assert_eq!(found("anna muster", &[("na muster", Where::Word), ("muster", Where::Word)]), ["muster"]);
        assert_eq!(found("anna muster", &[("anna", Where::Word), ("anna muster", Where::Word)]), ["anna muster"]);
    }
}
