//! Checks the mutual trust of phones and servers: factory certificates here, phones' certificates at the PBX, old
//! phones and the gateway's key, and the clock on which all of it depends.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use gangway_base::clock::SystemClock;
use jiff::SignedDuration;

use super::{CheckFinding, certificates, connectivity::Offered};
use crate::{
    base::config::{Config, InstanceConfig},
    catalog::{Registry, SharedRegistry},
    http::server::client_ca_store::ClientCaStore,
    net::{egress_policy::EgressPolicy, sntp, tls::server_probe::CertificateRequest},
    phone::{facet::Wanted as Wish, instance::InstanceId, public_url::Scheme},
    service::sip_tls_probe,
    settings::{Effective, Lookup},
    store::Store,
};

/// Timeout of a time server query.
const TIMEOUT: Duration = Duration::from_secs(3);
/// A larger clock offset causes a warning.
const OFF: SignedDuration = SignedDuration::from_secs(30);
/// With a larger clock offset, certificates and bootstrap windows are evaluated wrongly.
const FAR_OFF: SignedDuration = SignedDuration::from_hours(1);

/// Runs all checks of one instance. `used` are the vendors whose app objects have ever connected.
pub async fn all(
    config: &Config,
    (configured, instance): (&InstanceConfig, InstanceId),
    store: &Store,
    registry: &SharedRegistry,
    used: &[&Offered],
    findings: &mut Vec<CheckFinding>,
) {
    let label = configured.label();
    factory(&label, config, (instance, store), registry, used, findings);
    let registry = registry.load_full();
    if !config.https.listen.is_empty() {
        let vendors = used.iter().filter_map(|vendor| registry.vendor(&vendor.vendor));
        let roots: Vec<_> = vendors.map(|vendor| (vendor.title.clone(), vendor.manifest.tls.roots.clone())).collect();
        for certificate in &config.https.certificate {
            certificates::known(certificate, &roots, findings);
        }
    }
    sip(&label, store, instance, &registry, findings).await;
    let settings = store.settings().layers(instance).effective(&Lookup::instance(), None);
    clock(&label, &settings, findings).await;
}

/// Whether the settings' requirements for factory certificates can be met.
fn factory(
    label: &str,
    config: &Config,
    (instance, store): (InstanceId, &Store),
    registry: &SharedRegistry,
    used: &[&Offered],
    findings: &mut Vec<CheckFinding>,
) {
    let (issuers, wrong) = ClientCaStore::load(Arc::clone(registry), &config.https.client_ca);
    for sentence in wrong {
        findings.push(CheckFinding::error(sentence, "give PEM files of CAs, in a folder per vendor (https.client_ca)"));
    }
    let by_proxy = !config.net.client_subject_header.is_empty();
    for vendor in used {
        let lookup = Lookup { vendor: Some(&vendor.vendor), ..Lookup::instance() };
        let settings = store.settings().layers(instance).effective(&lookup, None);
        if !settings.bool("require_certificate") {
            continue;
        }
        let title = &vendor.title;
        let cure = format!("`gangway settings set require_certificate false --vendor {}`, or", vendor.vendor);
        if config.https.listen.is_empty() && !by_proxy {
            findings.push(CheckFinding::error(
                format!("{label}: {title} phones must show a factory certificate, but no listener could see one"),
                format!("{cure} let phones reach [https] directly, or have the proxy pass the subject (net.client_subject_header)"),
            ));
        } else if !by_proxy && !issuers.vendors().iter().any(|(known, _)| **known == *vendor.vendor) {
            findings.push(CheckFinding::error(
                format!("{label}: {title} phones must show a factory certificate, but its CA is not known here"),
                format!("{cure} put the vendor's CA as PEM into {}", place(&config.https.client_ca, &vendor.vendor)),
            ));
        } else if settings.scheme() == Scheme::Http {
            findings.push(CheckFinding::error(
                format!(
                    "{label}: {title} phones must show a factory certificate, but come by http, where there is none"
                ),
                format!("{cure} set provisioning_scheme to https"),
            ));
        }
    }
}

fn place(dir: &Path, vendor: &str) -> String {
    match dir.as_os_str().is_empty() {
        true => format!("a directory DIR/{vendor}/ and name DIR in https.client_ca"),
        false => dir.join(vendor).display().to_string(),
    }
}

/// Phones whose firmware may reject an elliptic-curve certificate, by model.
fn old_phones(store: &Store, registry: &Registry) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for phone in store.phones().all() {
        let Some(vendor) = registry.vendor(&phone.vendor).filter(|_| phone.wanted == Wish::Active) else { continue };
        // Without a version the age of the firmware is unknown.
        let (Some(firmware), model) = (phone.firmware.as_deref(), phone.model.as_deref()) else { continue };
        let chosen = vendor.choose(model, Some(&phone.provider), Some(firmware));
        if chosen.is_some_and(|(_, generation)| generation.needs_rsa) {
            *found.entry(model.unwrap_or(&vendor.title).to_owned()).or_default() += 1;
        }
    }
    found
}

/// Whether the gateway's keys suit the existing phones.
pub fn keys(config: &Config, store: &Store, registry: &Registry, findings: &mut Vec<CheckFinding>) {
    if !config.https.listen.is_empty() {
        certificates::keys(&config.https.certificate, &old_phones(store, registry), findings);
    }
}

/// Whether phones can register at the SIP/TLS ports.
async fn sip(label: &str, store: &Store, instance: InstanceId, registry: &Registry, findings: &mut Vec<CheckFinding>) {
    for ((host, port), vendors) in sip_tls_probe::ports(registry, store, instance, true) {
        match sip_tls_probe::ask(registry, (&host, port), &vendors, &EgressPolicy::everywhere()).await {
            Err(error) => findings.push(CheckFinding::warning(format!("{label}: {error}"), "check firewall and port")),
            Ok(answer) => {
                for (vendor, issuers) in &answer.missing {
                    findings.push(CheckFinding::error(
                        format!(
                            "{label}: {} asks phones for a certificate and does not trust the CA of {vendor}: they cannot register",
                            answer.address
                        ),
                        format!("add {} to the trust list of the PBX or reverse proxy", issuers.join(" or ")),
                    ));
                }
                if answer.missing.is_empty() {
                    let wants = match answer.wants {
                        CertificateRequest::Nothing => "asks phones for no certificate",
                        CertificateRequest::Certificate(_) => "asks phones for a certificate they have",
                    };
                    findings.push(CheckFinding::fine(format!("{label}: {} {wants}", answer.address)));
                }
            }
        }
    }
}

/// Whether the gateway's clock agrees with the time server configured for phones.
async fn clock(label: &str, settings: &Effective, findings: &mut Vec<CheckFinding>) {
    let Some(host) = settings.nonempty("ntp_server_1") else { return };
    match sntp::ahead(host, sntp::PORT, &SystemClock, TIMEOUT).await {
        Ok(ahead) => findings.push(clock_finding(label, host, ahead)),
        Err(error) => findings.push(CheckFinding::warning(
            format!("{label}: the time server {host} is not reached from here: {error}"),
            "check ntp_server_1: phones without the time refuse every certificate",
        )),
    }
}

fn clock_finding(label: &str, host: &str, ahead: SignedDuration) -> CheckFinding {
    let what = format!(
        "{label}: this computer's clock is {} s {} {host}, by which phones judge certificates",
        ahead.as_secs().abs(),
        if ahead.is_negative() { "ahead of" } else { "behind" },
    );
    match ahead.abs() {
        off if off >= FAR_OFF => CheckFinding::error(what, "set the clock, or correct ntp_server_1"),
        off if off >= OFF => CheckFinding::warning(what, "let this computer use the same time server"),
        _ => CheckFinding::fine(format!("{label}: this computer's clock agrees with {host}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::Level;

    #[test]
    fn a_wrong_clock_is_reported_with_its_offset() {
        let of = |seconds| clock_finding("x", "ntp.example.com", SignedDuration::from_secs(seconds));
        assert_eq!(of(3).level, Level::Fine);
        assert_eq!(of(-31).level, Level::Warning);
        assert!(of(-31).what.contains("31 s ahead of ntp.example.com"), "{}", of(-31));
        assert_eq!(of(7_200).level, Level::Error);
        assert!(of(7_200).what.contains("7200 s behind"), "{}", of(7_200));
    }
}
