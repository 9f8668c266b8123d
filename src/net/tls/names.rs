//! The names in a certificate, and matching of hosts against them.

use std::net::{Ipv4Addr, Ipv6Addr};

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// Returns the DNS names (in lower case, with wildcards) and addresses in the certificate's subjectAltName. Empty if it
/// cannot be parsed. The subject's common name does not count (RFC 9525).
#[must_use]
pub fn of(certificate: &CertificateDer<'_>) -> Vec<String> {
    X509Certificate::from_der(certificate).map(|(_, parsed)| of_parsed(&parsed)).unwrap_or_default()
}

/// The same for a parsed certificate.
#[must_use]
pub fn of_parsed(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let names = alternatives.iter().flat_map(|extension| &extension.value.general_names);
    names
        .filter_map(|general| match general {
            GeneralName::DNSName(dns) => Some(dns.to_ascii_lowercase()),
            GeneralName::IPAddress(bytes) => match bytes.len() {
                4 => <[u8; 4]>::try_from(*bytes).ok().map(|ip| Ipv4Addr::from(ip).to_string()),
                _ => <[u8; 16]>::try_from(*bytes).ok().map(|ip| Ipv6Addr::from(ip).to_string()),
            },
            _ => None,
        })
        .collect()
}

/// Whether a name of a certificate matches `host` (lower case). RFC 9525: a wildcard matches exactly one label, the
/// leftmost.
#[must_use]
pub fn fits(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(rest) => host.split_once('.').is_some_and(|(label, tail)| !label.is_empty() && tail == rest),
        None => pattern == host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        assert!(fits("*.example.com", "gw.example.com"));
        assert!(!fits("*.example.com", "a.gw.example.com"));
        assert!(!fits("*.example.com", "example.com"));
    }

    #[test]
    fn names_and_addresses_are_read() {
        let names = ["Gw.example.com", "192.0.2.1", "2001:db8::1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        assert_eq!(of(made.cert.der()), ["gw.example.com", "192.0.2.1", "2001:db8::1"]);
    }
}
