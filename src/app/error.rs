//! Errors that prevent the gateway from starting, or end it.

use gangway_base::clock::BeforeEpoch;

use crate::{
    catalog::Diagnostic,
    http::server::{certificates::CertificateError, listeners::ListenError},
    net::{http::ProxyAddressError, tls::TlsError},
    store::StoreError,
};

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The clock of the computer is not usable.
    #[error(transparent)]
    Clock(#[from] BeforeEpoch),
    /// A vendor folder is invalid.
    #[error("the vendor folders cannot be used (`gangway check` lists the same):{}", lines(.0))]
    Vendors(Vec<Diagnostic>),
    /// A CA file or pin is invalid.
    #[error("the trust for outgoing connections cannot be set up: {0}")]
    Trust(#[from] TlsError),
    /// `net.proxy` is not a valid proxy address.
    #[error("net.proxy: {0}")]
    Proxy(#[from] ProxyAddressError),
    /// The certificate of `[https]` cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// An address cannot be bound.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The address for SIP PnP (multicast) cannot be used.
    #[error(transparent)]
    Pnp(#[from] crate::sip::PnpError),
    /// The system could not create a thread.
    #[error("a thread cannot be started: {0}")]
    Io(std::io::Error),
    /// A thread ended while starting.
    #[error("a thread ended while the gateway started; the log tells why")]
    Thread,
}

/// Why the gateway ended.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// A listener failed.
    #[error("a listener failed: {0}")]
    Listener(std::io::Error),
    /// A listener ended unexpectedly.
    #[error("a listener ended by itself")]
    Ended,
    /// The computer's clock was set to a time before 1970.
    #[error(transparent)]
    Clock(BeforeEpoch),
    /// Some tasks did not end in time; contains their names.
    #[error("not everything ended within ten seconds; dropped were: {0}")]
    Unfinished(String),
}

fn lines(findings: &[Diagnostic]) -> String {
    findings.iter().map(|finding| format!("\n  {finding}")).collect()
}
