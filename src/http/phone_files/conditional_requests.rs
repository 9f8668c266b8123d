//! `If-None-Match` and `Range`, as far as phones use them (RFC 9110 ch. 13 and 14).

/// Whether `If-None-Match` matches this entity tag (weak comparison, lists, `*`).
#[must_use]
pub fn names_tag(header: &str, etag: &str) -> bool {
    shows_tag(header, etag) || header.split(',').any(|tag| tag.trim() == "*")
}

/// Whether `If-None-Match` contains exactly this tag, which proves that the client received it. `*` proves nothing.
#[must_use]
pub fn shows_tag(header: &str, etag: &str) -> bool {
    header.split(',').map(str::trim).any(|tag| tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// What a `Range` header requests of a file of `length` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// Unsupported: several ranges, another unit, or unreadable. The complete file is sent.
    Whole,
    /// Bytes `first..=last`.
    Bytes {
        /// First byte.
        first: usize,
        /// Last byte, inside the file.
        last: usize,
    },
    /// Beyond the end of the file.
    Outside,
}

/// Parses a single byte range.
#[must_use]
pub fn part(header: &str, length: usize) -> ByteRange {
    let Some((first, last)) = header.strip_prefix("bytes=").and_then(|range| range.trim().split_once('-')) else {
        return ByteRange::Whole;
    };
    let number = |text: &str| text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse::<usize>().ok()).flatten();
    match (first.is_empty(), last.is_empty()) {
        (true, true) => ByteRange::Whole,
        (true, false) => match number(last) {
            None => ByteRange::Whole,
            Some(count) if count == 0 || length == 0 => ByteRange::Outside,
            Some(count) => ByteRange::Bytes { first: length.saturating_sub(count), last: length - 1 },
        },
        (false, open_end) => match (number(first), if open_end { Some(usize::MAX) } else { number(last) }) {
            (Some(first), Some(last)) if first <= last => {
                if first < length {
                    ByteRange::Bytes { first, last: last.min(length - 1) }
                } else {
                    ByteRange::Outside
                }
            }
            _ => ByteRange::Whole,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (header, expected) in [
            ("bytes=0-9", ByteRange::Bytes { first: 0, last: 9 }),
            ("bytes=90-", ByteRange::Bytes { first: 90, last: 99 }),
            ("bytes=-5", ByteRange::Bytes { first: 95, last: 99 }),
            ("bytes=-500", ByteRange::Bytes { first: 0, last: 99 }),
            ("bytes=50-500", ByteRange::Bytes { first: 50, last: 99 }),
            ("bytes=100-", ByteRange::Outside),
            ("bytes=-0", ByteRange::Outside),
            ("bytes=9-1", ByteRange::Whole),
            ("bytes=0-1,5-6", ByteRange::Whole),
            ("lines=0-1", ByteRange::Whole),
            ("bytes=-", ByteRange::Whole),
            ("bytes=+1-2", ByteRange::Whole),
        ] {
            assert_eq!(part(header, 100), expected, "{header}");
        }
        assert_eq!(part("bytes=0-0", 0), ByteRange::Outside);
    }

    #[test]
    fn tags() {
        assert!(names_tag("\"a\"", "\"a\""));
        assert!(names_tag("\"b\", W/\"a\"", "\"a\""));
        assert!(names_tag("*", "\"a\""));
        assert!(!names_tag("\"b\"", "\"a\""));
    }

    proptest::proptest! {
        #[test]
        fn a_part_lies_inside(header in "(bytes=)?[0-9]{0,20}-[0-9]{0,20}", length in 0usize..1000) {
            if let ByteRange::Bytes { first, last } = part(&header, length) {
                proptest::prop_assert!(first <= last && last < length);
            }
        }
    }
}
