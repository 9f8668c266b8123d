//! The client side of Hawk (the scheme of the npm package `hawk`, header version 1, SHA-256). The caller provides time
//! and nonce to sign a request. A response is trusted only as far as it is authenticated.
//!
//! The payload hash is always sent, even without a body: servers that validate payloads require it, and others ignore
//! it.

mod artifacts;
mod header;
mod request;
mod response;
#[cfg(test)]
mod tests;

use gangway_base::secret::Secret;

pub use self::{
    artifacts::{Artifacts, payload_hash, time_mac},
    request::{Payload, Signed, sign},
    response::{Proof, Stale, check_answer, stale_clock},
};

/// An access key pair.
#[derive(Debug, Clone)]
pub struct Key {
    /// The id of the pair; not secret.
    pub id: String,
    /// The secret.
    pub secret: Secret,
}
