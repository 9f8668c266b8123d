//! Finds contradictory settings, and stored values that are no longer allowed. The page shows them as notices; `gangway
//! check` and the answer to a change report them as well.

use std::{collections::BTreeSet, net::IpAddr};

use gangway_base::secret::Secret;
use url::{Host, Url};

use super::settings_check::SettingsCheck;
use crate::{
    base::i18n::Message,
    phone::public_url::Scheme,
    settings::{FROM_DEVICES, LayerMembership, Layers, Lookup, PhoneCategory, Scope, setting},
};

/// Maximum number of values listed individually.
const MOST: usize = 10;

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The kind of notice.
    pub key: &'static str,
    /// The message.
    pub text: Message,
}

/// Returns all findings in these settings.
#[must_use]
pub fn remarks(check: &SettingsCheck<'_>, layers: &Layers) -> Vec<Remark> {
    let mut all: Vec<Remark> = impossible(check, layers).into_iter().collect();
    all.extend(from_devices(layers));
    all.extend(wrong(check, layers));
    all
}

/// Checks a URL that phones are redirected to.
#[must_use]
pub fn of_url(url: &str) -> Option<Remark> {
    let parsed = Url::parse(url).ok()?;
    let (key, sentence) = match parsed.host()? {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            let is_here = name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost");
            is_here.then_some(("url-unreachable", "notice.url-unreachable"))?
        }
        Host::Ipv4(address) => of_address(address.into(), parsed.scheme())?,
        Host::Ipv6(address) => of_address(address.into(), parsed.scheme())?,
    };
    Some(Remark { key, text: Message::new(sentence).with("url", url) })
}

fn of_address(address: IpAddr, scheme: &str) -> Option<(&'static str, &'static str)> {
    let address = address.to_canonical();
    let is_linked = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    if address.is_loopback() || address.is_unspecified() || is_linked {
        return Some(("url-unreachable", "notice.url-unreachable"));
    }
    (scheme == "https").then_some(("url-without-name", "notice.url-without-name"))
}

/// A certificate is required although the phones use plain HTTP, so they get no file.
fn impossible(check: &SettingsCheck<'_>, layers: &Layers) -> Option<Remark> {
    const NAMES: [&str; 2] = ["require_certificate", "provisioning_scheme"];
    let rows = layers.rows().iter().filter(|row| NAMES.contains(&row.name.as_str()));
    let vendors = check.registry.vendors().map(|vendor| Scope::Vendor(vendor.name.to_string()));
    let scopes: BTreeSet<Scope> = rows.map(|row| row.scope.clone()).collect();
    if scopes.is_empty() {
        return None;
    }
    let contradicts = |scope: &Scope| {
        let belongings = match scope {
            Scope::Vendor(vendor) => LayerMembership { vendor: vendor.clone(), ..LayerMembership::default() },
            Scope::Model(name) => {
                let (vendor, model) = name.split_once('/').unwrap_or_default();
                LayerMembership {
                    vendor: vendor.to_owned(),
                    model: Some(model.to_owned()),
                    ..LayerMembership::default()
                }
            }
            Scope::Category(name) => {
                let PhoneCategory { domain, name } = PhoneCategory::parse(name);
                let domain = domain.map(str::to_owned);
                LayerMembership { domain, category: Some(name.to_owned()), ..LayerMembership::default() }
            }
            Scope::Phone(mac) => {
                check.store.phones().by_mac(check.instance, *mac).map(|phone| (&*phone).into()).unwrap_or_default()
            }
            Scope::Instance => LayerMembership::default(),
        };
        let lookup = Lookup {
            vendor: Some(belongings.vendor.as_str()).filter(|vendor| !vendor.is_empty()),
            model: belongings.model.as_deref(),
            category: belongings.category(),
            mac: match scope {
                Scope::Phone(mac) => Some(*mac),
                _ => None,
            },
            ..Lookup::instance()
        };
        let settings = layers.effective_of(&NAMES, &lookup, None);
        settings.bool("require_certificate") && settings.scheme() == Scheme::Http
    };
    // A narrower scope adds nothing if a wider one is listed already.
    let all: BTreeSet<Scope> = scopes.into_iter().chain(vendors).collect();
    let mut found: Vec<Scope> = all.into_iter().filter(contradicts).collect();
    if found.contains(&Scope::Instance) {
        found = vec![Scope::Instance];
    }
    let more = found.len().saturating_sub(MOST);
    found.truncate(MOST);
    let places: Vec<String> = found.iter().map(Scope::to_string).collect();
    let text = || Message::new("notice.certificate-without-tls").with("scopes", places.join(", ")).with("more", more);
    (!places.is_empty()).then(|| Remark { key: "certificate-without-tls", text: text() })
}

/// The administrative password of the domain is sent to phones.
fn from_devices(layers: &Layers) -> Option<Remark> {
    let deployed = Secret::new(FROM_DEVICES);
    let row = layers.rows().iter().find(|row| row.name == "phone_admin_password" && row.value == deployed)?;
    let text = Message::new("notice.domain-password").with("scope", row.scope.to_string());
    Some(Remark { key: "domain-password", text })
}

/// Values that were set before they became invalid, or whose vendor no longer exists. They remain in effect.
fn wrong(check: &SettingsCheck<'_>, layers: &Layers) -> Vec<Remark> {
    // Ignore settings from a newer version.
    let rows = layers.rows().iter().filter(|row| setting(&row.name).is_some() && !row.value.is_empty());
    let refused = rows.filter_map(|row| {
        let why = check.value(&row.name, row.value.expose(), &row.scope).err()?;
        let text = Message::new("notice.setting-wrong")
            .with("name", row.name.clone())
            .with("scope", row.scope.to_string())
            .with("sentence", why.english());
        Some(Remark { key: "setting-wrong", text })
    });
    let mut all: Vec<Remark> = refused.take(MOST + 1).collect();
    if all.len() > MOST {
        all.truncate(MOST);
        all.push(Remark { key: "setting-wrong", text: Message::new("notice.settings-wrong") });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_no_phone_reaches_is_remarked() {
        let key = |url: &str| of_url(url).map(|remark| remark.key);
        for url in [
            "http://localhost:8080/x",
            "https://gw.localhost/x",
            "http://127.0.0.1/x",
            "http://[::1]/x",
            "http://0.0.0.0/x",
            "http://169.254.3.4/x",
            "https://[fe80::1]/x",
            "https://[::ffff:127.0.0.1]/x",
        ] {
            assert_eq!(key(url), Some("url-unreachable"), "{url}");
        }
        assert_eq!(key("https://10.0.0.1/x"), Some("url-without-name"));
        assert_eq!(key("https://[2001:db8::1]/x"), Some("url-without-name"));
        for url in ["http://10.0.0.1/x", "https://gw.example.com/x", "no url"] {
            assert_eq!(key(url), None, "{url}");
        }
    }
}
