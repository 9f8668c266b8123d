//! Asks a TLS server whether it requests a client certificate, and from which CAs. A phone gets the same request at the
//! SIP port of a PBX or reverse proxy. Nothing is sent after the handshake, so the server need not be authenticated.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        ResolvesClientCert,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::CertifiedKey,
};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use x509_parser::{prelude::FromDer as _, x509::X509Name};

use super::provider;
use crate::net::egress_policy::EgressPolicy;

/// What a server requests from its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateRequest {
    /// No certificate.
    Nothing,
    /// A certificate from one of these CAs, by common name (or the complete name if there is none). Empty means any CA.
    Certificate(Vec<String>),
}

impl CertificateRequest {
    /// Whether the request accepts a phone with a certificate from one of `issuers`. Also true if the issuers of the
    /// vendor's certificates are unknown.
    #[must_use]
    pub fn accepts(&self, issuers: &[String]) -> bool {
        match self {
            Self::Nothing => true,
            Self::Certificate(named) => {
                named.is_empty() || issuers.is_empty() || issuers.iter().any(|issuer| named.contains(issuer))
            }
        }
    }
}

/// Why a server could not be probed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The connection failed.
    #[error("cannot connect to {address}: {source}; is the SIP/TLS port open for phones?")]
    Connect {
        /// `host:port`.
        address: String,
        /// The error from the operating system.
        source: std::io::Error,
    },
    /// The connection was accepted, but the handshake failed.
    #[error("{address} takes connections, but no TLS handshake: {reason}")]
    Handshake {
        /// `host:port`.
        address: String,
        /// The reason.
        reason: String,
    },
}

/// Probes the server at `host` and `port`, if `reach` allows it. `patience` is the limit for the whole probe.
///
/// # Errors
/// If the server does not answer, or not with TLS 1.2 or 1.3.
pub async fn ask(
    host: &str,
    port: u16,
    reach: &EgressPolicy,
    time_limit: Duration,
) -> Result<CertificateRequest, ProbeError> {
    let address = match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    };
    let resolver = Arc::new(CertificateRequestProbe::default());
    let handshake = |reason: String| ProbeError::Handshake { address: address.clone(), reason };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| handshake(error.to_string()))?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| handshake(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAnyServer::new()))
        .with_client_cert_resolver(Arc::clone(&resolver) as Arc<dyn ResolvesClientCert>);
    let connecting = async {
        let connect = |source| ProbeError::Connect { address: address.clone(), source };
        let stream = reached(host, port, reach).await.map_err(connect)?;
        let shaken = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        // A server that requires a certificate aborts the handshake, but its request has been received by then.
        match (resolver.wanted(), shaken) {
            (Some(wanted), _) => Ok(wanted),
            (None, Ok(_)) => Ok(CertificateRequest::Nothing),
            (None, Err(error)) => Err(handshake(error.to_string())),
        }
    };
    match tokio::time::timeout(time_limit, connecting).await {
        Ok(result) => result,
        Err(_) => Err(handshake(format!("no answer within {} s", time_limit.as_secs()))),
    }
}

/// Connects to the first allowed address of the name that answers.
async fn reached(host: &str, port: u16, reach: &EgressPolicy) -> io::Result<TcpStream> {
    reach.host(host).map_err(io::Error::other)?;
    let mut last = io::Error::other("the name has no address");
    for address in lookup_host((host, port)).await? {
        let allowed = reach.address(host, address.ip()).map_err(io::Error::other);
        let connected = match allowed {
            Ok(()) => TcpStream::connect(address).await,
            Err(forbidden) => Err(forbidden),
        };
        match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Records the server's certificate request and presents no certificate.
#[derive(Debug, Default)]
struct CertificateRequestProbe(Mutex<Option<Vec<String>>>);

impl CertificateRequestProbe {
    fn wanted(&self) -> Option<CertificateRequest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().map(CertificateRequest::Certificate)
    }
}

impl ResolvesClientCert for CertificateRequestProbe {
    fn resolve(&self, issuers: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let names = issuers.iter().filter_map(|der| readable(der)).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(names);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Returns the common name of a distinguished name, or else the complete name.
fn readable(der: &[u8]) -> Option<String> {
    let (_, name) = X509Name::from_der(der).ok()?;
    let common = name.iter_common_name().next().and_then(|part| part.as_str().ok());
    Some(common.map_or_else(|| name.to_string(), str::to_owned))
}

/// Accepts any server that proves possession of its certificate's key. Use it only for probes whose results are neither
/// secret nor acted on.
#[derive(Debug)]
pub struct AcceptAnyServer(WebPkiSupportedAlgorithms);

impl AcceptAnyServer {
    /// Creates a verifier for a connection on which no data is sent.
    #[must_use]
    pub fn new() -> Self {
        Self(provider().signature_verification_algorithms)
    }
}

impl Default for AcceptAnyServer {
    fn default() -> Self {
        Self::new()
    }
}

impl ServerCertVerifier for AcceptAnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader},
        path::Path,
        process::{Child, Command, Stdio},
    };

    use super::*;

    /// `openssl s_server` as a SIP/TLS port.
    struct SipPort {
        child: Child,
        port: u16,
    }

    impl Drop for SipPort {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    impl SipPort {
        fn open(dir: &Path, options: &[&str]) -> Self {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
            std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
            let mut child = Command::new("openssl")
                .current_dir(dir)
                .args(["s_server", "-accept", "127.0.0.1:0", "-cert", "cert.pem", "-key", "key.pem", "-naccept", "1"])
                .args(options)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("openssl is installed");
            // "ACCEPT 127.0.0.1:port"
            let port = BufReader::new(child.stdout.take().unwrap())
                .lines()
                .map_while(Result::ok)
                .find_map(|line| line.strip_prefix("ACCEPT ")?.rsplit(':').next()?.parse().ok());
            Self { port: port.expect("openssl says where it listens"), child }
        }
    }

    fn ca(dir: &Path, name: &str) {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "Phones");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = rcgen::KeyPair::generate().unwrap();
        std::fs::write(dir.join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    }

    #[actix_web::test]
    async fn a_server_says_whether_it_wants_a_certificate_and_of_whom() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        ca(dir, "Equipment Issuing CA");
        let wants = CertificateRequest::Certificate(vec!["Equipment Issuing CA".to_owned()]);
        let named = ["-CAfile", "ca.pem", "-client_sigalgs", "RSA+SHA256:ECDSA+SHA256"];
        for version in ["-tls1_2", "-tls1_3"] {
            for (options, expected) in [
                (vec![], CertificateRequest::Nothing),
                (vec!["-verify", "1"], CertificateRequest::Certificate(Vec::new())),
                ([&["-verify", "1"], &named[..]].concat(), wants.clone()),
                ([&["-Verify", "1"], &named[..]].concat(), wants.clone()),
            ] {
                let server = SipPort::open(dir, &[&options[..], &[version]].concat());
                let result =
                    ask("127.0.0.1", server.port, &EgressPolicy::everywhere(), Duration::from_secs(20)).await.unwrap();
                assert_eq!(result, expected, "{version} {options:?}");
            }
        }
    }

    #[actix_web::test]
    async fn a_peer_that_does_not_answer_is_reported() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let silent = ask("127.0.0.1", port, &EgressPolicy::everywhere(), Duration::from_millis(50))
            .await
            .unwrap_err()
            .to_string();
        assert!(silent.contains("no TLS handshake"), "{silent}");
        drop(listener);
        let closed =
            ask("127.0.0.1", port, &EgressPolicy::everywhere(), Duration::from_secs(5)).await.unwrap_err().to_string();
        assert!(closed.contains("cannot connect to 127.0.0.1"), "{closed}");
    }

    #[test]
    fn a_phone_is_accepted_if_one_of_its_issuers_is_named_or_none_is() {
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let yealink = of(&["Yealink Equipment Issuing CA", "Yealink Root CA"]);
        assert!(CertificateRequest::Nothing.accepts(&yealink));
        assert!(CertificateRequest::Certificate(Vec::new()).accepts(&yealink));
        assert!(CertificateRequest::Certificate(of(&["x", "Yealink Root CA"])).accepts(&yealink));
        assert!(!CertificateRequest::Certificate(of(&["innovaphone Device CA"])).accepts(&yealink));
        assert!(CertificateRequest::Certificate(of(&["innovaphone Device CA"])).accepts(&[]), "who knows");
    }
}
