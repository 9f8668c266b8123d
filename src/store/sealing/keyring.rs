//! Seals secrets: a secret leaves the process only encrypted with XChaCha20-Poly1305 under a key that is not in the
//! database. The place (table and row) is authenticated too, so a value moved to another row cannot be unsealed there.
//!
//! Several keys may be known during a rotation (`store/rotate.rs`). Table `seal` lists the keys that may seal. A writer
//! checks it inside its transaction, so that no value is sealed with a key that is being retired.

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use chacha20poly1305::aead::{Aead, Payload};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::key::{self, Key};
use crate::store::api::error::StoreError;

const NONCE: usize = 24;
const TAG: usize = 16;

/// The current keys, never empty, in the order of the key file.
struct Ring {
    keys: Vec<Arc<Key>>,
    /// The key that seals.
    sealing: Arc<Key>,
}

/// The sealing keys of this installation. One seals, all of them unseal.
pub struct Keyring {
    ring: ArcSwap<Ring>,
    /// The key file. It is read again when a value was sealed with an unknown key.
    file: Option<PathBuf>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("sealing", &self.sealing_id()).finish_non_exhaustive()
    }
}

/// A place in the database: table and key of the row. It is authenticated with the value.
pub(in crate::store) type SealContext<'a> = &'a str;

impl Keyring {
    /// A keyring of these keys, the last of which seals; `None` if there are no keys.
    fn of(keys: Vec<Arc<Key>>, file: Option<PathBuf>) -> Option<Self> {
        let sealing = Arc::clone(keys.last()?);
        Some(Self { ring: ArcSwap::from_pointee(Ring { keys, sealing }), file })
    }

    /// A keyring with one new key.
    pub fn generate() -> Self {
        let sealing = Arc::new(Key::fresh(1));
        Self { ring: ArcSwap::from_pointee(Ring { keys: vec![Arc::clone(&sealing)], sealing }), file: None }
    }

    /// Parses the text of a key file: one key per line, `<id> <64 hex digits>`. The last key seals until `refresh_keys`
    /// selects another.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        Self::of(key::keys(text)?, None).ok_or("it holds no key")
    }

    /// Sets the file from which the keys are read again when needed.
    pub(in crate::store) fn kept_in(mut self, file: PathBuf) -> Self {
        self.file = Some(file);
        self
    }

    /// The path of the key file.
    pub(in crate::store) fn file(&self) -> Option<&std::path::Path> {
        self.file.as_deref()
    }

    /// The text that [`Keyring::parse`] parses.
    pub fn to_text(&self) -> Zeroizing<String> {
        key::text(&self.ring.load().keys)
    }

    /// The keys of this keyring with a new one appended: its number and the text of the key file. `None` when no number
    /// is free.
    pub(in crate::store) fn with_a_fresh_key(&self) -> Option<(u8, Zeroizing<String>)> {
        let ring = self.ring.load();
        let newest = ring.keys.last().map_or(0, |key| key.id());
        let id = (1..=u8::MAX)
            .map(|step| newest.wrapping_add(step))
            .find(|id| *id != 0 && ring.keys.iter().all(|key| key.id() != *id))?;
        let mut keys = ring.keys.clone();
        keys.push(Arc::new(Key::fresh(id)));
        Some((id, key::text(&keys)))
    }

    /// The text of a key file that has only the key `id`.
    pub(in crate::store) fn text_of(&self, id: u8) -> Option<Zeroizing<String>> {
        let ring = self.ring.load();
        ring.keys.iter().find(|key| key.id() == id).map(|key| key::text(std::slice::from_ref(key)))
    }

    /// The numbers of the keys that the file lists now, in its order. All of them are known afterwards.
    pub(in crate::store) fn listed(&self) -> Result<Vec<u8>, StoreError> {
        let path = self.file.clone().unwrap_or_default();
        let failed = |source| StoreError::File { action: "read the sealing key", path: path.clone(), source };
        let text = Zeroizing::new(std::fs::read_to_string(&path).map_err(failed)?);
        let unreadable = |reason| StoreError::KeyUnreadable { path: path.clone(), reason };
        let keys = key::keys(&text).map_err(unreadable)?;
        self.read_again();
        Ok(keys.iter().map(|key| key.id()).collect())
    }

    /// The number of the key that seals.
    pub(in crate::store) fn sealing_id(&self) -> u8 {
        self.ring.load().sealing.id()
    }

    /// Seals from now on with the newest of the `admitted` keys, as listed in table `seal`. Does nothing if no key is
    /// admitted (a new database).
    ///
    /// # Errors
    /// When an admitted key is not in the key file either; then nothing may be sealed.
    pub(in crate::store) fn refresh_keys(&self, admitted: &[u8]) -> Result<(), StoreError> {
        let knows = |ring: &Ring| admitted.iter().all(|id| ring.keys.iter().any(|key| key.id() == *id));
        let is_known = knows(&self.ring.load()) || self.read_again() && knows(&self.ring.load());
        if !is_known {
            let path = self.file.clone().unwrap_or_default();
            return Err(StoreError::KeyUnreadable { path, reason: "the key that seals this database is not in it" });
        }
        let ring = self.ring.load_full();
        if let Some(sealing) = ring.keys.iter().rev().find(|key| admitted.contains(&key.id()))
            && sealing.id() != ring.sealing.id()
        {
            self.ring.store(Arc::new(Ring { keys: ring.keys.clone(), sealing: Arc::clone(sealing) }));
        }
        Ok(())
    }

    /// Loads the current keys of the key file. Keys removed from the file still unseal values that a reader has just
    /// fetched. Returns whether the file could be read.
    fn read_again(&self) -> bool {
        let Some(read) = self.file.as_ref().and_then(|file| std::fs::read_to_string(file).ok()).map(Zeroizing::new)
        else {
            return false;
        };
        let Ok(listed) = key::keys(&read) else { return false };
        let ring = self.ring.load_full();
        let mut keys: Vec<Arc<Key>> =
            ring.keys.iter().filter(|key| listed.iter().all(|listed| listed.id() != key.id())).cloned().collect();
        keys.extend(listed);
        let sealing = keys.iter().find(|key| key.id() == ring.sealing.id()).unwrap_or(&ring.sealing);
        self.ring.store(Arc::new(Ring { sealing: Arc::clone(sealing), keys }));
        true
    }

    /// Seals `secret` for `place`: key number, nonce, ciphertext with tag. Call it inside a transaction of the writer,
    /// because [`Keyring::refresh_keys`] has run there.
    pub(in crate::store) fn seal(&self, place: SealContext<'_>, secret: &[u8]) -> Result<Vec<u8>, StoreError> {
        let key = Arc::clone(&self.ring.load().sealing);
        seal(&key, place, secret)
    }

    /// Same as [`Keyring::seal`] with the key `id`, whether or not it is the one that seals.
    pub(in crate::store) fn seal_with(
        &self,
        id: u8,
        place: SealContext<'_>,
        secret: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let key = self.ring.load().keys.iter().find(|key| key.id() == id).cloned();
        let key = key.ok_or_else(|| StoreError::Unsealing { place: place.to_owned() })?;
        seal(&key, place, secret)
    }

    /// Unseals what [`Keyring::seal`] sealed for the same place.
    pub(in crate::store) fn unseal(
        &self,
        place: SealContext<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        self.open(place, sealed).ok_or_else(|| StoreError::Unsealing { place: place.to_owned() })
    }

    fn open(&self, place: SealContext<'_>, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (id, rest) = sealed.split_first()?;
        if rest.len() < NONCE + TAG {
            return None;
        }
        let (nonce, text) = rest.split_at(NONCE);
        let nonce: [u8; NONCE] = nonce.try_into().ok()?;
        let find = || self.ring.load().keys.iter().find(|key| key.id() == *id).cloned();
        // Another process may have sealed it with a key that was added while this process was running.
        let key = find().or_else(|| self.read_again().then(find).flatten())?;
        let payload = Payload { msg: text, aad: place.as_bytes() };
        key.cipher().decrypt((&nonce).into(), payload).ok().map(Zeroizing::new)
    }

    /// A key for another purpose (nonces, ETags, index of tokens): HMAC-SHA256 of the label under the sealing key. It
    /// changes with the sealing key, so data that must outlive a rotation must not depend on it.
    pub fn derive(&self, label: &str) -> [u8; 32] {
        keyed(self.ring.load().sealing.bytes(), &[b"gangway ", label.as_bytes()])
    }
}

/// Fails only for a secret of more than 256 GiB.
fn seal(key: &Key, place: SealContext<'_>, secret: &[u8]) -> Result<Vec<u8>, StoreError> {
    let nonce: [u8; NONCE] = rand::random();
    let payload = Payload { msg: secret, aad: place.as_bytes() };
    let refused = |_error| StoreError::Unsealing { place: place.to_owned() };
    let sealed = key.cipher().encrypt((&nonce).into(), payload).map_err(refused)?;
    let mut out = Vec::with_capacity(1 + NONCE + sealed.len());
    out.push(key.id());
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&sealed);
    Ok(out)
}

/// HMAC-SHA256 over the joined parts.
fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC accepts keys of any length, so this error cannot occur. The fallback is a different function, not a leak.
    let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        hmac.update(part);
    }
    hmac.finalize().into_bytes().into()
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
    }

    #[test]
    fn an_older_key_still_opens_and_the_newest_admitted_seals() {
        let old = Keyring::generate();
        let sealed = old.seal("phone/1", b"secret").unwrap();
        let (id, text) = old.with_a_fresh_key().unwrap();
        let both = Keyring::parse(&text).unwrap();
        assert_eq!(id, 2);
        assert_eq!(both.unseal("phone/1", &sealed).unwrap().as_slice(), b"secret");
        both.refresh_keys(&[1]).unwrap();
        assert_eq!(both.seal("phone/1", b"secret").unwrap()[0], 1, "a key that is not admitted yet does not seal");
        both.refresh_keys(&[1, 2]).unwrap();
        assert_eq!(both.seal("phone/1", b"secret").unwrap()[0], 2);
        assert!(matches!(both.refresh_keys(&[3]), Err(StoreError::KeyUnreadable { .. })));
    }

    #[test]
    fn a_key_that_comes_into_the_file_is_found_there() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let ring = Keyring::generate().kept_in(file.path().to_owned());
        let (id, text) = ring.with_a_fresh_key().unwrap();
        let other = Keyring::parse(&text).unwrap();
        let sealed = other.seal("phone/1", b"secret").unwrap();
        assert_eq!(sealed[0], id);
        assert!(ring.unseal("phone/1", &sealed).is_err(), "the file does not hold it yet");
        std::fs::write(file.path(), text.as_bytes()).unwrap();
        assert_eq!(ring.unseal("phone/1", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(ring.sealing_id(), 1, "knowing a key is not sealing with it");
        ring.refresh_keys(&[1, id]).unwrap();
        assert_eq!(ring.sealing_id(), id);
    }

    #[test]
    fn numbers_of_keys_go_around_without_meeting() {
        let mut ring = Keyring::generate();
        for _ in 0..300 {
            let (id, text) = ring.with_a_fresh_key().unwrap();
            assert_ne!(id, ring.sealing_id());
            let both = Keyring::parse(&text).unwrap();
            ring = Keyring::parse(&both.text_of(id).unwrap()).unwrap();
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
