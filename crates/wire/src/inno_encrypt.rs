//! innovaphone's way to hide a value inside a message: RC4 under the key text `seed:secret`, written as lower-case
//! hex. AppWebsocket uses it with the session key, sysclient with the sysclient password (SDK pages "AppWebsocket"
//! and "sysclient").

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use gangway_base::secret::Secret;
use zeroize::{Zeroize, Zeroizing};

use crate::rc4::Rc4;

/// Why a hidden value could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SeededError {
    /// The value is no hex text.
    #[error("the encrypted value is no hex text")]
    NotHex,
    /// The clear text is no UTF-8: seed or key belong to something else.
    #[error("the decrypted value is no text: it was encrypted with another key or seed")]
    NotText,
}

/// Hides `plain`.
#[must_use]
pub fn encrypt(seed: &str, key: &Secret, plain: &str) -> String {
    let mut data = Zeroizing::new(plain.as_bytes().to_vec());
    cipher(seed, key).apply(&mut data);
    HEXLOWER.encode(&data)
}

/// Reads a hidden value. A trailing NUL, which C senders may count in, is dropped.
///
/// # Errors
/// [`SeededError`] when the text is no hex or the clear text is no UTF-8.
pub fn decrypt(seed: &str, key: &Secret, hidden: &str) -> Result<Secret, SeededError> {
    let mut data = HEXLOWER_PERMISSIVE.decode(hidden.as_bytes()).map_err(|_no_hex| SeededError::NotHex)?;
    cipher(seed, key).apply(&mut data);
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

fn cipher(seed: &str, key: &Secret) -> Rc4 {
    let text = Zeroizing::new([seed.as_bytes(), b":", key.expose().as_bytes()].concat());
    Rc4::new(&text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
    fn what_cannot_be_read_says_why() {
        let key = Secret::new("key");
        for hidden in ["xyz", "abc", "0g", "ä"] {
            assert_eq!(decrypt("s", &key, hidden), Err(SeededError::NotHex), "{hidden}");
        }
        let mut data = vec![0xff, 0xfe];
        cipher("s", &key).apply(&mut data);
        assert_eq!(decrypt("s", &key, &HEXLOWER.encode(&data)), Err(SeededError::NotText));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn round_trip(seed: String, key: String, plain in "[^\0]*") {
            let key = Secret::new(key);
            let hidden = encrypt(&seed, &key, &plain);
            let shown = decrypt(&seed, &key, &hidden).unwrap();
            prop_assert_eq!(shown.expose(), plain);
        }

        #[test]
        fn anything_is_read_without_panic(seed: String, hidden: String, hex_text in "[0-9a-f]{0,64}") {
            let _ = decrypt(&seed, &Secret::new("k"), &hidden);
            let _ = decrypt(&seed, &Secret::new("k"), &hex_text);
        }
    }
}
