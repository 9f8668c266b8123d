//! The only sockets outward.

pub mod http;
