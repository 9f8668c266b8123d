//! Wraps the sealing key with a passphrase: Argon2id (RFC 9106) derives the key of an XChaCha20-Poly1305, which also
//! authenticates the head of the backup.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine, prelude::BASE64_STANDARD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{Aead, Payload},
};
use gangway_base::secret::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const NONCE: usize = 24;
/// Upper limits for the parameters in a file: a malicious file must not use up all memory or take an hour.
const MOST_MEMORY_KIB: u32 = 1024 * 1024;
const MOST_PASSES: u32 = 32;

/// Parameters of the key derivation. They are stored in the file, so that later versions may require more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stretching {
    /// Always `argon2id`.
    kind: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    /// Base64.
    salt: String,
}

impl Stretching {
    /// The second recommended choice of RFC 9106 (64 MiB, three passes, four lanes) with a fresh salt of 128 bits.
    pub(super) fn fresh() -> Self {
        let salt: [u8; 16] = rand::random();
        Self {
            kind: "argon2id".to_owned(),
            memory_kib: 64 * 1024,
            passes: 3,
            lanes: 4,
            salt: BASE64_STANDARD.encode(salt),
        }
    }

    fn key(&self, passphrase: &Secret) -> Option<Zeroizing<[u8; 32]>> {
        if self.kind != "argon2id" || self.memory_kib > MOST_MEMORY_KIB || self.passes > MOST_PASSES {
            return None;
        }
        let salt = BASE64_STANDARD.decode(&self.salt).ok()?;
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).ok()?;
        let mut key = Zeroizing::new([0; 32]);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password_into(passphrase.expose().as_bytes(), &salt, &mut *key).ok()?;
        Some(key)
    }

    /// Wraps the text of a key file and authenticates `head` with it. Returns Base64.
    pub(super) fn wrap(&self, passphrase: &Secret, head: &[u8], key_file: &str) -> Option<String> {
        let key = self.key(passphrase)?;
        let nonce: [u8; NONCE] = rand::random();
        let payload = Payload { msg: key_file.as_bytes(), aad: head };
        let wrapped = XChaCha20Poly1305::new((&*key).into()).encrypt((&nonce).into(), payload).ok()?;
        Some(BASE64_STANDARD.encode([&nonce[..], &wrapped].concat()))
    }

    /// Opens what [`Stretching::wrap`] returned; `None` if the passphrase or the head differs.
    pub(super) fn unwrap(&self, passphrase: &Secret, head: &[u8], wrapped: &str) -> Option<Zeroizing<String>> {
        let bytes = BASE64_STANDARD.decode(wrapped).ok()?;
        let (nonce, text) = bytes.split_at_checked(NONCE)?;
        let nonce: [u8; NONCE] = nonce.try_into().ok()?;
        let key = self.key(passphrase)?;
        let payload = Payload { msg: text, aad: head };
        let opened = XChaCha20Poly1305::new((&*key).into()).decrypt((&nonce).into(), payload).ok()?;
        let opened = Zeroizing::new(opened);
        std::str::from_utf8(&opened).ok().map(|text| Zeroizing::new(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    #[test]
    fn only_passphrase_and_head_together_open_it() {
        let stretching = Stretching { memory_kib: 64, ..Stretching::fresh() };
        let passphrase = Secret::new("correct horse battery");
        let wrapped = stretching.wrap(&passphrase, b"head", "1 abcd\n").unwrap();
        assert!(!wrapped.contains("abcd"));
        let open = |passphrase: &str, head: &[u8]| stretching.unwrap(&Secret::new(passphrase), head, &wrapped);
        assert_eq!(open("correct horse battery", b"head").unwrap().as_str(), "1 abcd\n");
        assert!(open("correct horse batterz", b"head").is_none());
        assert!(open("correct horse battery", b"heae").is_none());
        let other = Stretching { salt: Stretching::fresh().salt, ..stretching.clone() };
        assert!(other.unwrap(&passphrase, b"head", &wrapped).is_none());
    }

    #[test]
    fn a_file_cannot_ask_for_all_memory() {
        let passphrase = Secret::new("correct horse battery");
        let greedy = Stretching { memory_kib: u32::MAX, ..Stretching::fresh() };
        let endless = Stretching { passes: u32::MAX, ..Stretching::fresh() };
        assert!(greedy.wrap(&passphrase, b"", "x").is_none() && endless.wrap(&passphrase, b"", "x").is_none());
    }

    /// The example of RFC 9106 uses secret and associated data, which are not used here. This example is from the
    /// reference implementation: `echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32`.
    #[test]
    fn the_key_is_argon2id_of_the_passphrase() {
        let stretching = Stretching {
            kind: "argon2id".into(),
            memory_kib: 65536,
            passes: 2,
            lanes: 1,
            salt: BASE64_STANDARD.encode("somesalt"),
        };
        let key = stretching.key(&Secret::new("password")).unwrap();
        assert_eq!(HEXLOWER.encode(&*key), "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7");
    }
}
