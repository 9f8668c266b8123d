//! HTTP authentication as a server does it for phones: Digest (RFC 7616, MD5 and SHA-256, `qop=auth` and the old form
//! without qop) and Basic (RFC 7617). One challenge per response, because phones pick badly among several.
//!
//! [`Guard`] is the entrance: it makes the challenge and judges a request.

pub mod authenticator;
pub mod digest;
pub mod header;
pub mod nonce;
pub mod replay_cache;

pub use authenticator::{Authenticator, Outcome, PresentedCredentials, Request, Scheme};
pub use digest::{Algorithm, Verifier};
pub use header::{Authorization, DigestFields};
pub use nonce::{Freshness, NonceKey};
pub use replay_cache::{Answered, ReplayCache};
