//! TLS trust per host: the `[[net.trust]]` entry of a host, or the system's roots for all others.

use std::{collections::HashMap, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use super::{TlsError, Trust, configured};
use crate::base::config::{PeerTrust, host_name};

/// Returns the configuration for outgoing TLS to many hosts. A CA or pin for one host applies only to that host.
///
/// # Errors
/// If a CA file or pin cannot be used; the message names it.
pub fn client_config_for(peers: &[PeerTrust]) -> Result<ClientConfig, TlsError> {
    let usual = Trust::new(None, None)?;
    let mut own = HashMap::new();
    for peer in peers {
        own.insert(bare(&peer.host), Trust::new(Some(peer.ca.as_path()), Some(&peer.pin))?);
    }
    configured(Arc::new(PerHost { usual, own }))
}

/// Normalises a host for comparison: IPv6 addresses without brackets.
fn bare(host: &str) -> String {
    host_name(host.trim().trim_matches(['[', ']']))
}

#[derive(Debug)]
struct PerHost {
    usual: Trust,
    own: HashMap<String, Trust>,
}

impl PerHost {
    fn of(&self, name: &ServerName<'_>) -> &Trust {
        self.own.get(&bare(&name.to_str())).unwrap_or(&self.usual)
    }
}

impl ServerCertVerifier for PerHost {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.of(server_name).verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}
