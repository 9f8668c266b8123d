//! Parses the fields of a Hawk header: `Hawk name="value", name="value"`.

/// Longest header that is parsed, in bytes. The reference server has the same limit.
const LONGEST: usize = 4096;

/// Returns the fields of a Hawk header, each at most once. `None` for another scheme or a malformed header.
pub(super) fn read(header: &str) -> Option<Vec<(&str, &str)>> {
    let header = header.trim();
    if header.len() > LONGEST {
        return None;
    }
    let (scheme, mut rest) = header.split_once([' ', '\t']).unwrap_or((header, ""));
    if !scheme.eq_ignore_ascii_case("hawk") {
        return None;
    }
    let mut fields: Vec<(&str, &str)> = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(fields);
        }
        let (name, after) = rest.split_once("=\"")?;
        let (value, after) = after.split_once('"')?;
        let name = name.trim();
        // The scheme defines no escapes for its own fields.
        if value.contains('\\') || fields.iter().any(|(have, _)| *have == name) {
            return None;
        }
        fields.push((name, value));
        rest = after;
    }
}

/// The value of a field; empty if it is missing.
pub(super) fn field<'a>(fields: &[(&str, &'a str)], name: &str) -> &'a str {
    fields.iter().find(|(have, _)| *have == name).map_or("", |(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_or_refused() {
        let stale = "Hawk ts=\"1\", tsm=\"a=\", error=\"Stale timestamp\"";
        let fields = read(stale).unwrap();
        assert_eq!(
            (field(&fields, "tsm"), field(&fields, "error"), field(&fields, "x")),
            ("a=", "Stale timestamp", "")
        );
        assert_eq!(read("hawk"), Some(Vec::new()));
        for bad in ["Basic realm=\"x\"", "Hawk ts=1", "Hawk ts=\"1", "Hawk a=\"1\", a=\"2\"", "Hawk a=\"\\\"\"", ""] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(read(&format!("Hawk a=\"{}\"", "x".repeat(LONGEST))), None);
    }

    proptest::proptest! {
        #[test]
        fn nothing_breaks_the_reader(text in "(Hawk )?.{0,200}") {
            let _ = read(&text);
        }
    }
}
