//! Limits the length of texts from outside before they are shown.

/// Truncates a text of untrusted length to `most` characters.
#[must_use]
pub fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!((clip("äöü", 2).as_str(), clip("äöü", 3).as_str()), ("äö…", "äöü"));
    }
}
