//! All outgoing sockets: TLS trust, websocket and HTTP clients, and backoff. No module above this one opens a
//! connection itself, so that all outgoing traffic has time-outs, size limits, and uniform errors.

pub mod appwebsocket;
pub mod backoff;
pub mod client_hello;
pub mod descriptors;
pub mod egress_policy;
pub mod error;
pub mod frames;
pub mod handshake_failures;
pub mod http;
pub mod sntp;
pub mod tls;
pub mod udp;
pub mod unlisted_proxy;
pub mod websocket;

pub use error::NetError;
