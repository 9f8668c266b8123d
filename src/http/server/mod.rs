//! HTTP and TLS listeners: connection limits, phone certificates, and connection timeouts.

pub mod certificates;
pub mod client_ca_store;
pub mod client_cert_verifier;
pub mod connection_limiter;
pub mod connections;
pub mod listeners;
pub mod source_shares;
pub mod stall_timeout;
pub mod tls_acceptor;
