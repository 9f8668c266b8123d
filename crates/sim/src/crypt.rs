//! A second implementation of innovaphone's hashes and encryption, written from the SDK pages "AppWebsocket" and
//! "sysclient" to check the gateway's implementation.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// SHA-256 of the parts joined by colons, as lower-case hex.
pub(super) fn hash(parts: &[&str]) -> String {
    HEXLOWER.encode(&Sha256::digest(parts.join(":").as_bytes()))
}

/// The session key of an AppWebsocket after a login with `password`.
pub(super) fn session_key(challenge: &str, password: &str) -> String {
    hash(&["innovaphoneAppSessionKey", challenge, password])
}

/// RC4 with the key `seed:key`; returns hex.
pub(super) fn encrypt(seed: &str, key: &str, plain: &str) -> String {
    HEXLOWER.encode(&rc4(format!("{seed}:{key}").as_bytes(), plain.as_bytes()))
}

/// The reverse of [`encrypt`]. Returns `None` if the input is not hex or the result is not valid text.
#[cfg(test)]
pub(super) fn decrypt(seed: &str, key: &str, cipher: &str) -> Option<String> {
    let hidden = data_encoding::HEXLOWER_PERMISSIVE.decode(cipher.as_bytes()).ok()?;
    String::from_utf8(rc4(format!("{seed}:{key}").as_bytes(), &hidden)).ok()
}

/// The answer to a sysclient challenge.
pub(super) fn sysclient_digest(id: &str, product: &str, version: &str, challenge: &str, password: &str) -> String {
    hash(&[id, product, version, challenge, password])
}

fn rc4(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut box_: [u8; 256] = std::array::from_fn(|i| u8::try_from(i).unwrap_or_default());
    let mut j = 0u8;
    for i in 0..256 {
        j = j.wrapping_add(box_[i]).wrapping_add(key.get(i % key.len().max(1)).copied().unwrap_or(0));
        box_.swap(i, usize::from(j));
    }
    let (mut i, mut j) = (0u8, 0u8);
    data.iter()
        .map(|byte| {
            i = i.wrapping_add(1);
            j = j.wrapping_add(box_[usize::from(i)]);
            box_.swap(usize::from(i), usize::from(j));
            byte ^ box_[usize::from(box_[usize::from(i)].wrapping_add(box_[usize::from(j)]))]
        })
        .collect()
}

/// Returns `count` random decimal digits, the format of challenges, seeds and codes.
pub(super) fn digits(count: usize) -> String {
    (0..count).map(|_| char::from(b'0' + rand::random_range(0..10u8))).collect()
}

/// Returns 32 random hex digits, the format of an object's guid.
pub(super) fn guid() -> String {
    HEXLOWER.encode(&rand::random::<[u8; 16]>())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../../fixtures/innovaphone/vectors.json")).unwrap()
    }

    fn text<'a>(entry: &'a Value, name: &str) -> &'a str {
        entry[name].as_str().unwrap_or_default()
    }

    #[test]
    fn the_crypt_and_session_key_vectors_hold() {
        let vectors = vectors();
        for entry in vectors["session_key"].as_array().unwrap() {
            assert_eq!(session_key(text(entry, "challenge"), text(entry, "password")), text(entry, "key"));
        }
        for entry in vectors["appws_crypt"].as_array().unwrap() {
            let (seed, key) = (text(entry, "seed"), text(entry, "key"));
            assert_eq!(encrypt(seed, key, text(entry, "plain")), text(entry, "cipher_hex"));
            assert_eq!(decrypt(seed, key, text(entry, "cipher_hex")).unwrap(), text(entry, "plain"));
        }
        for entry in vectors["service_key"].as_array().unwrap() {
            let plain = decrypt(text(entry, "salt"), text(entry, "pbx_session_key"), text(entry, "key_hex"));
            assert_eq!(plain.unwrap(), text(entry, "service_session_key"));
        }
    }

    #[test]
    fn the_sysclient_vectors_hold() {
        let vectors = vectors();
        for entry in vectors["sysclient_digest"].as_array().unwrap() {
            let field = |name| text(entry, name);
            let digest = sysclient_digest(
                field("id"),
                field("product"),
                field("version"),
                field("challenge"),
                field("password"),
            );
            assert_eq!(digest, field("digest"));
        }
        for entry in vectors["sysclient_adminpwd"].as_array().unwrap() {
            let plain = decrypt(text(entry, "seed"), text(entry, "sysclient_password"), text(entry, "pwd_hex"));
            assert_eq!(plain.unwrap(), text(entry, "plain"));
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_encrypted_is_decrypted(seed in "\\PC{0,20}", key in "\\PC{0,70}", plain in "\\PC{0,40}") {
            proptest::prop_assert_eq!(decrypt(&seed, &key, &encrypt(&seed, &key, &plain)).unwrap(), plain);
        }

        #[test]
        fn no_hex_text_panics(text in "\\PC{0,20}") {
            let _ = decrypt("seed", "key", &text);
        }
    }
}
