//! innovaphone's encryption of values in messages: RC4 with the key text `seed:secret`, written as lower-case hex.
//! AppWebsocket uses it with the session key, sysclient with the sysclient password (SDK pages "AppWebsocket" and
//! "sysclient"). It only protects values from casual readers; confidentiality comes from TLS.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use gangway_base::secret::Secret;
use rc4::{KeyInit, Rc4, StreamCipher};
use zeroize::{Zeroize, Zeroizing};

/// Maximum length of an RC4 key in bytes.
const LONGEST_KEY: usize = 256;

/// Why a value could not be decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SeededError {
    /// The value is not hex.
    #[error("the encrypted value is no hex text")]
    NotHex,
    /// The clear text is not UTF-8: the seed or key is wrong.
    #[error("the decrypted value is no text: it was encrypted with another key or seed")]
    NotText,
}

/// Encrypts `plain`.
#[must_use]
pub fn encrypt(seed: &str, key: &Secret, plain: &str) -> String {
    let mut data = Zeroizing::new(plain.as_bytes().to_vec());
    apply(seed, key, &mut data);
    HEXLOWER.encode(&data)
}

/// Decrypts a value. A trailing NUL, which C senders may include, is removed.
///
/// # Errors
/// [`SeededError`] if the text is not hex or the clear text is not UTF-8.
pub fn decrypt(seed: &str, key: &Secret, hidden: &str) -> Result<Secret, SeededError> {
    let mut data = HEXLOWER_PERMISSIVE.decode(hidden.as_bytes()).map_err(|_no_hex| SeededError::NotHex)?;
    apply(seed, key, &mut data);
    while data.last() == Some(&0) {
        data.pop();
    }
    match String::from_utf8(data) {
        Ok(text) => Ok(Secret::new(text)),
        Err(error) => {
            error.into_bytes().zeroize();
            Err(SeededError::NotText)
        }
    }
}

/// Encrypts or decrypts `data` in place: the operation is the same.
fn apply(seed: &str, key: &Secret, data: &mut [u8]) {
    let text = Zeroizing::new([seed.as_bytes(), b":", key.expose().as_bytes()].concat());
    match Rc4::new_from_slice(&text[..text.len().min(LONGEST_KEY)]) {
        Ok(mut cipher) => cipher.apply_keystream(data),
        // The colon makes the key at least one byte long, so RC4 accepts every key. Never return clear text in any
        // case.
        Err(_refused) => data.fill(0),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_well_known_vectors_hold() {
        for (key, plain, cipher) in [
            ("Key", "Plaintext", "bbf316e8d940af0ad3"),
            ("Wiki", "pedia", "1021bf0420"),
            ("Secret", "Attack at dawn", "45a01f645fc35b383552544b9bf5"),
        ] {
            let mut data = plain.as_bytes().to_vec();
            Rc4::new_from_slice(key.as_bytes()).unwrap().apply_keystream(&mut data);
            assert_eq!(HEXLOWER.encode(&data), cipher);
        }
    }

    #[test]
    fn of_a_long_key_the_beginning_counts() {
        let key = Secret::new("key");
        assert_eq!(encrypt(&"s".repeat(300), &key, "text"), "603e79e7");
        assert_eq!(encrypt(&"s".repeat(256), &key, "text"), "603e79e7");
        assert_ne!(encrypt(&"s".repeat(200), &key, "text"), "603e79e7");
    }

    #[test]
    fn a_trailing_nul_is_dropped() {
        let key = Secret::new("key");
        assert_eq!(decrypt("s", &key, &encrypt("s", &key, "text\0")).unwrap().expose(), "text");
    }

    #[test]
    fn hex_of_either_case_is_read() {
        let key = Secret::new("key");
        let hidden = encrypt("s", &key, "text");
        assert_eq!(hidden, hidden.to_lowercase());
        assert_eq!(decrypt("s", &key, &hidden.to_uppercase()).unwrap().expose(), "text");
    }

    #[test]
    fn an_unreadable_file_is_reported_with_the_reason() {
        let key = Secret::new("key");
        for hidden in ["xyz", "abc", "0g", "ä"] {
            assert_eq!(decrypt("s", &key, hidden), Err(SeededError::NotHex), "{hidden}");
        }
        let mut data = vec![0xff, 0xfe];
        apply("s", &key, &mut data);
        assert_eq!(decrypt("s", &key, &HEXLOWER.encode(&data)), Err(SeededError::NotText));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn round_trip(seed: String, key: String, plain in "[^\0]*") {
            let key = Secret::new(key);
            let hidden = encrypt(&seed, &key, &plain);
            let decrypted = decrypt(&seed, &key, &hidden).unwrap();
            prop_assert_eq!(decrypted.expose(), plain);
        }

        #[test]
        fn twice_is_nothing_and_pieces_make_the_whole(
            key in proptest::collection::vec(any::<u8>(), 1..=LONGEST_KEY),
            data: Vec<u8>,
            cut: prop::sample::Index,
        ) {
            let cipher = || Rc4::new_from_slice(&key).unwrap();
            let mut whole = data.clone();
            cipher().apply_keystream(&mut whole);
            let cut = if data.is_empty() { 0 } else { cut.index(data.len()) };
            let mut pieces = data.clone();
            let mut stream = cipher();
            let (front, back) = pieces.split_at_mut(cut);
            stream.apply_keystream(front);
            stream.apply_keystream(back);
            prop_assert_eq!(&pieces, &whole);
            cipher().apply_keystream(&mut whole);
            prop_assert_eq!(whole, data);
        }

        #[test]
        fn anything_is_read_without_panic(seed: String, hidden: String, hex_text in "[0-9a-f]{0,64}") {
            let _ = decrypt(&seed, &Secret::new("k"), &hidden);
            let _ = decrypt(&seed, &Secret::new("k"), &hex_text);
        }
    }
}
