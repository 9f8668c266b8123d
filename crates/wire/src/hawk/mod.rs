//! Hawk (the scheme of the npm package `hawk`, header version 1, SHA-256) as its client side needs it: a request is
//! signed with time and nonce given from outside, an answer is believed only as far as it is proven.
//!
//! The payload hash is always sent, also without a body: a server that validates payloads insists on it, one that does
//! not ignores it.

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
    /// The name of the pair; no secret.
    pub id: String,
    /// The secret.
    pub secret: Secret,
}
