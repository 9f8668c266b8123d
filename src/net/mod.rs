//! The only sockets that lead outward: websockets, HTTP calls, the trust both need, and when to try again.

pub mod backoff;
pub mod error;
pub mod http;
pub mod tls;
pub mod ws;

pub use error::NetError;
