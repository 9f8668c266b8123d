//! Determines the client certificate of a request: the one from the TLS connection, or the subject passed by a trusted
//! proxy that terminates TLS. The proxy's header is ignored if any other peer sent it.

use std::{borrow::Cow, net::IpAddr};

use actix_web::{HttpRequest, http::header::HeaderName};
use ipnet::IpNet;

use crate::http::server::{client_ca_store::ClientCertificate, connections::certificate};

/// Returns the certificate of a request. `header` is the one in which a proxy in `trusted` passes the subject it has
/// verified. The proxy is responsible for checking the issuer, so such a certificate is valid for a phone of `vendor`.
#[must_use]
pub fn shown<'a>(
    request: &'a HttpRequest,
    peer: IpAddr,
    header: Option<&HeaderName>,
    trusted: &[IpNet],
    vendor: Option<&str>,
) -> Cow<'a, ClientCertificate> {
    let Some(header) = header else { return Cow::Borrowed(certificate(request)) };
    let peer = peer.to_canonical();
    if !trusted.iter().any(|net| net.contains(&peer)) {
        return Cow::Borrowed(certificate(request));
    }
    let mut lines = request.headers().get_all(header);
    // With two header lines, the client may have written one of them.
    match (lines.next().and_then(|value| value.to_str().ok()), lines.next()) {
        (Some(subject), None) => Cow::Owned(of_subject(subject, vendor)),
        _ => Cow::Owned(ClientCertificate::None),
    }
}

/// Parses a distinguished name (RFC 4514, or with slashes as old proxies write it) or a bare common name.
fn of_subject(subject: &str, vendor: Option<&str>) -> ClientCertificate {
    let subject = subject.trim();
    let mut names = subject.split([',', '/', '+']).filter_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case("CN").then(|| value.trim())
    });
    let name = match (names.next(), names.next()) {
        (Some(name), None) => name,
        (None, _) if !subject.contains('=') => subject,
        // With two common names, one may be part of a value that quotes or escapes the comma before it.
        _ => return ClientCertificate::NoMac { name: subject.to_owned() },
    };
    // If the client presented no certificate, nginx sends an empty value and other proxies a dash.
    if matches!(name, "" | "-" | "(null)") {
        return ClientCertificate::None;
    }
    match name.parse() {
        Ok(mac) => ClientCertificate::Trusted { mac, vendor: vendor.unwrap_or_default().into() },
        Err(_) => ClientCertificate::NoMac { name: name.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const HEADER: &str = "x-ssl-client-s-dn";

    fn told(peer: &str, lines: &[&str]) -> ClientCertificate {
        let mut request = TestRequest::default();
        for line in lines {
            request = request.append_header((HEADER, *line));
        }
        let (request, header) = (request.to_http_request(), HeaderName::from_static(HEADER));
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        shown(&request, peer.parse().unwrap(), Some(&header), &trusted, Some("yealink")).into_owned()
    }

    #[test]
    fn a_trusted_proxy_passes_the_subject_it_verified() {
        let phone = ClientCertificate::Trusted { mac: "805ec0123456".parse().unwrap(), vendor: "yealink".into() };
        for subject in [
            "CN=805ec0123456,OU=Phones,O=Yealink,C=CN",
            "/C=CN/O=Yealink/CN=80:5E:C0:12:34:56",
            "805ec0123456",
            "C=CN, cn = 80-5e-c0-12-34-56",
        ] {
            assert_eq!(told("10.1.2.3", &[subject]), phone, "{subject}");
            assert_eq!(told("::ffff:10.1.2.3", &[subject]), phone, "{subject}");
        }
        for nothing in ["", "-", "CN="] {
            assert_eq!(told("10.1.2.3", &[nothing]), ClientCertificate::None, "{nothing}");
        }
        assert_eq!(told("10.1.2.3", &["CN=generic"]), ClientCertificate::NoMac { name: "generic".to_owned() });
        assert!(matches!(told("10.1.2.3", &["O=805ec0123456"]), ClientCertificate::NoMac { .. }));
        for hidden in [
            "O=x\\,CN=805ec0123456,CN=805ec0999999",
            "O=\"x, CN=805ec0123456\",CN=805ec0999999",
            "/O=x/CN=805ec0123456/CN=805ec0999999",
            "CN=805ec0123456+CN=805ec0999999",
        ] {
            assert!(matches!(told("10.1.2.3", &[hidden]), ClientCertificate::NoMac { .. }), "{hidden}");
        }
    }

    #[test]
    fn nobody_else_does_and_two_lines_say_nothing() {
        let subject = "CN=805ec0123456";
        assert_eq!(told("192.0.2.1", &[subject]), ClientCertificate::None);
        assert_eq!(told("10.1.2.3", &[subject, subject]), ClientCertificate::None);
    }
}
