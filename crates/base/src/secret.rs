//! The type for all secret values. It has a masked `Debug`, no `Display` and no `Serialize`, and wipes its memory when
//! dropped. The store encrypts secrets before they are written to SQLite.

use std::fmt;

use serde::{Deserialize, Deserializer, Serializer};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A secret text: password, code, token, session key, rendered file.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Generates `count` random characters from A-Z a-z 0-9. 20 characters carry 119 bits and fit all known phones (a
    /// Snom accepts at most 20).
    #[must_use]
    pub fn generate(count: usize) -> Self {
        use rand::RngExt;
        let text: String = rand::rng().sample_iter(rand::distr::Alphanumeric).take(count).map(char::from).collect();
        Self::new(text)
    }

    /// The plain text. Review every call of this method.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// True if the text is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares in a time that does not depend on where the texts differ. The lengths may leak.
    #[must_use]
    pub fn matches(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other.expose())
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "Secret(empty)" } else { "Secret(***)" })
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Serializes a secret as `***`. `Secret` does not implement `Serialize`, so every serialized field that contains one
/// must name this function.
///
/// # Errors
/// Returns the serializer's error.
pub fn masked<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if secret.is_empty() { "" } else { "***" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nothing() {
        let secret = Secret::new("hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert!(secret.matches("hunter2"));
        assert!(!secret.matches("hunter3"));
    }

    #[test]
    fn generated_secrets_fit_every_phone() {
        let secret = Secret::generate(20);
        assert_eq!(secret.expose().len(), 20);
        assert!(secret.expose().chars().all(|c| c.is_ascii_alphanumeric()));
        assert_ne!(secret, Secret::generate(20));
    }
}
