//! Server-side HTTP authentication for phones: Digest (RFC 7616, MD5 and SHA-256, `qop=auth` and the old form without
//! qop) and Basic (RFC 7617). A response carries only one challenge, because phones choose badly among several.
//!
//! [`Authenticator`] is the entry point: it issues the challenge and verifies requests.

pub mod authenticator;
pub mod digest;
pub mod header;
pub mod nonce;
pub mod replay_cache;

pub use authenticator::{Authenticator, Outcome, PresentedCredentials, Request, Scheme};
pub use digest::{Algorithm, Verifier};
pub use header::{Authorization, DigestFields};
pub use nonce::{Freshness, NonceKey};
pub use replay_cache::{ProvenResponse, ReplayCache};
