//! The only sockets outward: TLS trust, websocket and HTTP drivers, checked back-off. Nothing above this room opens
//! a connection itself, so that every outgoing byte has a time-out, a size limit and one way of saying why it failed.

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
