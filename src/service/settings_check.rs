//! Whether a value may be set, by page, script and command alike: what the table says of it, where the gateway would
//! connect to, and what the files of the phones concerned can carry.

use super::text::Text;
use crate::{
    catalog::{Registry, Vendor},
    net::egress_policy::EgressPolicy,
    phone::instance::InstanceId,
    settings::{Scope, ValueKind, line_keys::LineKeys, setting, validate},
    store::Store,
};

/// Settings whose value reaches a phone to the letter or not at all; what a format cannot carry would leave the phone
/// without any file. A password of the web page that does not fit is replaced by a generated one.
const EXACT: &[&str] = &["phone_admin_user", "ldap_user", "ldap_password", "registrar"];

/// What values are judged by.
#[derive(Debug, Clone, Copy)]
pub struct SettingsCheck<'a> {
    /// Vendors, formats, models.
    pub registry: &'a Registry,
    /// Where the gateway may connect to.
    pub reach: &'a EgressPolicy,
    /// Phones.
    pub store: &'a Store,
    /// Whose settings.
    pub instance: InstanceId,
}

impl SettingsCheck<'_> {
    /// The value in its usual form.
    ///
    /// # Errors
    /// Why it is not possible; a secret is not repeated.
    pub fn value(&self, name: &str, value: &str, scope: &Scope) -> Result<String, Text> {
        let refused = |sentence: String| Text::new("setting-refused").with("sentence", sentence);
        self.vendor_exists(name, scope)?;
        let value = validate(name, value, scope).map_err(|error| refused(error.to_string()))?;
        self.reachable(name, &value)?;
        self.keys(name, &value, scope)?;
        if EXACT.contains(&name) {
            for vendor in self.vendors(scope) {
                if let Some(cannot) = vendor.cannot_carry(&value) {
                    let title = &vendor.title;
                    return Err(refused(format!("{name} cannot be set: files of {title} phones cannot hold {cannot}")));
                }
            }
        }
        Ok(value)
    }

    /// The vendor of a redirect account or of the scope.
    fn vendor_exists(&self, name: &str, scope: &Scope) -> Result<(), Text> {
        let of_account = name.strip_prefix("redirect.").and_then(|rest| rest.split_once('.')).map(|(vendor, _)| vendor);
        let of_scope = match scope {
            Scope::Vendor(vendor) => Some(vendor.as_str()),
            Scope::Model(model) => model.split_once('/').map(|(vendor, _)| vendor),
            _ => None,
        };
        match of_account.or(of_scope).filter(|vendor| self.registry.vendor(vendor).is_none()) {
            Some(vendor) => {
                Err(Text::new("unknown-vendor").with("vendor", vendor.chars().take(60).collect::<String>()))
            }
            None => Ok(()),
        }
    }

    /// Whether the gateway may connect to what a setting would have it connect to: the addresses of redirect services.
    /// What names resolve to is looked at when the connection is made.
    fn reachable(&self, name: &str, value: &str) -> Result<(), Text> {
        let is_called =
            name.starts_with("redirect.") && setting(name).is_some_and(|setting| setting.kind == ValueKind::Url);
        match url::Url::parse(value).ok().filter(|_| is_called) {
            Some(url) => {
                self.reach.url(&url).map_err(|error| Text::new("url-not-allowed").with("sentence", error.to_string()))
            }
            None => Ok(()),
        }
    }

    /// Whether phones of the scope have the keys of a list, where their model is known.
    fn keys(&self, name: &str, value: &str, scope: &Scope) -> Result<(), Text> {
        if setting(name).is_none_or(|setting| setting.kind != ValueKind::LineKeys) {
            return Ok(());
        }
        let phone = match scope {
            Scope::Phone(mac) => self.store.roster().by_mac(self.instance, *mac),
            _ => None,
        };
        let list = LineKeys::read(value).unwrap_or_default();
        match self.registry.refused_keys(scope, phone.as_deref(), &list) {
            refused if refused.is_empty() => Ok(()),
            refused => Err(Text::new("setting-refused").with("sentence", refused.join("; "))),
        }
    }

    /// The vendors whose phones a scope may concern.
    fn vendors(&self, scope: &Scope) -> Vec<&Vendor> {
        let of_phone = match scope {
            Scope::Phone(mac) => self.store.roster().by_mac(self.instance, *mac).map(|phone| phone.vendor.clone()),
            _ => None,
        };
        let wanted = match scope {
            Scope::Vendor(vendor) => Some(vendor.as_str()),
            Scope::Model(model) => model.split_once('/').map(|(vendor, _)| vendor),
            _ => of_phone.as_deref(),
        };
        self.registry.vendors().filter(|vendor| wanted.is_none_or(|wanted| *vendor.name == *wanted)).collect()
    }
}
