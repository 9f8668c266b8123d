//! A sealing key, and the text format of key files.

use std::sync::Arc;

use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use zeroize::{Zeroize, Zeroizing};

/// One sealing key. Every sealed value starts with the `id` of its key, so that a later key can take over while old
/// values can still be unsealed.
pub(in crate::store) struct Key {
    id: u8,
    bytes: Zeroizing<[u8; 32]>,
    cipher: XChaCha20Poly1305,
}

impl Key {
    pub(in crate::store) fn new(id: u8, bytes: Zeroizing<[u8; 32]>) -> Self {
        let cipher = XChaCha20Poly1305::new((&*bytes).into());
        Self { id, bytes, cipher }
    }

    /// Generates a random key.
    pub(in crate::store) fn fresh(id: u8) -> Self {
        Self::new(id, Zeroizing::new(rand::random()))
    }

    pub(in crate::store) fn id(&self) -> u8 {
        self.id
    }

    pub(in crate::store) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    pub(in crate::store) fn cipher(&self) -> &XChaCha20Poly1305 {
        &self.cipher
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

/// Parses the text of a key file: one key per line, `<number> <64 hex digits>`.
pub(in crate::store) fn keys(text: &str) -> Result<Vec<Arc<Key>>, &'static str> {
    let mut keys: Vec<Arc<Key>> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (id, hex) = line.split_once(' ').ok_or("a line is not '<number> <64 hex digits>'")?;
        let id: u8 = id.parse().ok().ok_or("a key's number is not between 0 and 255")?;
        if keys.iter().any(|key| key.id() == id) {
            return Err("two keys have the same number");
        }
        keys.push(Arc::new(Key::new(id, from_hex(hex.trim()).ok_or("a key is not 64 hex digits")?)));
    }
    if keys.is_empty() { Err("it holds no key") } else { Ok(keys) }
}

/// Formats keys as the text that [`keys`] parses.
pub(in crate::store) fn text(keys: &[Arc<Key>]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(70 * keys.len()));
    for key in keys {
        text.push_str(&key.id().to_string());
        text.push(' ');
        for byte in key.bytes() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
            }
        }
        text.push('\n');
    }
    text
}

fn from_hex(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = Zeroizing::new([0; 32]);
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |c: u8| char::from(c).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_fall(text: String) {
            let _ = keys(&text);
        }
    }

    #[test]
    fn key_files_that_are_none_are_refused() {
        for text in ["", "1", "1 abc", "300 00", "x 00", &format!("1 {0}\n1 {0}", "ab".repeat(32))] {
            assert!(keys(text).is_err(), "{text:?}");
        }
    }
}
