//! Checks whether a value may be set, for the page, scripts, and commands: the rules in the table, the hosts the
//! gateway would connect to, and what the files of the affected phones can represent.

use crate::{
    base::i18n::Message,
    catalog::{Registry, Vendor},
    net::egress_policy::EgressPolicy,
    phone::instance::InstanceId,
    settings::{Scope, ValueKind, line_keys::LineKeys, setting, validate},
    store::Store,
};

/// Settings whose value must reach the phone exactly. If the format cannot represent it, the phone gets no file. An
/// invalid password for the web page is replaced by a generated one.
const EXACT: &[&str] = &["phone_admin_user", "ldap_user", "ldap_password", "registrar"];

/// The context for checking values.
#[derive(Debug, Clone, Copy)]
pub struct SettingsCheck<'a> {
    /// Vendors, formats, models.
    pub registry: &'a Registry,
    /// The destinations that the gateway may connect to.
    pub reach: &'a EgressPolicy,
    /// Phones.
    pub store: &'a Store,
    /// The instance.
    pub instance: InstanceId,
}

impl SettingsCheck<'_> {
    /// Checks a value and returns it in normalised form.
    ///
    /// # Errors
    /// Why the value is invalid. The message does not contain a secret.
    pub fn value(&self, name: &str, value: &str, scope: &Scope) -> Result<String, Message> {
        let refused = |sentence: String| Message::new("setting-refused").with("sentence", sentence);
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

    /// Checks that the vendor of a redirect account or of the scope exists.
    fn vendor_exists(&self, name: &str, scope: &Scope) -> Result<(), Message> {
        let of_account = name.strip_prefix("redirect.").and_then(|rest| rest.split_once('.')).map(|(vendor, _)| vendor);
        let of_scope = match scope {
            Scope::Vendor(vendor) => Some(vendor.as_str()),
            Scope::Model(model) => model.split_once('/').map(|(vendor, _)| vendor),
            _ => None,
        };
        match of_account.or(of_scope).filter(|vendor| self.registry.vendor(vendor).is_none()) {
            Some(vendor) => {
                Err(Message::new("unknown-vendor").with("vendor", vendor.chars().take(60).collect::<String>()))
            }
            None => Ok(()),
        }
    }

    /// Checks whether the gateway may connect to the addresses of redirect services in a setting. Resolved addresses
    /// are checked when the connection is made.
    fn reachable(&self, name: &str, value: &str) -> Result<(), Message> {
        let is_called =
            name.starts_with("redirect.") && setting(name).is_some_and(|setting| setting.kind == ValueKind::Url);
        match url::Url::parse(value).ok().filter(|_| is_called) {
            Some(url) => self
                .reach
                .url(&url)
                .map_err(|error| Message::new("url-not-allowed").with("sentence", error.to_string())),
            None => Ok(()),
        }
    }

    /// Checks whether phones of the scope have the keys in a list, if their model is known.
    fn keys(&self, name: &str, value: &str, scope: &Scope) -> Result<(), Message> {
        if setting(name).is_none_or(|setting| setting.kind != ValueKind::LineKeys) {
            return Ok(());
        }
        let phone = match scope {
            Scope::Phone(mac) => self.store.phones().by_mac(self.instance, *mac),
            _ => None,
        };
        let list = LineKeys::read(value).unwrap_or_default();
        match self.registry.refused_keys(scope, phone.as_deref(), &list) {
            refused if refused.is_empty() => Ok(()),
            refused => Err(Message::new("setting-refused").with("sentence", refused.join("; "))),
        }
    }

    /// Returns the vendors whose phones the scope may affect.
    fn vendors(&self, scope: &Scope) -> Vec<&Vendor> {
        let of_phone = match scope {
            Scope::Phone(mac) => self.store.phones().by_mac(self.instance, *mac).map(|phone| phone.vendor.clone()),
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
