//! Client certificates in the handshake: asked for, never demanded. Whoever shows one must prove to own it; whether it is
//! worth anything is judged afterwards ([`super::client_ca_store`]), so that a phone with an odd certificate is still answered, by
//! the weaker rules.

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

/// RSA keys below have been broken or will be; the library verifies nothing with them.
const SHORTEST_RSA: usize = 2048;

/// Asks, and has possession proved.
#[derive(Debug)]
pub struct AnyClientCert(WebPkiSupportedAlgorithms);

impl AnyClientCert {
    /// With the signature algorithms of `provider`.
    #[must_use]
    pub fn new(provider: &CryptoProvider) -> Arc<Self> {
        Arc::new(Self(provider.signature_verification_algorithms))
    }
}

/// Whether a certificate can prove nothing, whoever issued it: of version 1, unreadable, or with a key too short. The
/// signature with such a key is not looked at in the handshake, so nothing may ever be believed of it.
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

/// A worthless certificate passes unproved.
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

    /// No names: a phone would keep back a certificate of an issuer that is not among them.
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
