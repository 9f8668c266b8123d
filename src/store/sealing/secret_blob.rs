//! Combines several secrets into one value.

use zeroize::Zeroizing;

/// Several secrets sealed as one value: name and text, each prefixed with its length. One value per row means one
/// unseal per row, so ten thousand phones load quickly.
#[derive(Default)]
pub(in crate::store) struct SecretBlob(Zeroizing<Vec<u8>>);

impl SecretBlob {
    /// Adds a secret. `None` stores nothing.
    pub(in crate::store) fn with(mut self, name: &str, secret: Option<&str>) -> Self {
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
            // Reallocating in place would leave the old buffer unwiped.
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(256).next_power_of_two()));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(&length);
        self.0.extend_from_slice(bytes);
    }

    pub(in crate::store) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Parses the pairs; `None` when the bytes are not valid.
    pub(in crate::store) fn read(bytes: &[u8]) -> Option<Vec<(&str, &str)>> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bundle_reads_back(pairs: Vec<(String, String)>) {
            let bundle = pairs.iter().fold(SecretBlob::default(), |bundle, (name, secret)| bundle.with(name, Some(secret)));
            let read = SecretBlob::read(bundle.bytes()).unwrap();
            prop_assert_eq!(read, pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect::<Vec<_>>());
        }

        #[test]
        fn no_bytes_make_the_bundle_reader_fall(bytes: Vec<u8>) {
            let _ = SecretBlob::read(&bytes);
        }
    }
}
