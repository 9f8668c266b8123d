//! The session key that both ends of an AppWebsocket derive from challenge and password, and the encryption with it.

use data_encoding::HEXLOWER;
use gangway_base::secret::Secret;
use sha2::{Digest, Sha256};

use crate::inno_encrypt::{self, SeededError};

/// The key of one AppWebsocket connection: 64 hex characters, used as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionKey(Secret);

impl SessionKey {
    /// SHA-256 of `innovaphoneAppSessionKey:challenge:password`.
    #[must_use]
    pub fn derive(challenge: &str, password: &Secret) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"innovaphoneAppSessionKey:");
        hash.update(challenge.as_bytes());
        hash.update(b":");
        hash.update(password.expose().as_bytes());
        Self(Secret::new(HEXLOWER.encode(&hash.finalize())))
    }

    /// Wraps a key that was received as text.
    #[must_use]
    pub fn from_text(key: impl Into<Secret>) -> Self {
        Self(key.into())
    }

    /// The key as text. Use it only to pass the key to its owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Encrypts `plain` with `seed`: lower-case hex of RC4 with the key `seed:session key`.
    #[must_use]
    pub fn encrypt(&self, seed: &str, plain: &str) -> String {
        inno_encrypt::encrypt(seed, &self.0, plain)
    }

    /// Decrypts what the peer encrypted with `seed`.
    ///
    /// # Errors
    /// If `hidden` is not hex, or the result is not UTF-8.
    pub fn decrypt(&self, seed: &str, hidden: &str) -> Result<Secret, SeededError> {
        inno_encrypt::decrypt(seed, &self.0, hidden)
    }

    /// SHA-256 of `seed:session key:data` as lower-case hex.
    #[must_use]
    pub fn hash(&self, seed: &str, data: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(seed.as_bytes());
        hash.update(b":");
        hash.update(self.0.expose().as_bytes());
        hash.update(b":");
        hash.update(data.as_bytes());
        HEXLOWER.encode(&hash.finalize())
    }
}

/// Decrypts the session key for a socket to another service from `salt` and `key` of a GetServiceLoginResult received
/// on the PBX connection with the key `pbx` (SDK page "AppWebsocketClient"). If decryption does not yield 64 hex
/// digits, the key is used as received: other vendor code does so, and no document says which is right.
#[must_use]
pub fn unwrap_service_key(salt: &str, key: &str, pbx: &SessionKey) -> SessionKey {
    match pbx.decrypt(salt, key) {
        Ok(clear) if clear.expose().len() == 64 && clear.expose().bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            SessionKey(clear)
        }
        _ => SessionKey::from_text(key),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn vectors(name: &str) -> Vec<Value> {
        let all: Value = serde_json::from_str(include_str!("../../../../fixtures/innovaphone/vectors.json")).unwrap();
        all[name].as_array().unwrap().clone()
    }

    #[test]
    fn session_keys_are_derived_as_published() {
        for vector in vectors("session_key") {
            let password = Secret::new(vector["password"].as_str().unwrap());
            let key = SessionKey::derive(vector["challenge"].as_str().unwrap(), &password);
            assert_eq!(key.expose(), vector["key"].as_str().unwrap());
        }
    }

    #[test]
    fn values_are_hidden_and_hashed_as_published() {
        let mut seen = 0;
        for vector in vectors("appws_crypt") {
            let text = |name: &str| vector[name].as_str().unwrap();
            let key = SessionKey::from_text(text("key"));
            assert_eq!(key.encrypt(text("seed"), text("plain")), text("cipher_hex"));
            assert_eq!(key.decrypt(text("seed"), text("cipher_hex")).unwrap().expose(), text("plain"));
            assert_eq!(key.hash(text("seed"), text("plain")), text("hash"));
            seen += 1;
        }
        assert_eq!(seen, 2);
    }

    #[test]
    fn service_keys_are_unwrapped_or_taken_as_they_are() {
        for vector in vectors("service_key") {
            let text = |name: &str| vector[name].as_str().unwrap();
            let pbx = SessionKey::from_text(text("pbx_session_key"));
            let key = unwrap_service_key(text("salt"), text("key_hex"), &pbx);
            assert_eq!(key.expose(), text("service_session_key"));
            let raw = text("service_session_key");
            assert_eq!(unwrap_service_key("other", raw, &pbx).expose(), raw);
        }
    }

    proptest! {
        #[test]
        fn unwrapping_never_panics(salt: String, key: String) {
            let _ = unwrap_service_key(&salt, &key, &SessionKey::from_text("k"));
        }
    }
}
