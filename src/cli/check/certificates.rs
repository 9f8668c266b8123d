//! Checks whether phones would accept the gateway's certificate. A phone that rejects it never sends a request, so the
//! check runs before phones fail.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

use super::CheckFinding;
use crate::net::tls::names::{fits, of_parsed};

/// Number of days before a certificate's expiry from which on a warning is shown: seven weeks.
const EXPIRY_WARNING_DAYS: i64 = 49;

/// Object identifier of elliptic-curve keys (RFC 5480).
const EC_KEY: &str = "1.2.840.10045.2.1";

/// Checks the PEM chain in `file`, which is presented under `hosts`.
pub fn chain(file: &Path, hosts: &[String], roots: &Roots, now: Timestamp, findings: &mut Vec<CheckFinding>) {
    let name = file.display();
    let chain: Vec<CertificateDer<'static>> = match CertificateDer::pem_file_iter(file).map(Iterator::collect) {
        Ok(Ok(chain)) => chain,
        Ok(Err(error)) | Err(error) => {
            findings.push(CheckFinding::error(
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
        findings.push(CheckFinding::error(
            format!("{name} holds no readable certificate"),
            "give a PEM file with the certificate first, its intermediates after it (https.certificate)",
        ));
        return;
    };
    validity(leaf, &name.to_string(), now, findings);
    names(leaf, &name.to_string(), hosts, findings);
    if leaf.issuer() == leaf.subject() {
        findings.push(CheckFinding::warning(
            format!("the certificate {name} is self-signed: factory-fresh phones do not accept it"),
            "use a certificate of a public CA for phones",
        ));
    } else {
        complete(&parsed, &name.to_string(), roots, findings);
    }
    for pair in parsed.windows(2) {
        if let [below, above] = pair
            && below.issuer() != above.subject()
        {
            findings.push(CheckFinding::error(
                format!("in {name} '{}' is not followed by its issuer '{}'", below.subject(), below.issuer()),
                "put the certificates in the order server, intermediate, next intermediate",
            ));
        }
    }
}

/// The root CAs of this computer, by their DER-encoded names.
#[derive(Debug, Default)]
pub struct Roots(Vec<Vec<u8>>);

impl Roots {
    /// The root CAs of the system.
    #[must_use]
    pub fn of_system() -> Self {
        Self::of(&rustls_native_certs::load_native_certs().certs)
    }

    fn of(certificates: &[CertificateDer<'_>]) -> Self {
        let parsed = certificates.iter().filter_map(|der| X509Certificate::from_der(der).ok());
        Self(parsed.map(|(_, certificate)| certificate.subject().as_raw().to_vec()).collect())
    }
}

/// Whether the chain ends at a root CA. A phone knows only roots and does not look up missing intermediates.
fn complete(chain: &[X509Certificate<'_>], name: &str, roots: &Roots, findings: &mut Vec<CheckFinding>) {
    let Some(last) = chain.last() else { return };
    let issuer = last.issuer();
    if last.subject() == issuer || roots.0.iter().any(|root| root == issuer.as_raw()) {
        findings.push(CheckFinding::fine(format!("{name} leads up to the root CA '{}'", shown(issuer))));
    } else if chain.len() == 1 {
        findings.push(CheckFinding::warning(
            format!("{name} holds only the server's certificate; phones need the intermediates as well"),
            "append the issuing CA's certificate (the file is often called fullchain.pem)",
        ));
    } else {
        findings.push(CheckFinding::warning(
            format!("{name} ends at '{}', which is no root CA this computer knows: an intermediate is missing, or the CA is your own", shown(issuer)),
            "append the missing intermediate; a CA of your own must be on every phone before it comes by https",
        ));
    }
}

/// The common name, or the whole name if there is none.
fn shown(name: &X509Name<'_>) -> String {
    let common = name.iter_common_name().next().and_then(|part| part.as_str().ok());
    common.map_or_else(|| name.to_string(), str::to_owned)
}

/// Whether the phones of a vendor know the root CA at the end of the chain, as far as the vendor publishes its list.
pub fn known(file: &Path, vendors: &[(String, Vec<String>)], findings: &mut Vec<CheckFinding>) {
    let last = CertificateDer::pem_file_iter(file).ok().and_then(|chain| chain.flatten().last());
    let Some(der) = last else { return };
    let Ok((_, certificate)) = X509Certificate::from_der(&der) else { return };
    let root = shown(certificate.issuer());
    for (title, roots) in vendors {
        if roots.is_empty() {
            findings.push(CheckFinding::fine(format!(
                "whether {title} phones know the CA '{root}' cannot be told: the vendor publishes no list; firmware older than a \
                 CA does not know it"
            )));
        } else if !roots.contains(&root) {
            findings.push(CheckFinding::warning(
                format!("{title} phones do not know the CA '{root}' as they leave the factory"),
                "use a certificate of a CA they know, or put the CA on the phones first",
            ));
        }
    }
}

/// Whether all certificates have an elliptic-curve key.
#[must_use]
pub fn only_elliptic(files: &[PathBuf]) -> bool {
    let of = |file: &PathBuf| {
        let der = CertificateDer::from_pem_file(file).ok()?;
        let (_, leaf) = X509Certificate::from_der(&der).ok()?;
        Some(leaf.public_key().algorithm.algorithm.to_id_string() == EC_KEY)
    };
    let is_ec: Vec<bool> = files.iter().filter_map(of).collect();
    !is_ec.is_empty() && is_ec.iter().all(|is_ec| *is_ec)
}

/// Reports elliptic-curve keys that old phones may reject. `old` counts such phones by model, according to their
/// firmware. Without any, this is only a warning.
pub fn keys(files: &[PathBuf], old: &BTreeMap<String, usize>, findings: &mut Vec<CheckFinding>) {
    if !only_elliptic(files) {
        return;
    }
    let cure = "list an RSA pair after it in https.certificate and https.key";
    if old.is_empty() {
        let what = "every certificate has an elliptic-curve key; old phone firmware may refuse it";
        findings.push(CheckFinding::warning(what, format!("{cure} where old models are in use")));
        return;
    }
    let models: Vec<String> = old.iter().map(|(model, count)| format!("{count} {model}")).collect();
    let what = format!(
        "every certificate has an elliptic-curve key, and phones whose old firmware may refuse it are there: {}",
        models.join(", ")
    );
    findings.push(CheckFinding::error(what, cure));
}

fn validity(leaf: &X509Certificate<'_>, name: &str, now: Timestamp, findings: &mut Vec<CheckFinding>) {
    let (from, until) = (leaf.validity().not_before.timestamp(), leaf.validity().not_after.timestamp());
    let days = (until - now.as_second()).div_euclid(86_400);
    if now.as_second() < from {
        findings.push(CheckFinding::error(
            format!("the certificate {name} is not valid yet"),
            "check the computer's clock",
        ));
    } else if days < 0 {
        findings.push(CheckFinding::error(format!("the certificate {name} expired {} days ago", -days), "renew it"));
    } else if days < EXPIRY_WARNING_DAYS {
        findings
            .push(CheckFinding::warning(format!("the certificate {name} expires in {days} days"), "renew it in time"));
    }
}

fn names(leaf: &X509Certificate<'_>, name: &str, hosts: &[String], findings: &mut Vec<CheckFinding>) {
    let listed = of_parsed(leaf);
    for host in hosts {
        if !listed.iter().any(|pattern| fits(pattern, &host.to_ascii_lowercase())) {
            findings.push(CheckFinding::error(
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

    fn checked(names: &[&str], hosts: &[&str], now: &str) -> Vec<CheckFinding> {
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
        chain(&file, &hosts, &Roots::default(), now.parse().unwrap(), &mut findings);
        findings
    }

    fn says(findings: &[CheckFinding], level: Level, part: &str) -> bool {
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
        let (mut findings, ec) = (Vec::new(), [ec]);
        keys(&ec, &BTreeMap::new(), &mut findings);
        assert!(says(&findings, Level::Warning, "elliptic-curve"));
        findings.clear();
        keys(&ec, &BTreeMap::from([("T28P".to_owned(), 3)]), &mut findings);
        assert!(says(&findings, Level::Error, "3 T28P"));
        findings.clear();
        keys(&["/nonexistent.pem".into()], &BTreeMap::new(), &mut findings);
        assert!(findings.is_empty(), "told elsewhere");
    }

    #[test]
    fn an_unreadable_file_is_an_error() {
        let mut findings = Vec::new();
        chain(
            Path::new("/nonexistent.pem"),
            &[],
            &Roots::default(),
            "2026-06-01T00:00:00Z".parse().unwrap(),
            &mut findings,
        );
        assert!(says(&findings, Level::Error, "cannot be read"));
    }

    /// Root, intermediate and server certificate, in that order.
    fn issued() -> [rcgen::Certificate; 3] {
        use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
        let params = |name: &str, is_ca: bool| {
            let mut params = CertificateParams::new(vec!["gw.example.com".to_owned()]).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = if is_ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::NoCa };
            params
        };
        let keys = [(); 3].map(|()| KeyPair::generate().unwrap());
        let [root_key, middle_key, server_key] = &keys;
        let root = params("Root CA", true).self_signed(root_key).unwrap();
        let middle = params("Intermediate CA", true);
        let middle = middle.signed_by(middle_key, &Issuer::new(params("Root CA", true), root_key)).unwrap();
        let server =
            params("gw", false).signed_by(server_key, &Issuer::new(params("Intermediate CA", true), middle_key));
        [root, middle, server.unwrap()]
    }

    #[test]
    fn a_chain_that_leads_to_no_root_is_remarked() {
        let dir = tempfile::tempdir().unwrap();
        let [root, middle, server] = issued();
        let roots = Roots::of(std::slice::from_ref(root.der()));
        let check_chain = |chain: &[&rcgen::Certificate], roots: &Roots| {
            let file = dir.path().join("chain.pem");
            std::fs::write(&file, chain.iter().map(|one| one.pem()).collect::<String>()).unwrap();
            let mut findings = Vec::new();
            super::chain(&file, &[], roots, "2026-06-01T00:00:00Z".parse().unwrap(), &mut findings);
            findings
        };
        assert!(says(&check_chain(&[&server, &middle], &roots), Level::Fine, "leads up to the root CA 'Root CA'"));
        assert!(says(
            &check_chain(&[&server, &middle, &root], &Roots::default()),
            Level::Fine,
            "leads up to the root CA"
        ));
        assert!(says(&check_chain(&[&server], &roots), Level::Warning, "holds only the server's certificate"));
        assert!(says(&check_chain(&[&server, &middle], &Roots::default()), Level::Warning, "ends at 'Root CA'"));
        assert!(says(&check_chain(&[&server, &root], &roots), Level::Error, "is not followed by its issuer"));
    }

    #[test]
    fn whether_a_vendor_knows_the_ca_is_said_where_its_list_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let [_, middle, server] = issued();
        let file = dir.path().join("chain.pem");
        std::fs::write(&file, format!("{}{}", server.pem(), middle.pem())).unwrap();
        let check_chain = |roots: &[&str]| {
            let mut findings = Vec::new();
            let roots = roots.iter().map(|root| (*root).to_owned()).collect();
            known(&file, &[("Kestrel".to_owned(), roots)], &mut findings);
            findings
        };
        assert!(says(&check_chain(&[]), Level::Fine, "cannot be told"));
        assert!(says(&check_chain(&["Another CA"]), Level::Warning, "Kestrel phones do not know the CA 'Root CA'"));
        assert!(check_chain(&["Root CA", "Another CA"]).is_empty());
    }
}
