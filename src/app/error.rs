//! Why the gateway does not start, or ended.

use gangway_base::clock::BeforeEpoch;

use crate::{
    catalog::Diagnostic,
    http::server::{certificates::CertificateError, listeners::ListenError},
    net::{http::ProxyAddressError, tls::TlsError},
    store::StoreError,
};

/// Why it does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The computer's clock cannot be worked with.
    #[error(transparent)]
    Clock(#[from] BeforeEpoch),
    /// A vendor folder is wrong.
    #[error("the vendor folders cannot be used (`gangway check` lists the same):{}", lines(.0))]
    Vendors(Vec<Diagnostic>),
    /// A CA file or pin is wrong.
    #[error("the trust for outgoing connections cannot be set up: {0}")]
    Trust(#[from] TlsError),
    /// `net.proxy` is no proxy's address.
    #[error("net.proxy: {0}")]
    Proxy(#[from] ProxyAddressError),
    /// The certificate of `[https]` cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// An address cannot be bound.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The address for phones that ask by multicast cannot be used.
    #[error(transparent)]
    Pnp(#[from] crate::sip::PnpError),
    /// The system refused a thread.
    #[error("a thread cannot be started: {0}")]
    Io(std::io::Error),
    /// A thread ended while starting.
    #[error("a thread ended while the gateway started; the log tells why")]
    Thread,
}

/// Why it ended.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// A listener failed.
    #[error("a listener failed: {0}")]
    Listener(std::io::Error),
    /// A listener ended though nobody asked.
    #[error("a listener ended by itself")]
    Ended,
    /// The computer's clock was set to a time before 1970.
    #[error(transparent)]
    Clock(BeforeEpoch),
    /// Some tasks did not end in time: their names.
    #[error("not everything ended within ten seconds; dropped were: {0}")]
    Unfinished(String),
}

fn lines(findings: &[Diagnostic]) -> String {
    findings.iter().map(|finding| format!("\n  {finding}")).collect()
}
