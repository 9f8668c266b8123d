//! Requests a client certificate in the handshake without requiring one. A client that presents a certificate must
//! prove possession of its key. The certificate itself is verified after the handshake ([`super::client_ca_store`]), so
//! that a phone with an unusual certificate is still served, under the weaker rules.

use std::sync::Arc;

use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::{
        ParsedCertificate,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use x509_parser::{
    prelude::{FromDer as _, X509Certificate},
    public_key::PublicKey,
};

/// Minimum RSA key size in bits. Shorter keys are insecure, and webpki does not verify signatures made with them.
const SHORTEST_RSA: usize = 2048;

/// Requests a client certificate and verifies possession of its key.
#[derive(Debug)]
pub struct AnyClientCert(WebPkiSupportedAlgorithms);

impl AnyClientCert {
    /// Uses the signature algorithms of `provider`.
    #[must_use]
    pub fn new(provider: &CryptoProvider) -> Arc<Self> {
        Arc::new(Self(provider.signature_verification_algorithms))
    }
}

/// Whether a certificate proves nothing regardless of its issuer: version 1, unreadable, or with a key that is too
/// short. The handshake does not verify signatures with such a key, so the certificate must never be trusted.
#[must_use]
pub fn is_worthless(certificate: &CertificateDer<'_>) -> bool {
    if ParsedCertificate::try_from(certificate).is_err() {
        return true;
    }
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return true };
    match parsed.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => key.key_size() < SHORTEST_RSA,
        Ok(_) => false,
        Err(_) => true,
    }
}

/// Accepts the signature of a worthless certificate without verification.
fn accept_untrusted(
    certificate: &CertificateDer<'_>,
    verified: Result<HandshakeSignatureValid, Error>,
) -> Result<HandshakeSignatureValid, Error> {
    match verified {
        Err(_) if is_worthless(certificate) => Ok(HandshakeSignatureValid::assertion()),
        verified => verified,
    }
}

impl ClientCertVerifier for AnyClientCert {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// Empty: a phone would not send a certificate whose issuer is missing from the list.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        accept_untrusted(certificate, verify_tls12_signature(message, certificate, signed, &self.0))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        accept_untrusted(certificate, verify_tls13_signature(message, certificate, signed, &self.0))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
