//! Lower-case hex, the only spelling of bytes in all protocols here.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Writes `bytes` as lower-case hex.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let [high, low] = digits(*byte);
        text.push(char::from(high));
        text.push(char::from(low));
    }
    text
}

/// Writes `bytes` as lower-case hex into `out` (twice as long) without allocating. What does not fit is left out.
pub fn encode_into(bytes: &[u8], out: &mut [u8]) {
    for (byte, pair) in bytes.iter().zip(out.chunks_exact_mut(2)) {
        pair.copy_from_slice(&digits(*byte));
    }
}

/// Reads hex of either case; `None` for an odd length or any other character.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    bytes.chunks_exact(2).map(|pair| Some(value(*pair.first()?)? << 4 | value(*pair.last()?)?)).collect()
}

/// Reads hex of either case into exactly `N` bytes without allocating.
#[must_use]
pub fn decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes = text.as_bytes();
    if bytes.len() != N * 2 {
        return None;
    }
    let mut out = [0; N];
    for (slot, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
        *slot = value(*pair.first()?)? << 4 | value(*pair.last()?)?;
    }
    Some(out)
}

fn digits(byte: u8) -> [u8; 2] {
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn odd_lengths_and_other_characters_are_refused() {
        assert_eq!(decode("abc"), None);
        assert_eq!(decode("0g"), None);
        assert_eq!(decode("ä"), None);
        assert_eq!(decode("0Aff"), Some(vec![10, 255]));
        assert_eq!(decode_array::<2>("0aff00"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn what_was_written_is_read_again(bytes: Vec<u8>) {
            let text = encode(&bytes);
            let mut stack = vec![0; bytes.len() * 2];
            encode_into(&bytes, &mut stack);
            prop_assert_eq!(text.as_bytes(), &stack[..]);
            prop_assert_eq!(decode(&text), Some(bytes));
        }

        #[test]
        fn any_text_is_read_without_panic(text: String) {
            let _ = decode(&text);
            let _ = decode_array::<16>(&text);
        }
    }
}
