//! Sealing: what is secret leaves the process only as XChaCha20-Poly1305 under a key that is not in the database. The
//! place (table and row) is authenticated with it, so a value moved to another row does not open there.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{Aead, Payload},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use super::error::StoreError;

const NONCE: usize = 24;
const TAG: usize = 16;

/// One sealing key. `id` stands in front of everything it sealed, so that a later key can take over while old values
/// still open.
struct Key {
    id: u8,
    bytes: Zeroizing<[u8; 32]>,
    cipher: XChaCha20Poly1305,
}

impl Key {
    fn new(id: u8, bytes: Zeroizing<[u8; 32]>) -> Self {
        let cipher = XChaCha20Poly1305::new((&*bytes).into());
        Self { id, bytes, cipher }
    }
}

/// The sealing keys of this installation: the last one seals, all of them open.
pub struct Keyring {
    current: Key,
    older: Vec<Key>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("current", &self.current.id).finish_non_exhaustive()
    }
}

/// A place in the database: table and the key of the row. Part of what is authenticated.
pub(super) type Place<'a> = &'a str;

impl Keyring {
    /// A ring with one fresh key.
    pub fn generate() -> Self {
        Self { current: Key::new(1, Zeroizing::new(rand::random())), older: Vec::new() }
    }

    /// Reads the key file: one key per line, `<id> <64 hex digits>`; the last line is the current key.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut keys = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (id, hex) = line.split_once(' ').ok_or("a line is not '<number> <64 hex digits>'")?;
            let id: u8 = id.parse().ok().ok_or("a key's number is not between 0 and 255")?;
            if keys.iter().any(|key: &Key| key.id == id) {
                return Err("two keys have the same number");
            }
            keys.push(Key::new(id, from_hex(hex.trim()).ok_or("a key is not 64 hex digits")?));
        }
        let current = keys.pop().ok_or("it holds no key")?;
        Ok(Self { current, older: keys })
    }

    /// The text [`Keyring::parse`] reads.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(70 * (self.older.len() + 1)));
        for key in self.older.iter().chain([&self.current]) {
            text.push_str(&key.id.to_string());
            text.push(' ');
            for byte in key.bytes.iter() {
                for digit in [byte >> 4, byte & 15] {
                    text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
                }
            }
            text.push('\n');
        }
        text
    }

    /// The number of the key that seals.
    pub(super) fn current_id(&self) -> u8 {
        self.current.id
    }

    /// Seals `secret` for `place`: key number, nonce, ciphertext with tag.
    pub(super) fn seal(&self, place: Place<'_>, secret: &[u8]) -> Result<Vec<u8>, StoreError> {
        let nonce: [u8; NONCE] = rand::random();
        let payload = Payload { msg: secret, aad: place.as_bytes() };
        // Only a message of more than 256 GiB is refused.
        let sealed = self
            .current
            .cipher
            .encrypt((&nonce).into(), payload)
            .ok()
            .ok_or_else(|| StoreError::Unsealing { place: place.to_owned() })?;
        let mut out = Vec::with_capacity(1 + NONCE + sealed.len());
        out.push(self.current.id);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Opens what [`Keyring::seal`] made for the same place.
    pub(super) fn unseal(&self, place: Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        self.open(place, sealed).ok_or_else(|| StoreError::Unsealing { place: place.to_owned() })
    }

    fn open(&self, place: Place<'_>, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (id, rest) = sealed.split_first()?;
        if rest.len() < NONCE + TAG {
            return None;
        }
        let (nonce, text) = rest.split_at(NONCE);
        let nonce: [u8; NONCE] = nonce.try_into().ok()?;
        let key = self.older.iter().chain([&self.current]).find(|key| key.id == *id)?;
        let payload = Payload { msg: text, aad: place.as_bytes() };
        key.cipher.decrypt((&nonce).into(), payload).ok().map(Zeroizing::new)
    }

    /// A key for another purpose (nonces, ETags, index of tokens): HMAC-SHA256 of the label under the sealing key.
    pub fn derive(&self, label: &str) -> [u8; 32] {
        keyed(&self.current.bytes, &[b"gangway ", label.as_bytes()])
    }
}

/// HMAC-SHA256 over the joined parts.
fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of any length, the error cannot occur; an empty key would be a different function, not a leak.
    let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        hmac.update(part);
    }
    hmac.finalize().into_bytes().into()
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

/// Several secrets sealed as one value: name and text, each with its length in front. One value per row costs one
/// opening per row, which is what makes ten thousand phones load in a moment.
#[derive(Default)]
pub(super) struct Bundle(Zeroizing<Vec<u8>>);

impl Bundle {
    /// Adds a secret; nothing is stored for `None`.
    pub(super) fn with(mut self, name: &str, secret: Option<&str>) -> Self {
        if let Some(secret) = secret {
            self.push(name.as_bytes());
            self.push(secret.as_bytes());
        }
        self
    }

    fn push(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        let needed = self.0.len() + 4 + bytes.len();
        if needed > self.0.capacity() {
            // Growing would leave the old buffer behind unwiped.
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(256).next_power_of_two()));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(&length);
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads the pairs; `None` when the bytes are no bundle.
    pub(super) fn read(bytes: &[u8]) -> Option<Vec<(&str, &str)>> {
        let mut rest = bytes;
        let mut field = || -> Option<Option<&str>> {
            if rest.is_empty() {
                return Some(None);
            }
            let (length, after) = rest.split_at_checked(4)?;
            let length = usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).ok()?;
            let (text, after) = after.split_at_checked(length)?;
            rest = after;
            std::str::from_utf8(text).ok().map(Some)
        };
        let mut pairs = Vec::with_capacity(8);
        while let Some(name) = field()? {
            pairs.push((name, field()??));
        }
        Some(pairs)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_sealed_opens_at_its_place_only(place in "[a-z/0-9]{1,20}", secret: Vec<u8>, flip: prop::sample::Index) {
            let ring = Keyring::generate();
            let sealed = ring.seal(&place, &secret).unwrap();
            let opened = ring.unseal(&place, &sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), secret.as_slice());
            let elsewhere = place.clone() + "x";
            prop_assert!(ring.unseal(&elsewhere, &sealed).is_err());
            prop_assert!(Keyring::generate().unseal(&place, &sealed).is_err());
            let mut damaged = sealed.clone();
            damaged[flip.index(sealed.len())] ^= 1;
            prop_assert!(ring.unseal(&place, &damaged).is_err());
            prop_assert!(ring.unseal(&place, &sealed[..flip.index(sealed.len())]).is_err());
        }

        #[test]
        fn a_bundle_reads_back(pairs: Vec<(String, String)>) {
            let bundle = pairs.iter().fold(Bundle::default(), |bundle, (name, secret)| bundle.with(name, Some(secret)));
            let read = Bundle::read(bundle.bytes()).unwrap();
            prop_assert_eq!(read, pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect::<Vec<_>>());
        }

        #[test]
        fn no_bytes_make_the_bundle_reader_fall(bytes: Vec<u8>) {
            let _ = Bundle::read(&bytes);
        }

        #[test]
        fn no_text_makes_the_key_reader_fall(text: String) {
            let _ = Keyring::parse(&text);
        }
    }

    #[test]
    fn an_older_key_still_opens_and_the_newest_seals() {
        let old = Keyring::generate();
        let sealed = old.seal("phone/1", b"secret").unwrap();
        let second = "2 ".to_owned() + &"ab".repeat(32);
        let both = Keyring::parse(&format!("{}{second}\n", old.to_text().as_str())).unwrap();
        assert_eq!(both.unseal("phone/1", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(both.seal("phone/1", b"secret").unwrap()[0], 2);
        assert_eq!(Keyring::parse(&both.to_text()).unwrap().current_id(), 2);
    }

    #[test]
    fn key_files_that_are_none_are_refused() {
        for text in ["", "1", "1 abc", "300 00", "x 00", &format!("1 {0}\n1 {0}", "ab".repeat(32))] {
            assert!(Keyring::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn derived_keys_differ_by_label_and_stay() {
        let ring = Keyring::generate();
        let again = Keyring::parse(&ring.to_text()).unwrap();
        assert_eq!(ring.derive("etag"), again.derive("etag"));
        assert_ne!(ring.derive("etag"), ring.derive("nonce"));
    }
}
