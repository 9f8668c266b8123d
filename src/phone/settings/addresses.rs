//! A secret belongs to the address it was set for. The table says which settings name that address; a change of one of
//! them leaves the secret without it, and a narrower layer with another address does not inherit the secret.

use url::Url;

use super::{
    layers::{Layers, SettingRow},
    scope::Scope,
    table::{Kind, Setting, setting},
};
use crate::{
    phone::{mac::Mac, record::Phone},
    secret::Secret,
};

/// Values to be set or taken back at one scope.
pub type Changes = [(String, Option<Secret>)];

/// A stored secret that a change leaves without its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emptied {
    /// Where it is stored.
    pub scope: Scope,
    /// Its name.
    pub name: String,
}

/// What decides about layers of a phone.
#[derive(Debug, Clone, Default)]
pub struct Belongings {
    /// Vendor folder.
    pub vendor: String,
    /// Model without the vendor.
    pub model: Option<String>,
    /// Devices category.
    pub category: Option<String>,
}

impl From<&Phone> for Belongings {
    fn from(phone: &Phone) -> Self {
        Self { vendor: phone.vendor.clone(), model: phone.model.clone(), category: phone.category.clone() }
    }
}

/// The full names of the settings that say where the secret `name` travels; none for everything else.
#[must_use]
pub fn addresses_of(name: &str) -> Vec<String> {
    let Some(setting) = setting(name) else { return Vec::new() };
    let beginning = name.strip_suffix(setting.name).unwrap_or_default();
    setting.addresses.iter().map(|address| format!("{beginning}{address}")).collect()
}

/// Whether two values of an address setting name the same scheme, host and port.
pub(super) fn is_same_place(address: &Setting, one: &str, other: &str) -> bool {
    let place = |url: &str| {
        let url = Url::parse(url).ok()?;
        Some((url.scheme().to_owned(), url.host_str()?.to_ascii_lowercase(), url.port_or_known_default()))
    };
    match (one == other, address.kind) {
        (true, _) => true,
        (false, Kind::Url) => place(one).is_some_and(|one| Some(one) == place(other)),
        (false, _) => one.eq_ignore_ascii_case(other),
    }
}

impl Layers {
    /// The stored secrets that these changes at `scope` leave without the address they were set for; not those the same
    /// changes set. `phone` tells which vendor, model and category a phone has.
    pub fn emptied(&self, scope: &Scope, changes: &Changes, phone: impl Fn(Mac) -> Option<Belongings>) -> Vec<Emptied> {
        let after = self.with(scope, changes);
        let is_set = |row: &SettingRow| row.scope == *scope && changes.iter().any(|(name, _)| *name == row.name);
        let secrets = self.rows().iter().filter(|row| !row.value.is_empty() && !is_set(row));
        let is_moved = |row: &&SettingRow| {
            addresses_of(&row.name).iter().any(|address| self.is_moved(&after, &row.scope, scope, address, &phone))
        };
        secrets.filter(is_moved).map(|row| Emptied { scope: row.scope.clone(), name: row.name.clone() }).collect()
    }

    /// Whether a change at `changed` gives the address setting another value where a secret is stored.
    fn is_moved(
        &self,
        after: &Self,
        stored: &Scope,
        changed: &Scope,
        address: &str,
        phone: &impl Fn(Mac) -> Option<Belongings>,
    ) -> bool {
        let Some(setting) = setting(address) else { return false };
        let differs =
            |chain: &[Scope]| !is_same_place(setting, &self.nearest(chain, address), &after.nearest(chain, address));
        let belongings = match stored {
            Scope::Phone(mac) => phone(*mac),
            _ => None,
        };
        let chain = chain(stored, belongings.as_ref());
        // Which vendors' phones a category has is not known, nor what a phone is that is not there yet.
        let may_lie_below = match stored {
            Scope::Category(_) => matches!(changed, Scope::Vendor(_) | Scope::Model(_)),
            Scope::Phone(_) => belongings.is_none() && !matches!(changed, Scope::Phone(_)),
            _ => false,
        };
        let inherits = may_lie_below && self.row(stored, address).is_none();
        differs(&chain) || (inherits && differs(&self::chain(changed, None)))
    }

    fn row(&self, scope: &Scope, name: &str) -> Option<&SettingRow> {
        self.rows().iter().rev().find(|row| row.name == name && row.scope == *scope)
    }

    fn nearest(&self, chain: &[Scope], name: &str) -> String {
        let row = chain.iter().rev().find_map(|scope| self.row(scope, name));
        let default = || setting(name).map_or("", |setting| setting.default).to_owned();
        row.map_or_else(default, |row| row.value.expose().to_owned())
    }

    /// The same with these changes at one scope.
    #[must_use]
    pub fn with(&self, scope: &Scope, changes: &Changes) -> Self {
        let is_changed = |row: &SettingRow| row.scope == *scope && changes.iter().any(|(name, _)| *name == row.name);
        let mut rows: Vec<SettingRow> = self.rows().iter().filter(|row| !is_changed(row)).cloned().collect();
        rows.extend(changes.iter().filter_map(|(name, value)| {
            Some(SettingRow { scope: scope.clone(), name: name.clone(), value: value.clone()? })
        }));
        Self::new(rows, self.revision())
    }
}

/// The scopes whose values hold at a scope as far as they are known, widest first.
fn chain(scope: &Scope, phone: Option<&Belongings>) -> Vec<Scope> {
    let mut chain = vec![Scope::Instance];
    match scope {
        Scope::Instance => return chain,
        Scope::Model(name) => {
            chain.extend(name.split_once('/').map(|(vendor, _)| Scope::Vendor(vendor.to_owned())));
        }
        Scope::Phone(_) => {
            if let Some(Belongings { vendor, model, category }) = phone {
                chain.push(Scope::Vendor(vendor.clone()));
                chain.extend(model.as_ref().map(|model| Scope::Model(format!("{vendor}/{model}"))));
                chain.extend(category.clone().map(Scope::Category));
            }
        }
        Scope::Vendor(_) | Scope::Category(_) => {}
    }
    chain.push(scope.clone());
    chain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::settings::{Defaults, Lookup, REDIRECT_SETTINGS, TABLE};

    fn layers(rows: &[(&str, &str, &str)]) -> Layers {
        let row = |(scope, name, value): &(&str, &str, &str)| SettingRow {
            scope: scope.parse().unwrap(),
            name: (*name).to_owned(),
            value: Secret::new(*value),
        };
        Layers::new(rows.iter().map(row).collect(), 1)
    }

    const PHONE: &str = "phone:805ec0aabbcc";

    fn known(_: Mac) -> Option<Belongings> {
        Some(Belongings { vendor: "yealink".to_owned(), model: Some("T46U".to_owned()), category: None })
    }

    fn emptied(layers: &Layers, scope: &str, changes: &[(&str, Option<&str>)]) -> Vec<String> {
        let changes: Vec<_> =
            changes.iter().map(|(name, value)| ((*name).to_owned(), value.map(Secret::new))).collect();
        let found = layers.emptied(&scope.parse().unwrap(), &changes, known);
        found.into_iter().map(|Emptied { scope, name }| format!("{scope} {name}")).collect()
    }

    #[test]
    fn every_address_is_a_setting_of_the_same_scopes() {
        let names = TABLE.iter().map(|setting| (setting.name.to_owned(), setting));
        let redirect = REDIRECT_SETTINGS.iter().map(|setting| (format!("redirect.yealink.{}", setting.name), setting));
        let mut bound = 0;
        for (name, secret) in names.chain(redirect) {
            for address in addresses_of(&name) {
                assert!(secret.secret, "{name}");
                assert_eq!(setting(&address).unwrap().layered, secret.layered, "{address}");
                bound += 1;
            }
        }
        assert_eq!(bound, 5);
    }

    #[test]
    fn another_scheme_host_or_port_empties_the_secret_and_a_path_does_not() {
        let set = layers(&[
            ("instance", "redirect.yealink.url", "https://rps.example.com/xmlrpc"),
            ("instance", "redirect.yealink.password", "s"),
            ("instance", "redirect.snom.password", "t"),
        ]);
        let url = |value: Option<&str>| emptied(&set, "instance", &[("redirect.yealink.url", value)]);
        for moved in [
            Some("http://rps.example.com/xmlrpc"),
            Some("https://rps.example.com:8443/xmlrpc"),
            Some("https://rps.example.com.evil.example/xmlrpc"),
            None,
        ] {
            assert_eq!(url(moved), ["instance redirect.yealink.password"], "{moved:?}");
        }
        assert_eq!(url(Some("https://rps.example.com:443/other")), [""; 0]);
        assert_eq!(url(Some("https://RPS.example.com/xmlrpc")), [""; 0]);
        // Another protocol is another service where no URL is set.
        assert_eq!(
            emptied(&set, "instance", &[("redirect.yealink.protocol", Some("yealink-ymcs"))]),
            ["instance redirect.yealink.password"]
        );
        // With the secret in the same change there is nothing to lose.
        let both = [("redirect.yealink.url", Some("https://new.example/")), ("redirect.yealink.password", Some("n"))];
        assert_eq!(emptied(&set, "instance", &both), [""; 0]);
    }

    #[test]
    fn a_change_reaches_the_secrets_of_narrower_layers_that_inherit_the_address() {
        let set = layers(&[
            ("instance", "ldap_server", "ldap.example.com"),
            ("instance", "ldap_password", "i"),
            ("vendor:snom", "ldap_password", "v"),
            ("vendor:yealink", "ldap_server", "own.example.com"),
            ("vendor:yealink", "ldap_password", "y"),
            ("category:Lab", "ldap_password", "c"),
            (PHONE, "ldap_password", "p"),
        ]);
        let change = |scope: &str| emptied(&set, scope, &[("ldap_server", Some("evil.example.com"))]);
        assert_eq!(
            change("instance"),
            ["instance ldap_password", "vendor:snom ldap_password", "category:Lab ldap_password"]
        );
        let phone = format!("{PHONE} ldap_password");
        assert_eq!(
            change("vendor:yealink"),
            ["vendor:yealink ldap_password", "category:Lab ldap_password", phone.as_str()]
        );
        assert_eq!(change("vendor:snom"), ["vendor:snom ldap_password", "category:Lab ldap_password"]);
        assert_eq!(change(PHONE), [phone]);
        assert_eq!(
            emptied(&set, "instance", &[("ldap_tls", Some("off"))]).len(),
            5,
            "a secret does not go out readable unseen"
        );
    }

    #[test]
    fn a_narrower_layer_with_another_address_does_not_inherit_the_secret() {
        let rows = [
            ("instance", "ldap_server", "ldap.example.com"),
            ("instance", "ldap_password", "i"),
            ("vendor:snom", "ldap_server", "LDAP.example.com"),
            ("vendor:yealink", "ldap_server", "evil.example.com"),
            (PHONE, "ldap_password", "p"),
        ];
        let password = |rows: &[(&str, &str, &str)], vendor: &str, mac: &str| {
            let lookup = Lookup {
                vendor: Some(vendor),
                model: None,
                category: None,
                mac: Some(mac.parse().unwrap()),
                defaults: Defaults::Table,
            };
            let layers = layers(rows);
            let (quick, traced) = (layers.effective(&lookup, None), layers.traced(&lookup, None));
            assert_eq!(quick.text("ldap_password"), traced.text("ldap_password"));
            assert_eq!(
                layers.effective_of(&["ldap_password"], &lookup, None).text("ldap_password"),
                quick.text("ldap_password")
            );
            (quick.text("ldap_password").to_owned(), quick.is_withheld("ldap_password"))
        };
        let other = "805ec0aabbcd";
        assert_eq!(password(&rows, "atcom", other), ("i".to_owned(), false));
        assert_eq!(password(&rows, "snom", other), ("i".to_owned(), false), "the same server spelt otherwise");
        assert_eq!(password(&rows, "yealink", other), (String::new(), true));
        assert_eq!(password(&rows, "yealink", "805ec0aabbcc"), ("p".to_owned(), false), "its own");
        let moved = [rows.as_slice(), &[("phone:805ec0aabbcd", "ldap_port", "389")]].concat();
        assert_eq!(password(&moved, "snom", other), (String::new(), true));
    }
}
