//! TLS trust for outgoing connections: the system's roots, an additional CA, or exactly one public key (an App Platform
//! has a self-signed certificate). The signature of the handshake is verified in every case.

pub mod names;
mod per_host_trust;
pub mod server_probe;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use base64::Engine as _;
use data_encoding::HEXLOWER_PERMISSIVE;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    server::{ParsedCertificate, ProducesTickets},
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub use self::per_host_trust::client_config_for;

/// Why outgoing TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read or is not PEM.
    #[error("cannot read the CA certificates in {}: {reason}; give a PEM file with one or more certificates", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The file contains no certificates.
    #[error("{} holds no CA certificate: give a PEM file with one or more certificates", path.display())]
    NoCa {
        /// The file.
        path: PathBuf,
    },
    /// The pin cannot be parsed.
    #[error(
        "'{0}' is no public-key pin: write sha256: and then the SHA-256 of the certificate's public key (SubjectPublicKeyInfo) \
         in base64 or hex, as the error of a refused connection names it"
    )]
    Pin(String),
    /// The crypto provider rejects its own protocol versions.
    #[error("cannot set up TLS: {0}; this is a fault of the build")]
    Setup(rustls::Error),
}

/// The crypto provider for all TLS in the process. Measured per full handshake on the server side: aws-lc needs half
/// the time of *ring* with an RSA key and two thirds with P-256.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    Arc::clone(&PROVIDER)
}

/// Makes [`provider`] the default of the process. Call it at startup; further calls do nothing. With two providers in
/// the dependency tree, every default builder would otherwise panic.
pub fn install_provider() {
    // The error only means that one is already installed.
    let _ = CryptoProvider::install_default((*provider()).clone());
}

/// Encrypts the tickets of resumed sessions with keys of this process, which are rotated automatically.
///
/// # Errors
/// If the system provides no random numbers.
pub fn ticketer() -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
    aws_lc_rs::Ticketer::new()
}

/// The SHA-256 of a SubjectPublicKeyInfo (the pin of RFC 7469).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin([u8; 32]);

impl Pin {
    /// Returns the pin of the key in a DER certificate, or `None` if it cannot be parsed.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = ParsedCertificate::try_from(certificate).ok()?;
        Some(Self(Sha256::digest(parsed.subject_public_key_info().as_ref()).into()))
    }
}

impl std::str::FromStr for Pin {
    type Err = TlsError;

    /// Parses `sha256:` (or `sha256/`, `sha256//` as other programs print it) with base64 or hex; colons between hex
    /// digits are allowed.
    fn from_str(text: &str) -> Result<Self, TlsError> {
        let refused = || TlsError::Pin(text.to_owned());
        let value = text.trim();
        let (name, value) = value.split_at_checked(6).ok_or_else(refused)?;
        if !name.eq_ignore_ascii_case("sha256") {
            return Err(refused());
        }
        let value = value.strip_prefix("//").or_else(|| value.strip_prefix([':', '/'])).ok_or_else(refused)?.trim();
        let hex: String = value.chars().filter(|c| *c != ':').collect();
        let bytes = match HEXLOWER_PERMISSIVE.decode(hex.as_bytes()) {
            Ok(bytes) if bytes.len() == 32 => bytes,
            _ => base64::engine::general_purpose::STANDARD_NO_PAD
                .decode(value.trim_end_matches('='))
                .or_else(|_| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(value.trim_end_matches('=')))
                .ok()
                .ok_or_else(refused)?,
        };
        <[u8; 32]>::try_from(bytes).ok().map(Self).ok_or_else(refused)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", base64::engine::general_purpose::STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Returns the configuration for outgoing TLS 1.2 and 1.3. `extra_ca` (a PEM file) is trusted in addition to the
/// system's roots. `pin` trusts a certificate with exactly this key, regardless of its issuer and name; other
/// certificates still need a trusted issuer. ALPN offers only HTTP/1.1, because the websocket upgrade fails with h2.
pub fn client_config(extra_ca: Option<&Path>, pin: Option<&str>) -> Result<ClientConfig, TlsError> {
    configured(Arc::new(Trust::new(extra_ca, pin)?))
}

fn configured(verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig, TlsError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn roots(extra_ca: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "some of the system's CA certificates cannot be read");
    }
    // Ignore invalid entries, which are common in a system's store.
    let _ = roots.add_parsable_certificates(native.certs);
    if let Some(path) = extra_ca.filter(|path| !path.as_os_str().is_empty()) {
        let unreadable = |reason: String| TlsError::CaFile { path: path.to_owned(), reason };
        let mut found = false;
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))? {
            let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
            found = true;
        }
        if !found {
            return Err(TlsError::NoCa { path: path.to_owned() });
        }
    }
    Ok(roots)
}

/// The verifier: accepts the pinned key, or else a trusted issuer.
#[derive(Debug)]
struct Trust {
    issuers: Option<Arc<WebPkiServerVerifier>>,
    pin: Option<Pin>,
    provider: Arc<CryptoProvider>,
}

impl Trust {
    fn new(extra_ca: Option<&Path>, pin: Option<&str>) -> Result<Self, TlsError> {
        let provider = provider();
        let pin = pin.map(str::trim).filter(|pin| !pin.is_empty()).map(str::parse::<Pin>).transpose()?;
        let roots = Arc::new(roots(extra_ca)?);
        // A container may have no roots. Then only the pin can establish trust.
        let issuers = (!roots.is_empty())
            .then(|| WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build())
            .transpose()
            .map_err(|error| TlsError::Setup(rustls::Error::General(error.to_string())))?;
        Ok(Self { issuers, pin, provider })
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let key = Pin::of(end_entity);
        if let (Some(pin), Some(key)) = (self.pin, key)
            && bool::from(pin.0.ct_eq(&key.0))
        {
            return Ok(ServerCertVerified::assertion());
        }
        let refused = match &self.issuers {
            Some(issuers) => {
                match issuers.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
                    Ok(verified) => return Ok(verified),
                    Err(error) => error.to_string(),
                }
            }
            None => "this system has no CA certificates".to_owned(),
        };
        let untrusted = Untrusted { refused, key, pinned: self.pin.is_some() };
        Err(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(untrusted)))))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Why a certificate is not trusted, with the pin that would trust it.
#[derive(Debug)]
struct Untrusted {
    refused: String,
    key: Option<Pin>,
    pinned: bool,
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its certificate is not trusted ({})", self.refused)?;
        if self.pinned {
            f.write_str(", and its key is not the pinned one")?;
        }
        match self.key {
            Some(key) => write!(f, "; the key it showed is {key}"),
            None => f.write_str("; it cannot be parsed"),
        }
    }
}

impl std::error::Error for Untrusted {}

/// Returns the reason of a handshake error, for administrators.
#[must_use]
pub fn reason(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => inner.to_string(),
        other => other.to_string(),
    }
}

/// Returns the solution for a handshake error.
#[must_use]
pub fn remedy(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(_) => {
            "install a certificate of a known CA there, or trust its CA with devices_ca, or (after comparing the key \
             with the one there) trust exactly this key with devices_pin"
        }
        rustls::Error::PeerIncompatible(_) | rustls::Error::AlertReceived(_) => {
            "it must allow TLS 1.2 or 1.3 with ECDHE and AES-GCM or ChaCha20, and no client certificate"
        }
        _ => "is this port the TLS port?",
    }
}

#[cfg(test)]
mod tests;
