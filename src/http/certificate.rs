//! The server's certificate: read from PEM files, exchangeable while connections are open.

use std::{path::Path, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The chain could not be read.
    #[error(
        "cannot read the certificate chain {path}: {reason}; [https] certificate names a PEM file with the server's certificate first"
    )]
    Chain {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The key could not be read.
    #[error(
        "cannot read the private key {path}: {reason}; [https] key names a PEM file with one unencrypted private key"
    )]
    Key {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// Both can be read, but not used together.
    #[error("the certificate {certificate} and the key {key} cannot be used: {reason}")]
    Pair {
        /// The chain's file.
        certificate: String,
        /// The key's file.
        key: String,
        /// Why.
        reason: String,
    },
}

/// The certificate in use; replacing it affects the next handshake.
#[derive(Debug)]
pub struct Certificate(ArcSwap<CertifiedKey>);

impl Certificate {
    /// Reads a chain and its key.
    pub fn load(chain: &Path, key: &Path) -> Result<Arc<Self>, CertificateError> {
        Ok(Arc::new(Self(ArcSwap::new(read(chain, key)?))))
    }

    /// Takes what the files hold now; on an error the present one stays.
    pub fn reload(&self, chain: &Path, key: &Path) -> Result<(), CertificateError> {
        self.0.store(read(chain, key)?);
        Ok(())
    }

    /// TLS 1.2 and 1.3 with this certificate.
    pub fn server_config(self: &Arc<Self>) -> Result<ServerConfig, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
        Ok(builder.with_no_client_auth().with_cert_resolver(self.clone()))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

fn read(chain: &Path, key: &Path) -> Result<Arc<CertifiedKey>, CertificateError> {
    let of_chain = |reason: String| CertificateError::Chain { path: chain.display().to_string(), reason };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| of_chain(error.to_string()))?;
    if certificates.is_empty() {
        return Err(of_chain("it holds no certificate".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| CertificateError::Key { path: key.display().to_string(), reason: error.to_string() })?;
    CertifiedKey::from_der(certificates, private, &ring::default_provider()).map(Arc::new).map_err(|error| {
        CertificateError::Pair {
            certificate: chain.display().to_string(),
            key: key.display().to_string(),
            reason: error.to_string(),
        }
    })
}
