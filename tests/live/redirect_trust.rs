//! Tests that a redirect service with a private certificate is called only if `[[net.trust]]` lists its CA or its key.
//! Otherwise the gateway sends nothing to it.

use std::{fs, net::SocketAddr, sync::Arc};

use gangway::{
    net::tls::{Pin, provider},
    phone::facet::RedirectState,
};
use gangway_sim::simulation::Simulation;
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::{
    bench::{Bench, simulation},
    gateway::Gateway,
    in_background, mac,
    options::Options,
};

/// A private CA and the certificate it issued for 127.0.0.1.
struct Private {
    ca: String,
    pin: Pin,
    config: Arc<ServerConfig>,
}

fn private() -> Private {
    let mut ca = rcgen::CertificateParams::new(vec![]).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let pem = ca.self_signed(&ca_key).unwrap().pem();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &rcgen::Issuer::new(ca, ca_key)).unwrap();
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    Private { ca: pem, pin: Pin::of(certificate.der()).unwrap(), config: Arc::new(config) }
}

/// A TLS proxy in front of a service without TLS.
async fn front(private: &Private, behind: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::clone(&private.config));
    in_background(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            in_background(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut there = TcpStream::connect(behind).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut there).await;
            });
        }
    });
    address
}

fn behind(simulation: &Simulation) -> SocketAddr {
    let url: url::Url = simulation.rps.xmlrpc_url().parse().unwrap();
    url.socket_addrs(|| None).unwrap()[0]
}

#[actix_rt::test]
async fn a_private_service_is_called_with_its_ca_or_its_key_only() {
    let (private, here) = (private(), tempfile::tempdir().unwrap());
    let (ca, other) = (here.path().join("ca.pem"), here.path().join("other.pem"));
    fs::write(&ca, &private.ca).unwrap();
    fs::write(&other, self::private().ca).unwrap();
    let ca_of = |host: &str, file: &std::path::Path| format!("[[net.trust]]\nhost = \"{host}\"\nca = {file:?}\n");
    let pin_of = |pin: &str| format!("[[net.trust]]\nhost = \"127.0.0.1\"\npin = \"{pin}\"\n");
    let wrong = format!("sha256:{}", "ab".repeat(32));
    for (trust, refused) in [
        (ca_of("127.0.0.1", &ca), None),
        (pin_of(&private.pin.to_string()), None),
        (String::new(), Some("not trusted")),
        (ca_of("127.0.0.1", &other), Some("not trusted")),
        (ca_of("dm.example.com", &ca), Some("not trusted")),
        (pin_of(&wrong), Some("not the pinned one")),
    ] {
        let simulation = simulation().start().await.unwrap();
        let at = front(&private, behind(&simulation)).await;
        let mut options = Options { sections: trust.clone(), ..Options::default() }.redirecting(&simulation);
        for (_, value) in options.settings.iter_mut().filter(|(name, _)| name == "redirect.yealink.url") {
            *value = format!("https://{at}/xmlrpc");
        }
        let gateway = Gateway::start_with(options).await;
        simulation.connect_gateway(&gateway.base());
        simulation.wait_gateway().await.unwrap();
        let bench = Bench { gateway, simulation };

        bench.provision(mac(1), "user1").await;

        let Some(word) = refused else {
            bench.records().wait_redirect(mac(1), RedirectState::Redirected).await;
            assert!(bench.simulation.rps.target(mac(1)).is_some());
            continue;
        };
        let record = bench.records().wait_phone(mac(1), "an error", |phone| phone.redirect.error.is_some()).await;
        let error_text = record.redirect.error.as_deref().unwrap();
        for part in [word, &private.pin.to_string(), "[[net.trust]]"] {
            assert!(error_text.contains(part), "{trust}: {part} is not in: {error_text}");
        }
        assert_eq!(bench.simulation.rps.board().read(|state| state.calls.len()), 0, "{trust}: something was sent");
    }
}
