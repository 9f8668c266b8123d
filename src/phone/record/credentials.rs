//! What a phone proves itself with: the token of its first URL, and names with passwords.

use gangway_base::{mac::Mac, secret::Secret};
use jiff::Timestamp;

/// A user name and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Not secret by itself.
    pub user: String,
    /// Secret.
    pub password: Secret,
    /// When the phone first proved to have them.
    pub proven: Option<Timestamp>,
}

impl Credentials {
    /// Fresh credentials of one phone: its MAC as user, 20 characters A-Za-z0-9 as password (a Snom takes no more).
    #[must_use]
    pub fn generate(mac: Mac) -> Self {
        Self { user: mac.to_string(), password: Secret::generate(20), proven: None }
    }

    /// What of them can appear in a file.
    pub(super) fn rendered(&self) -> (&str, &Secret) {
        (&self.user, &self.password)
    }
}

/// 128 random bits in lower-case base32 (RFC 4648 alphabet, no padding): 26 characters, the token of a phone's URL.
#[must_use]
pub fn new_token() -> Secret {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bits = zeroize::Zeroizing::new(rand::random::<u128>());
    Secret::new(
        (0..26)
            .map(|place| {
                // 26 * 5 = 130: the first character carries the topmost three bits only.
                let index = (*bits >> (125 - 5 * place)) & 31;
                char::from(ALPHABET[usize::try_from(index).unwrap_or_default()])
            })
            .collect::<String>(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_128_bits_of_base32() {
        let tokens: std::collections::HashSet<String> = (0..1000).map(|_| new_token().expose().to_owned()).collect();
        assert_eq!(tokens.len(), 1000);
        for token in tokens {
            assert_eq!(token.len(), 26);
            assert!(token.bytes().all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte)));
            // 130 bits of room: the first character has its two highest bits clear.
            assert!((b'a'..=b'h').contains(&token.as_bytes()[0]));
        }
    }
}
