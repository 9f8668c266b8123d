//! The server's certificates: read from PEM files, exchangeable while connections are open, chosen by what the client can
//! verify. An RSA pair serves old phones, a P-256 pair beside it saves most of a handshake's work.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::net::tls::provider;

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

/// Where a pair lies: PEM chain, PEM key.
pub type Files = (PathBuf, PathBuf);

/// The certificates in use; replacing them affects the next handshake.
#[derive(Debug)]
pub struct Certificates {
    files: Vec<Files>,
    pairs: ArcSwap<Vec<Arc<CertifiedKey>>>,
}

impl Certificates {
    /// Reads the pairs, in the order of preference: the first whose key the client can verify is shown.
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn load(files: Vec<Files>) -> Result<Arc<Self>, CertificateError> {
        let pairs = ArcSwap::from_pointee(read_all(&files)?);
        Ok(Arc::new(Self { files, pairs }))
    }

    /// Takes what the files hold now and tells whether that is new; on an error the present pairs stay.
    ///
    /// # Errors
    /// The first file that cannot be used, also when certificate and key do not fit: one may be written before the other.
    pub fn reload(&self) -> Result<bool, CertificateError> {
        let pairs = read_all(&self.files)?;
        let old = self.pairs.load();
        let is_same = old.len() == pairs.len() && old.iter().zip(&pairs).all(|(old, new)| old.cert == new.cert);
        if !is_same {
            self.pairs.store(Arc::new(pairs));
        }
        Ok(!is_same)
    }

    /// TLS 1.2 and 1.3 with these certificates.
    ///
    /// # Errors
    /// When the crypto provider refuses its own protocol versions: a fault of the build.
    pub fn server_config(self: &Arc<Self>) -> Result<ServerConfig, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
        Ok(builder.with_no_client_auth().with_cert_resolver(self.clone()))
    }
}

impl ResolvesServerCert for Certificates {
    /// The first pair the client can verify. For TLS 1.2 the schemes are already those its cipher suites allow. When none
    /// fits, the first: its refusal is the client's to tell.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let pairs = self.pairs.load();
        let fitting = pairs.iter().find(|pair| pair.key.choose_scheme(hello.signature_schemes()).is_some());
        fitting.or_else(|| pairs.first()).cloned()
    }
}

fn read_all(files: &[Files]) -> Result<Vec<Arc<CertifiedKey>>, CertificateError> {
    files.iter().map(|(chain, key)| read(chain, key)).collect()
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
    CertifiedKey::from_der(certificates, private, &provider()).map(Arc::new).map_err(|error| CertificateError::Pair {
        certificate: chain.display().to_string(),
        key: key.display().to_string(),
        reason: error.to_string(),
    })
}
