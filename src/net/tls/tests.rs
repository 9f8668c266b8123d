use std::io::Write as _;

use rcgen::{CertifiedKey, PublicKeyData as _, generate_simple_self_signed};
use rustls::{ClientConnection, ServerConfig, ServerConnection};

use super::*;
use crate::base::config::PeerTrust;

fn certificate(name: &str) -> CertifiedKey<rcgen::KeyPair> {
    generate_simple_self_signed(vec![name.to_owned()]).unwrap()
}

/// Performs a handshake in memory. Returns the client's error if it fails.
fn handshake(config: ClientConfig, server: &CertifiedKey<rcgen::KeyPair>, name: &str) -> Result<(), rustls::Error> {
    let key = rustls::pki_types::PrivateKeyDer::try_from(server.signing_key.serialize_der()).unwrap();
    let server_config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![server.cert.der().clone()], key)
        .unwrap();
    let mut client = ClientConnection::new(Arc::new(config), ServerName::try_from(name.to_owned()).unwrap()).unwrap();
    let mut server = ServerConnection::new(Arc::new(server_config)).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut &wire[..]).unwrap();
        server.process_new_packets().ok();
        wire.clear();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut &wire[..]).unwrap();
        client.process_new_packets()?;
    }
    Ok(())
}

#[test]
fn an_unknown_issuer_is_refused_and_the_error_names_the_pin_that_would_trust_it() {
    let server = certificate("ap.example.com");
    let error = handshake(client_config(None, None).unwrap(), &server, "ap.example.com").unwrap_err();
    let pin = Pin::of(server.cert.der()).unwrap();
    assert!(reason(&error).contains(&pin.to_string()), "{}", reason(&error));
    assert!(remedy(&error).contains("devices_pin"));
    handshake(client_config(None, Some(&pin.to_string())).unwrap(), &server, "ap.example.com").unwrap();
}

#[test]
fn a_pin_is_the_digest_of_the_public_key_info_and_trusts_only_that_key_under_any_name() {
    let server = certificate("whatever");
    let digest: [u8; 32] = Sha256::digest(server.signing_key.subject_public_key_info()).into();
    let pin = Pin(digest);
    assert_eq!(Pin::of(server.cert.der()), Some(pin));
    handshake(client_config(None, Some(&pin.to_string())).unwrap(), &server, "10.0.0.1").unwrap();
    let other = certificate("whatever");
    let error = handshake(client_config(None, Some(&pin.to_string())).unwrap(), &other, "whatever").unwrap_err();
    assert!(reason(&error).contains("not the pinned one"), "{}", reason(&error));
}

#[test]
fn a_pinned_certificate_without_its_key_does_not_pass() {
    // The certificate is public, but a server that only copied it cannot sign the handshake.
    let real = certificate("ap.example.com");
    let thief = CertifiedKey { cert: real.cert.clone(), signing_key: rcgen::KeyPair::generate().unwrap() };
    let key = rustls::pki_types::PrivateKeyDer::try_from(thief.signing_key.serialize_der()).unwrap();
    let provider = provider();
    let signing = provider.key_provider.load_private_key(key).unwrap();
    #[derive(Debug)]
    struct Fixed(Arc<rustls::sign::CertifiedKey>);
    impl rustls::server::ResolvesServerCert for Fixed {
        fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
    }
    let chain = Arc::new(rustls::sign::CertifiedKey::new(vec![thief.cert.der().clone()], signing));
    let server_config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Fixed(chain)));
    let pin = Pin::of(real.cert.der()).unwrap().to_string();
    let config = client_config(None, Some(&pin)).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), "ap.example.com".try_into().unwrap()).unwrap();
    let mut server = ServerConnection::new(Arc::new(server_config)).unwrap();
    let mut wire = Vec::new();
    client.write_tls(&mut wire).unwrap();
    server.read_tls(&mut &wire[..]).unwrap();
    server.process_new_packets().unwrap();
    wire.clear();
    server.write_tls(&mut wire).unwrap();
    client.read_tls(&mut &wire[..]).unwrap();
    let error = client.process_new_packets().unwrap_err();
    assert_eq!(error, rustls::Error::InvalidCertificate(CertificateError::BadSignature));
}

#[test]
fn an_extra_ca_is_trusted_and_the_name_is_checked() {
    let (file, server) = issued(2020, 2100);
    handshake(client_config(Some(file.path()), None).unwrap(), &server, "ap.example.com").unwrap();
    handshake(client_config(Some(file.path()), None).unwrap(), &server, "other.example.com").unwrap_err();
}

/// A CA file, and a certificate that it issued for `ap.example.com`, valid between two years.
fn issued(from: i32, until: i32) -> (tempfile::NamedTempFile, CertifiedKey<rcgen::KeyPair>) {
    let mut params = rcgen::CertificateParams::new(vec!["ap.example.com".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    let mut ca = rcgen::CertificateParams::new(vec![]).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let ca_cert = ca.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let signing_key = rcgen::KeyPair::generate().unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(ca_cert.pem().as_bytes()).unwrap();
    (file, CertifiedKey { cert: params.signed_by(&signing_key, &issuer).unwrap(), signing_key })
}

/// Only the configured trust applies: tests every wrong certificate against every kind of trust.
#[test]
fn wrong_name_expired_not_yet_valid_self_signed_and_wrong_pin_are_refused() {
    let (ca, good) = issued(2020, 2100);
    let name = "ap.example.com";
    handshake(client_config(Some(ca.path()), None).unwrap(), &good, name).unwrap();
    let (other_ca, _) = issued(2020, 2100);
    let wrong_pin = Pin([7; 32]).to_string();
    let refused = |config: ClientConfig, server: &CertifiedKey<rcgen::KeyPair>, name: &str, word: &str| {
        let error = handshake(config, server, name).unwrap_err();
        let error_text = reason(&error).to_lowercase();
        assert!(error_text.contains(word), "{word}: {error_text}");
        assert!(remedy(&error).contains("devices_ca"), "{}", remedy(&error));
    };
    refused(client_config(Some(ca.path()), None).unwrap(), &good, "other.example.com", "name");
    refused(
        client_config(Some(ca.path()), Some(&wrong_pin)).unwrap(),
        &good,
        "other.example.com",
        "not the pinned one",
    );
    refused(client_config(Some(other_ca.path()), None).unwrap(), &good, name, "not trusted");
    refused(client_config(None, None).unwrap(), &good, name, "not trusted");
    let (ca, expired) = issued(2019, 2020);
    refused(client_config(Some(ca.path()), None).unwrap(), &expired, name, "expired");
    let (ca, later) = issued(2098, 2100);
    refused(client_config(Some(ca.path()), None).unwrap(), &later, name, "not valid");
    let own = certificate(name);
    refused(client_config(None, None).unwrap(), &own, name, "not trusted");
    refused(client_config(None, Some(&wrong_pin)).unwrap(), &own, name, "not the pinned one");
    let pin = Pin::of(own.cert.der()).unwrap().to_string();
    handshake(client_config(None, Some(&pin)).unwrap(), &own, name).unwrap();
    // A pin applies to one key only.
    refused(client_config(None, Some(&pin)).unwrap(), &certificate(name), name, "not the pinned one");
}

#[test]
fn what_one_host_is_trusted_with_opens_no_other() {
    let (ca, good) = issued(2020, 2100);
    let own = certificate("pinned.example.com");
    let peers = [
        PeerTrust { host: "AP.example.com.".into(), ca: ca.path().into(), pin: String::new() },
        PeerTrust { host: "[::1]".into(), pin: Pin::of(own.cert.der()).unwrap().to_string(), ..PeerTrust::default() },
        PeerTrust { host: "both.example.com".into(), ca: ca.path().into(), pin: Pin([7; 32]).to_string() },
    ];
    let ask = |server: &CertifiedKey<rcgen::KeyPair>, name: &str| {
        handshake(client_config_for(&peers).unwrap(), server, name).map_err(|error| reason(&error))
    };
    assert_eq!(ask(&good, "ap.example.com"), Ok(()));
    assert_eq!(ask(&own, "::1"), Ok(()), "a pinned key needs no name");
    for (server, name, word) in [
        (&good, "other.example.com", "not trusted"),
        (&good, "::1", "not the pinned one"),
        (&good, "both.example.com", "not the pinned one"),
        (&own, "ap.example.com", "not trusted"),
        (&own, "pinned.example.com", "not trusted"),
    ] {
        let error_text = ask(server, name).unwrap_err();
        assert!(error_text.contains(word) && error_text.contains("sha256:"), "{name}: {error_text}");
    }
    let nowhere = PeerTrust { host: "a".into(), ca: "/nowhere.pem".into(), pin: String::new() };
    assert!(client_config_for(&[nowhere]).unwrap_err().to_string().contains("/nowhere.pem"));
}

#[test]
fn what_cannot_be_a_ca_or_a_pin_is_refused_with_what_to_do() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = client_config(Some(file.path()), None).unwrap_err().to_string();
    assert!(error.contains("PEM"), "{error}");
    let error = client_config(Some(Path::new("/nowhere.pem")), None).unwrap_err().to_string();
    assert!(error.contains("/nowhere.pem"), "{error}");
    for pin in ["sha1:abcd", "sha256:", "sha256:abcd", "sha256", "é", "sha256:zz", "sha256é"] {
        let error = client_config(None, Some(pin)).unwrap_err().to_string();
        assert!(error.contains(pin), "{error}");
    }
}

#[test]
fn every_usual_spelling_of_a_pin_is_read() {
    let pin = Pin([7; 32]);
    let hex = "07".repeat(32);
    let colons = ["07"; 32].join(":");
    let text = pin.to_string();
    for spelling in [text.clone(), format!("sha256:{hex}"), format!("SHA256:{colons}"), text.replace("256:", "256//")] {
        assert_eq!(spelling.parse::<Pin>().unwrap(), pin, "{spelling}");
    }
}

#[test]
fn only_http_1_is_offered() {
    assert_eq!(client_config(None, None).unwrap().alpn_protocols, vec![b"http/1.1".to_vec()]);
}

proptest::proptest! {
    #[test]
    fn no_pin_text_panics(text in ".{0,80}") {
        let _ = text.parse::<Pin>();
        let _ = format!("sha256:{text}").parse::<Pin>();
    }
}
