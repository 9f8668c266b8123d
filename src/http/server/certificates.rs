//! The server certificates. They are read from PEM files, can be replaced while connections are open, and are selected
//! by the name the client requests and the signatures it can verify. An RSA pair serves old phones; an additional P-256
//! pair saves most of a handshake's work.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use x509_parser::prelude::{ASN1Time, FromDer as _, X509Certificate};

use super::client_cert_verifier::AnyClientCert;
use crate::net::tls::{names, provider, ticketer};

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
        /// The reason.
        reason: String,
    },
    /// The key could not be read.
    #[error(
        "cannot read the private key {path}: {reason}; [https] key names a PEM file with one unencrypted private key"
    )]
    Key {
        /// The file.
        path: String,
        /// The reason.
        reason: String,
    },
    /// Both files can be read, but the pair cannot be used.
    #[error("the certificate {certificate} and the key {key} cannot be used: {reason}")]
    Pair {
        /// The chain's file.
        certificate: String,
        /// The key's file.
        key: String,
        /// The reason.
        reason: String,
    },
    /// The certificate has expired, and a valid one is in use.
    #[error("the certificate {path} expired at {until:.0}; [https] certificate names a file with a valid one")]
    Expired {
        /// The file.
        path: String,
        /// The time of expiry.
        until: Timestamp,
    },
}

/// The protocol offered by ALPN: phones support nothing newer, and websockets need it. Clients without ALPN are served
/// the same way.
const ALPN: &[u8] = b"http/1.1";

/// The paths of a pair: PEM chain, PEM key.
pub type CertificatePaths = (PathBuf, PathBuf);

/// The certificates in use. A replacement applies from the next handshake.
#[derive(Debug)]
pub struct Certificates {
    files: Vec<CertificatePaths>,
    pairs: ArcSwap<Vec<Pair>>,
    /// Why the files were rejected at the last reload.
    refused: ArcSwapOption<String>,
}

/// A key with its chain, and the names in the certificate, in lower case.
#[derive(Debug)]
struct Pair {
    key: Arc<CertifiedKey>,
    names: Vec<String>,
    /// The validity period, if it can be read.
    valid: Option<(Timestamp, Timestamp)>,
}

impl Pair {
    fn is_valid(&self, now: Timestamp) -> bool {
        self.valid.is_none_or(|(from, until)| from <= now && now <= until)
    }
}

impl Certificates {
    /// Reads the pairs, in order of preference: the server presents the first one whose key the client can verify.
    ///
    /// # Errors
    /// Returns an error for the first file that cannot be used.
    pub fn load(files: Vec<CertificatePaths>) -> Result<Arc<Self>, CertificateError> {
        let pairs = ArcSwap::from_pointee(read_all(&files)?);
        Ok(Arc::new(Self { files, pairs, refused: ArcSwapOption::empty() }))
    }

    /// Reads the files again and returns whether they have changed. On an error, the current pairs stay in use.
    ///
    /// # Errors
    /// Returns an error for the first file that cannot be used. This includes a certificate that does not match its key
    /// (one may be written before the other) and an expired certificate that would replace a valid one.
    pub fn reload(&self, now: Timestamp) -> Result<bool, CertificateError> {
        let taken = self.take(now);
        self.refused.store(taken.as_ref().err().map(|error| Arc::new(error.to_string())));
        taken
    }

    /// Returns problems that prevent the certificates from being used, now or after the next start.
    #[must_use]
    pub fn remarks(&self, now: Timestamp) -> Vec<String> {
        let refused = self.refused.load().as_deref().map(|why| {
            format!("the files are not taken, the earlier certificates serve on until gangway is restarted: {why}")
        });
        let pairs = self.pairs.load();
        let over = pairs.iter().zip(&self.files).filter(|(pair, _)| !pair.is_valid(now)).map(|(pair, (chain, _))| {
            let (from, until) = pair.valid.unwrap_or((Timestamp::MIN, Timestamp::MAX));
            format!("{} is valid from {from:.0} to {until:.0} only: phones refuse it", chain.display())
        });
        refused.into_iter().chain(over).collect()
    }

    fn take(&self, now: Timestamp) -> Result<bool, CertificateError> {
        let pairs = read_all(&self.files)?;
        let old = self.pairs.load();
        let is_same = old.len() == pairs.len() && old.iter().zip(&pairs).all(|(old, new)| old.key.cert == new.key.cert);
        for ((old, new), (chain, _)) in old.iter().zip(&pairs).zip(&self.files) {
            if let Some((_, until)) = new.valid
                && until < now
                && old.is_valid(now)
            {
                return Err(CertificateError::Expired { path: chain.display().to_string(), until });
            }
        }
        if !is_same {
            self.pairs.store(Arc::new(pairs));
        }
        Ok(!is_same)
    }

    /// Returns the configuration for TLS 1.2 and 1.3 with these certificates, HTTP/1.1 by ALPN, and an optional client
    /// certificate. Sessions are resumed by tickets, which contain the client certificate in encrypted form, so that it
    /// is verified again each time.
    ///
    /// # Errors
    /// If the crypto provider rejects its own protocol versions or has no randomness. Either is a fault of the build or
    /// the machine.
    pub fn server_config(self: &Arc<Self>) -> Result<ServerConfig, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
        let mut config =
            builder.with_client_cert_verifier(AnyClientCert::new(&provider())).with_cert_resolver(self.clone());
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.ticketer = ticketer()?;
        // Phones fetch one file after the other: each connection needs one ticket and receives the next one.
        config.send_tls13_tickets = 1;
        Ok(config)
    }
}

impl ResolvesServerCert for Certificates {
    /// Selects the first pair the client can verify, preferring those with the requested name. For TLS 1.2, rustls has
    /// already reduced the signature schemes to those of the cipher suites. If no pair fits, selects the first one, so
    /// that the client's alert reports the reason.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let pairs = self.pairs.load();
        let fits = |pair: &&Pair| pair.key.key.choose_scheme(hello.signature_schemes()).is_some();
        let named = hello.server_name().map(str::to_ascii_lowercase);
        let is_named = |pair: &&Pair| {
            let host = named.as_deref().unwrap_or_default();
            pair.names.iter().any(|pattern| names::fits(pattern, host))
        };
        let fitting = pairs.iter().filter(fits).find(is_named).or_else(|| pairs.iter().find(fits));
        fitting.or_else(|| pairs.first()).map(|pair| Arc::clone(&pair.key))
    }
}

fn read_all(files: &[CertificatePaths]) -> Result<Vec<Pair>, CertificateError> {
    files.iter().map(|(chain, key)| read(chain, key)).collect()
}

fn read(chain: &Path, key: &Path) -> Result<Pair, CertificateError> {
    let of_chain = |reason: String| CertificateError::Chain { path: chain.display().to_string(), reason };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| of_chain(error.to_string()))?;
    if certificates.is_empty() {
        return Err(of_chain("it holds no certificate".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| CertificateError::Key { path: key.display().to_string(), reason: error.to_string() })?;
    let names = certificates.first().map(names::of).unwrap_or_default();
    let valid = certificates.first().and_then(validity);
    let key = CertifiedKey::from_der(certificates, private, &provider()).map_err(|error| CertificateError::Pair {
        certificate: chain.display().to_string(),
        key: key.display().to_string(),
        reason: error.to_string(),
    })?;
    Ok(Pair { key: Arc::new(key), names, valid })
}

fn validity(certificate: &CertificateDer<'_>) -> Option<(Timestamp, Timestamp)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let validity = parsed.validity();
    let at = |time: ASN1Time| Timestamp::from_second(time.timestamp()).ok();
    Some((at(validity.not_before)?, at(validity.not_after)?))
}
