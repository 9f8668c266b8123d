//! The credentials of a phone: the token of its first URL, and user names with passwords.

use gangway_base::{mac::Mac, secret::Secret};
use jiff::Timestamp;

/// A user name and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name; not secret.
    pub user: String,
    /// Password.
    pub password: Secret,
    /// When the phone first proved that it has them.
    pub proven: Option<Timestamp>,
}

impl Credentials {
    /// Generates credentials for one phone: its MAC as user, and 20 characters A-Za-z0-9 as password (the maximum for
    /// Snom).
    #[must_use]
    pub fn generate(mac: Mac) -> Self {
        Self { user: mac.to_string(), password: Secret::generate(20), proven: None }
    }

    /// The parts that may appear in a file.
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
                // 26 * 5 = 130: the first character carries only the topmost three bits.
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
            // 26 characters have 130 bits, so the two highest bits of the first character are zero.
            assert!((b'a'..=b'h').contains(&token.as_bytes()[0]));
        }
    }
}
