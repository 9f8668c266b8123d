//! Checks the URL under which each provider's phones reach the gateway.

use std::collections::BTreeSet;

use super::{CheckFinding, connectivity::Offered};
use crate::{
    base::config::InstanceConfig,
    phone::{
        instance::InstanceId,
        public_url::{PublicUrls, Scheme, UrlError},
    },
    provision::public_url,
    settings::Lookup,
    store::Store,
};

/// Checks all providers that have an app object that has connected, or phones.
pub fn all(configured: &InstanceConfig, id: InstanceId, offered: &[Offered], store: &Store) -> Vec<CheckFinding> {
    let label = configured.label();
    let urls = public_url::read(store, &crate::app::instance(id, configured));
    let phones = store.phones().in_instance(id);
    let with_phones: BTreeSet<&str> =
        phones.iter().filter(|phone| phone.removed_at.is_none()).map(|phone| phone.provider.as_str()).collect();
    let mut findings = Vec::new();
    let mut checked = false;
    for vendor in offered {
        let used: Vec<&str> = (vendor
            .providers()
            .filter(|provider| with_phones.contains(provider) || vendor.is_app_used(provider, id, store)))
        .collect();
        let Some(first) = used.first() else { continue };
        checked = true;
        let lookup = Lookup { vendor: Some(&vendor.vendor), ..Lookup::instance() };
        let scheme = store.settings().layers(id).scheme(&lookup);
        findings.extend(used.iter().filter_map(|provider| of_provider(&label, &urls, provider, vendor, scheme)));
        if scheme == Scheme::Http && urls.base(first, scheme).is_ok() {
            findings.push(CheckFinding::warning(
                format!(
                    "{label}: {} phones fetch their files by plain http; passwords travel unencrypted",
                    vendor.title
                ),
                "use https unless old phones cannot",
            ));
        }
    }
    if !checked && urls.shared_base([], Scheme::Http).or_else(|_| urls.shared_base([], Scheme::Https)).is_err() {
        findings.push(CheckFinding::error(
            format!("{label}: it is not known under which URL phones reach this gateway"),
            "connect the provider's app object, or set public_url / phone_url",
        ));
    }
    findings
}

fn of_provider(
    label: &str,
    urls: &PublicUrls,
    provider: &str,
    vendor: &Offered,
    scheme: Scheme,
) -> Option<CheckFinding> {
    match urls.base(provider, scheme) {
        Ok(_) => urls.problem(provider, scheme).map(|problem| {
            CheckFinding::warning(
                format!("{label}: {problem}"),
                "correct the URL of the app objects in the PBX Manager",
            )
        }),
        Err(UrlError::Unknown { .. }) => Some(CheckFinding::error(
            format!("{label}: it is not known under which URL the phones of gangway-{provider} reach this gateway"),
            format!(
                "create the app object gangway-{provider} at the PBX and connect it, or set public_url / phone_url"
            ),
        )),
        Err(UrlError::Conflict { named, .. }) => Some(CheckFinding::error(
            format!("{label}: the app objects gangway-{provider} of the PBXs name different URLs ({named})"),
            "correct the URL of the app objects in the PBX Manager, or set public_url / phone_url",
        )),
        Err(UrlError::Scheme { base, .. }) => Some(CheckFinding::error(
            format!(
                "{label}: phones of gangway-{provider} shall come by {}, but {base} is the only URL known",
                scheme.as_str()
            ),
            format!(
                "set phone_url to a URL of that scheme, or `gangway settings set provisioning_scheme http --vendor {}` and \
                 accept that passwords travel unencrypted",
                vendor.vendor
            ),
        )),
        Err(error @ (UrlError::Long(_) | UrlError::Character(_))) => {
            Some(CheckFinding::error(format!("{label}: {error}"), "correct phone_url"))
        }
    }
}
