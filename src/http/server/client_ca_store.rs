//! The CAs for each vendor's phones, and the verification of client certificates. CAs are PEM files in
//! `vendors/<vendor>/ca/` and in `<client_ca>/<vendor>/`. The handshake has already verified possession of the key.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use gangway_base::mac::Mac;
use jiff::Timestamp;
use rustls::{
    CertificateError, Error, RootCertStore,
    pki_types::{CertificateDer, UnixTime, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::client_cert_verifier::is_worthless;
use crate::{catalog::SharedRegistry, net::tls::provider, phone::request_evidence::Certificate};

/// Result of verifying a connection's client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientCertificate {
    /// The client presented no certificate.
    None,
    /// Valid, issued by a CA of `vendor`, for `mac`.
    Trusted {
        /// The common name, normalised.
        mac: Mac,
        /// The vendor.
        vendor: Arc<str>,
    },
    /// Issued by a vendor's CA, but expired or not yet valid.
    Expired {
        /// The common name.
        name: String,
        /// The end of its validity.
        until: Timestamp,
    },
    /// Not issued by a known CA.
    UnknownIssuer {
        /// The common name.
        name: String,
        /// The issuer as named in the certificate.
        issuer: String,
        /// The reason.
        reason: String,
    },
    /// Valid, but the common name is not a MAC address: a generic certificate.
    NoMac {
        /// The common name.
        name: String,
    },
}

impl ClientCertificate {
    /// The certificate as evidence for admission.
    #[must_use]
    pub fn evidence(&self) -> Certificate<'_> {
        match self {
            Self::None => Certificate::None,
            Self::Trusted { mac, vendor } => Certificate::Trusted { mac: *mac, vendor },
            Self::Expired { .. } => Certificate::Expired,
            Self::UnknownIssuer { .. } => Certificate::UnknownIssuer,
            Self::NoMac { .. } => Certificate::NoMac,
        }
    }

    /// The label in metrics, for a request for the file of MAC `asked`.
    #[must_use]
    pub fn label(&self, asked: Option<Mac>) -> &'static str {
        match self {
            Self::None => "none",
            Self::Trusted { mac, .. } if asked.is_some_and(|asked| asked != *mac) => "wrong-mac",
            Self::Trusted { .. } => "trusted",
            Self::Expired { .. } => "expired",
            Self::UnknownIssuer { .. } => "unknown-issuer",
            Self::NoMac { .. } => "no-mac",
        }
    }

    /// The text for the log and the phone's timeline.
    #[must_use]
    pub fn message(&self, asked: Option<Mac>) -> String {
        match self {
            Self::None => "No certificate was shown.".to_owned(),
            Self::Trusted { mac, vendor } if asked.is_some_and(|asked| asked != *mac) => {
                format!("The request came with the factory certificate of another phone: {vendor}, {mac}.")
            }
            Self::Trusted { mac, vendor } => format!("The phone proved its factory certificate ({vendor}, {mac})."),
            Self::Expired { name, until } => {
                format!("The phone's factory certificate '{name}' counts for nothing: it is only valid until {until}.")
            }
            Self::UnknownIssuer { name, issuer, reason } => format!(
                "The phone showed the certificate '{name}' of the issuer '{issuer}', whom nobody here knows ({reason}). If it \
                 is the vendor's CA, put its PEM file into [https] client_ca, in the folder of the vendor."
            ),
            Self::NoMac { name } => format!(
                "The phone showed the certificate '{name}' of its vendor, which does not name a MAC address: it proves nothing."
            ),
        }
    }
}

struct VendorCa {
    vendor: Arc<str>,
    roots: Arc<RootCertStore>,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl std::fmt::Debug for VendorCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} CA certificates", self.vendor, self.roots.len())
    }
}

/// The CAs of all vendors. They can be replaced while the gateway is running.
#[derive(Debug)]
pub struct ClientCaStore {
    registry: SharedRegistry,
    dir: PathBuf,
    vendors: ArcSwap<Vec<VendorCa>>,
}

impl ClientCaStore {
    /// Reads the CAs. Files that cannot be read are reported and skipped, because phones are also served without a
    /// certificate.
    #[must_use]
    pub fn load(registry: SharedRegistry, dir: &Path) -> (Arc<Self>, Vec<String>) {
        let (vendors, wrong) = read(&registry, dir);
        (Arc::new(Self { registry, dir: dir.to_owned(), vendors: ArcSwap::from_pointee(vendors) }), wrong)
    }

    /// Reads the CAs again. Returns what cannot be read.
    pub fn reload(&self) -> Vec<String> {
        let (vendors, wrong) = read(&self.registry, &self.dir);
        self.vendors.store(Arc::new(vendors));
        wrong
    }

    /// The vendors that have a CA, with the number of its certificates.
    #[must_use]
    pub fn vendors(&self) -> Vec<(Arc<str>, usize)> {
        self.vendors.load().iter().map(|one| (Arc::clone(&one.vendor), one.roots.len())).collect()
    }

    /// Verifies a chain that starts with the client's own certificate.
    #[must_use]
    pub fn verify(&self, chain: &[CertificateDer<'_>], now: Timestamp) -> ClientCertificate {
        let Some((own, others)) = chain.split_first() else { return ClientCertificate::None };
        let parsed = X509Certificate::from_der(own).ok().map(|(_, parsed)| parsed);
        let Some(parsed) = parsed.filter(|_| !is_worthless(own)) else {
            return unknown(own, "its key or its version is too weak to prove anything");
        };
        let name = common_name(&parsed);
        let validity = (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
        let mut reason = "no CA of this vendor is known here".to_owned();
        for vouching in self.vendors.load().iter() {
            let at = |second: i64| {
                let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(second).unwrap_or(0)));
                vouching.verifier.verify_client_cert(own, others, time)
            };
            match at(now.as_second()) {
                Ok(_) => {
                    return match name.parse() {
                        Ok(mac) => ClientCertificate::Trusted { mac, vendor: Arc::clone(&vouching.vendor) },
                        Err(_) => ClientCertificate::NoMac { name },
                    };
                }
                // webpki checks the validity period before it looks for the issuer.
                Err(Error::InvalidCertificate(error)) if is_about_time(&error) => {
                    if at(validity.0).is_ok() || at(validity.1).is_ok() {
                        let until = Timestamp::from_second(validity.1).unwrap_or(Timestamp::MAX);
                        return ClientCertificate::Expired { name, until };
                    }
                }
                Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {}
                Err(error) => reason = error.to_string(),
            }
        }
        ClientCertificate::UnknownIssuer { name, issuer: parsed.issuer().to_string(), reason }
    }
}

fn is_about_time(error: &CertificateError) -> bool {
    matches!(
        error,
        CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
    )
}

fn unknown(certificate: &CertificateDer<'_>, reason: &str) -> ClientCertificate {
    let parsed = X509Certificate::from_der(certificate).ok().map(|(_, parsed)| parsed);
    ClientCertificate::UnknownIssuer {
        name: parsed.as_ref().map(common_name).unwrap_or_default(),
        issuer: parsed.map(|parsed| parsed.issuer().to_string()).unwrap_or_default(),
        reason: reason.to_owned(),
    }
}

fn common_name(certificate: &X509Certificate<'_>) -> String {
    let name = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    name.unwrap_or_default().trim().to_owned()
}

/// Returns the CAs of every vendor, and what cannot be read.
fn read(registry: &SharedRegistry, dir: &Path) -> (Vec<VendorCa>, Vec<String>) {
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for vendor in registry.load().vendors() {
        let mut roots = RootCertStore::empty();
        for (file, text) in &vendor.ca {
            enter(&mut roots, file, text.as_bytes(), &mut wrong);
        }
        if !dir.as_os_str().is_empty() {
            for path in files(&dir.join(&*vendor.name), &mut wrong) {
                match fs::read(&path) {
                    Ok(bytes) => enter(&mut roots, &path.display().to_string(), &bytes, &mut wrong),
                    Err(error) => wrong.push(format!("{} cannot be read: {error}", path.display())),
                }
            }
        }
        if roots.is_empty() {
            continue;
        }
        let roots = Arc::new(roots);
        match WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider()).build() {
            Ok(verifier) => found.push(VendorCa { vendor: Arc::clone(&vendor.name), roots, verifier }),
            Err(error) => wrong.push(format!("the CA certificates of {} cannot be used: {error}", vendor.title)),
        }
    }
    (found, wrong)
}

/// The files in a vendor's folder. Empty if the folder does not exist.
fn files(dir: &Path, wrong: &mut Vec<String>) -> Vec<PathBuf> {
    match fs::read_dir(dir) {
        Ok(entries) => {
            let mut files: Vec<PathBuf> =
                entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
            files.sort();
            files
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            wrong.push(format!("{} cannot be read: {error}", dir.display()));
            Vec::new()
        }
    }
}

fn enter(roots: &mut RootCertStore, file: &str, pem: &[u8], wrong: &mut Vec<String>) {
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let added = certificate
            .map_err(|error| error.to_string())
            .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
        if let Err(reason) = added {
            wrong.push(format!("{file} holds a CA certificate that cannot be used: {reason}"));
        }
    }
    if roots.len() == before {
        wrong.push(format!("{file} holds no CA certificate; give PEM files"));
    }
}
