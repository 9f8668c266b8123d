//! Would a phone accept our certificate? Looked at before phones fail: a phone that refuses it never sends a request.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Finding;
use crate::net::tls::names::{fits, of_parsed};

/// Days before the end of a certificate from which on it is mentioned: seven weeks.
const EXPIRY_WARNING_DAYS: i64 = 49;

/// Object identifier of elliptic-curve keys (RFC 5480).
const EC_KEY: &str = "1.2.840.10045.2.1";

/// Looks at the PEM chain in `file`, to be presented under `hosts`.
pub fn chain(file: &Path, hosts: &[String], now: Timestamp, findings: &mut Vec<Finding>) {
    let name = file.display();
    let chain: Vec<CertificateDer<'static>> = match CertificateDer::pem_file_iter(file).map(Iterator::collect) {
        Ok(Ok(chain)) => chain,
        Ok(Err(error)) | Err(error) => {
            findings.push(Finding::error(
                format!("the certificate {name} cannot be read: {error}"),
                "give a PEM file with the certificate first, its intermediates after it (https.certificate)",
            ));
            return;
        }
    };
    let parsed: Vec<X509Certificate<'_>> = chain
        .iter()
        .filter_map(|der| X509Certificate::from_der(der).ok().map(|(_, certificate)| certificate))
        .collect();
    let (Some(leaf), true) = (parsed.first(), parsed.len() == chain.len()) else {
        findings.push(Finding::error(
            format!("{name} holds no readable certificate"),
            "give a PEM file with the certificate first, its intermediates after it (https.certificate)",
        ));
        return;
    };
    validity(leaf, &name.to_string(), now, findings);
    names(leaf, &name.to_string(), hosts, findings);
    let self_signed = leaf.issuer() == leaf.subject();
    if self_signed {
        findings.push(Finding::warning(
            format!("the certificate {name} is self-signed: factory-fresh phones do not accept it"),
            "use a certificate of a public CA for phones",
        ));
    } else if parsed.len() == 1 {
        findings.push(Finding::warning(
            format!("{name} holds only the server's certificate; phones need the intermediates as well"),
            "append the issuing CA's certificate (the file is often called fullchain.pem)",
        ));
    }
    for pair in parsed.windows(2) {
        if let [below, above] = pair
            && below.issuer() != above.subject()
        {
            findings.push(Finding::error(
                format!("in {name} '{}' is not followed by its issuer '{}'", below.subject(), below.issuer()),
                "put the certificates in the order server, intermediate, next intermediate",
            ));
        }
    }
}

/// Whether old phones find a key they can verify among all pairs.
pub fn keys(files: &[PathBuf], findings: &mut Vec<Finding>) {
    let of = |file: &PathBuf| {
        let der = CertificateDer::from_pem_file(file).ok()?;
        let (_, leaf) = X509Certificate::from_der(&der).ok()?;
        Some(leaf.public_key().algorithm.algorithm.to_id_string() == EC_KEY)
    };
    let is_ec: Vec<bool> = files.iter().filter_map(of).collect();
    if !is_ec.is_empty() && is_ec.iter().all(|is_ec| *is_ec) {
        findings.push(Finding::warning(
            "every certificate has an elliptic-curve key; old phone firmware may refuse it",
            "list an RSA pair after it in https.certificate and https.key where old models are in use",
        ));
    }
}

fn validity(leaf: &X509Certificate<'_>, name: &str, now: Timestamp, findings: &mut Vec<Finding>) {
    let (from, until) = (leaf.validity().not_before.timestamp(), leaf.validity().not_after.timestamp());
    let days = (until - now.as_second()).div_euclid(86_400);
    if now.as_second() < from {
        findings.push(Finding::error(format!("the certificate {name} is not valid yet"), "check the computer's clock"));
    } else if days < 0 {
        findings.push(Finding::error(format!("the certificate {name} expired {} days ago", -days), "renew it"));
    } else if days < EXPIRY_WARNING_DAYS {
        findings.push(Finding::warning(format!("the certificate {name} expires in {days} days"), "renew it in time"));
    }
}

fn names(leaf: &X509Certificate<'_>, name: &str, hosts: &[String], findings: &mut Vec<Finding>) {
    let listed = of_parsed(leaf);
    for host in hosts {
        if !listed.iter().any(|pattern| fits(pattern, &host.to_ascii_lowercase())) {
            findings.push(Finding::error(
                format!("the certificate {name} does not name {host} (it names {})", listed.join(", ")),
                "get a certificate with this name, or correct public_url / phone_url",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::Level;

    fn checked(names: &[&str], hosts: &[&str], now: &str) -> Vec<Finding> {
        let dir = tempfile::tempdir().unwrap();
        let mut params =
            rcgen::CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2027, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let file = dir.path().join("chain.pem");
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        let mut findings = Vec::new();
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        chain(&file, &hosts, now.parse().unwrap(), &mut findings);
        findings
    }

    fn says(findings: &[Finding], level: Level, part: &str) -> bool {
        findings.iter().any(|finding| finding.level == level && finding.what.contains(part))
    }

    #[test]
    fn each_defect_is_named() {
        let now = "2026-06-01T00:00:00Z";
        assert!(says(&checked(&["gw.example.com"], &["gw.example.com"], now), Level::Warning, "self-signed"));
        assert!(says(
            &checked(&["gw.example.com"], &["other.example.com"], now),
            Level::Error,
            "does not name other.example.com"
        ));
        assert!(says(&checked(&["a"], &[], "2027-02-01T00:00:00Z"), Level::Error, "expired 31 days ago"));
        assert!(says(&checked(&["a"], &[], "2026-12-20T00:00:00Z"), Level::Warning, "expires in 12 days"));
        assert!(says(&checked(&["a"], &[], "2025-12-20T00:00:00Z"), Level::Error, "not valid yet"));
    }

    #[test]
    fn an_elliptic_curve_alone_is_remarked() {
        let dir = tempfile::tempdir().unwrap();
        let ec = dir.path().join("ec.pem");
        std::fs::write(&ec, rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap().cert.pem()).unwrap();
        let mut findings = Vec::new();
        keys(std::slice::from_ref(&ec), &mut findings);
        assert!(says(&findings, Level::Warning, "elliptic-curve"));
        findings.clear();
        keys(&["/nonexistent.pem".into()], &mut findings);
        assert!(findings.is_empty(), "told elsewhere");
    }

    #[test]
    fn an_unreadable_file_is_an_error() {
        let mut findings = Vec::new();
        chain(Path::new("/nonexistent.pem"), &[], "2026-06-01T00:00:00Z".parse().unwrap(), &mut findings);
        assert!(says(&findings, Level::Error, "cannot be read"));
    }
}
