//! The Digest computation. HA1, which depends only on user, realm and password, is computed once and cached, so that
//! checking a request costs two short hashes and no allocation.

use std::fmt;

use data_encoding::HEXLOWER;
use gangway_base::secret::Secret;
use md5::Md5;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::header::DigestFields;

/// The hash algorithm of a Digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// MD5, which Yealink phones support.
    Md5,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// Length of the hash in hex digits.
    fn hex_length(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha256 => 64,
        }
    }
}

/// The stored value that verifies one user's password with either scheme: HA1 (hex). It is as secret as the password.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Verifier {
    #[zeroize(skip)]
    algorithm: Algorithm,
    ha1: [u8; 64],
}

impl Verifier {
    /// Computes the verifier.
    #[must_use]
    pub fn new(algorithm: Algorithm, user: &str, realm: &str, password: &Secret) -> Self {
        let parts = [user.as_bytes(), realm.as_bytes(), password.expose().as_bytes()];
        Self { algorithm, ha1: hash(algorithm, &parts) }
    }

    /// The hash algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Checks whether this Digest response proves the password for the request `what`. Only the hash is verified; the
    /// caller must check nonce, realm and uri.
    #[must_use]
    pub fn proves(&self, fields: &DigestFields<'_>, what: &HashedRequest) -> bool {
        let length = self.algorithm.hex_length();
        let ha1 = &self.ha1[..length];
        let ha2 = &what.ha2[..length];
        let mut expected = match (&fields.qop, &fields.nc, &fields.cnonce) {
            (None, ..) => hash(self.algorithm, &[ha1, fields.nonce.as_bytes(), ha2]),
            (Some(qop), Some(nc), Some(cnonce)) if qop.eq_ignore_ascii_case("auth") => hash(
                self.algorithm,
                &[ha1, fields.nonce.as_bytes(), nc.as_bytes(), cnonce.as_bytes(), qop.as_bytes(), ha2],
            ),
            _ => return false,
        };
        let mut given = [0_u8; 64];
        let fits = fields.response.len() == length;
        for (slot, digit) in given.iter_mut().zip(fields.response.bytes()) {
            *slot = digit.to_ascii_lowercase();
        }
        let equal = bool::from(expected[..length].ct_eq(&given[..length]));
        expected.zeroize();
        fits && equal && what.algorithm == self.algorithm
    }
}

/// The hash of the request that a response was made for: HA2 (hex). It does not depend on the user.
#[derive(Debug, Clone)]
pub struct HashedRequest {
    algorithm: Algorithm,
    ha2: [u8; 64],
}

impl HashedRequest {
    /// Hashes a request with `method` whose Digest names `uri`.
    #[must_use]
    pub fn new(algorithm: Algorithm, method: &str, uri: &str) -> Self {
        Self { algorithm, ha2: hash(algorithm, &[method.as_bytes(), uri.as_bytes()]) }
    }

    /// The hash as hex text.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.ha2[..self.algorithm.hex_length()]
    }
}

impl Verifier {
    /// Checks in constant time whether both verifiers come from the same user, realm and password.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && bool::from(self.ha1.ct_eq(&other.ha1))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Joins the parts with `:` and returns their hash as hex text (MD5 fills the first half).
fn hash(algorithm: Algorithm, parts: &[&[u8]]) -> [u8; 64] {
    let mut text = [0_u8; 64];
    let digits = &mut text[..algorithm.hex_length()];
    match algorithm {
        Algorithm::Md5 => HEXLOWER.encode_mut(&joined::<Md5>(parts), digits),
        Algorithm::Sha256 => HEXLOWER.encode_mut(&joined::<Sha256>(parts), digits),
    }
    text
}

fn joined<D: Digest>(parts: &[&[u8]]) -> sha2::digest::Output<D> {
    let mut hash = D::new();
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            hash.update(b":");
        }
        hash.update(part);
    }
    hash.finalize()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{super::header::Authorization, *};

    #[test]
    fn the_published_examples_hold() {
        let all: Value = serde_json::from_str(include_str!("../../../../fixtures/http_auth/examples.json")).unwrap();
        let examples = all["digest"].as_array().unwrap();
        assert_eq!(examples.len(), 4);
        for example in examples {
            let text = |name: &str| example[name].as_str().unwrap();
            let algorithm = if text("algorithm") == "MD5" { Algorithm::Md5 } else { Algorithm::Sha256 };
            let Authorization::Digest(fields) = Authorization::parse(text("header")) else { panic!() };
            let verifier = Verifier::new(algorithm, text("user"), &fields.realm, &Secret::new(text("password")));
            let request_hash = HashedRequest::new(algorithm, text("method"), &fields.uri);
            assert!(verifier.proves(&fields, &request_hash), "{}", text("source"));
            assert!(!verifier.proves(&fields, &HashedRequest::new(algorithm, "PUT", &fields.uri)));
            let other = if algorithm == Algorithm::Md5 { Algorithm::Sha256 } else { Algorithm::Md5 };
            assert!(!verifier.proves(&fields, &HashedRequest::new(other, text("method"), &fields.uri)));
            let upper = DigestFields { response: fields.response.to_uppercase().into(), ..(*fields).clone() };
            assert!(verifier.proves(&upper, &request_hash));
            for wrong in ["", "0", &"0".repeat(32), &"0".repeat(64), &format!("{}0", fields.response)] {
                let wrong = DigestFields { response: wrong.into(), ..(*fields).clone() };
                assert!(!verifier.proves(&wrong, &request_hash));
            }
            let integrity = DigestFields { qop: Some("auth-int".into()), ..(*fields).clone() };
            assert!(!verifier.proves(&integrity, &request_hash));
        }
    }
}
