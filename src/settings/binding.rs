//! The address a phone's own secret was set for. Vendor, model and category of a phone can change without a change of a
//! setting: the phone tells its model with its first request, and another firmware may tell another one. What the secret
//! was set for is therefore stored beside it, and the secret is withheld from any other address.

use std::collections::{BTreeMap, HashMap};

use gangway_base::mac::Mac;
use serde::{Deserialize, Serialize};

use super::{
    addresses::{Belongings, Changes, View, addresses_of, chain, is_same_place},
    layers::Layers,
    scope::Scope,
    table::Setting,
};

/// What the name of a secret's row is followed by in the name of the row with its binding. No setting has this character.
const SUFFIX: &str = "@address";

/// The values the address settings of a secret had when it was set; those that had their default are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Binding(BTreeMap<String, String>);

impl Binding {
    /// The name of the stored row that holds the binding of a secret.
    #[must_use]
    pub fn row_name(secret: &str) -> String {
        format!("{secret}{SUFFIX}")
    }

    /// The secret a stored row holds the binding of; `None` for the row of a setting.
    #[must_use]
    pub fn secret_of(row_name: &str) -> Option<&str> {
        row_name.strip_suffix(SUFFIX)
    }

    /// As it is stored.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::json!(self.0).to_string()
    }

    /// As it was stored. A text that is none is the binding to the defaults: the secret stays here rather than travels.
    #[must_use]
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// Whether an address setting whose value is `now`, or else `default`, names the place it named then.
    pub(super) fn is_kept(&self, address: &Setting, now: Option<&str>, default: &str) -> bool {
        let then = self.0.get(address.name).map(String::as_str);
        is_same_place(address, then.unwrap_or(default), now.unwrap_or(default))
    }
}

/// The bindings of one instance.
pub(super) type Bindings = HashMap<Scope, HashMap<String, Binding>>;

impl Layers {
    /// The address a stored secret was set for, where that is known.
    #[must_use]
    pub fn binding(&self, scope: &Scope, secret: &str) -> Option<&Binding> {
        self.bindings.get(scope)?.get(secret)
    }

    /// The binding of a phone's own secret that is set together with `changes`; `None` for everything else.
    #[must_use]
    pub fn binding_with(
        &self,
        scope: &Scope,
        secret: &str,
        changes: &Changes,
        phone: Option<&Belongings>,
    ) -> Option<Binding> {
        let addresses = if matches!(scope, Scope::Phone(_)) { addresses_of(secret) } else { Vec::new() };
        if addresses.is_empty() {
            return None;
        }
        let (view, chain) = (View { layers: self, changed: Some((scope, changes)) }, chain(scope, phone));
        let value = |name: String| view.set(&chain, &name).map(str::to_owned).map(|value| (name, value));
        Some(Binding(addresses.into_iter().filter_map(value).collect()))
    }

    /// The secrets of known phones without a binding, from before there were bindings, with the one they get.
    pub fn unbound(&self, phone: impl Fn(Mac) -> Option<Belongings>) -> Vec<(&Scope, &str, Binding)> {
        let rows = self.rows().iter().filter(|row| !row.value.is_empty());
        rows.filter_map(|row| {
            let Scope::Phone(mac) = &row.scope else { return None };
            if self.binding(&row.scope, &row.name).is_some() || addresses_of(&row.name).is_empty() {
                return None;
            }
            let binding = self.binding_with(&row.scope, &row.name, &[], Some(&phone(*mac)?))?;
            Some((&row.scope, row.name.as_str(), binding))
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use gangway_base::secret::Secret;

    use super::*;
    use crate::settings::{Defaults, Lookup, SettingRow, setting};

    const PHONE: &str = "phone:805ec0aabbcc";

    fn row(scope: &str, name: &str, value: &str) -> SettingRow {
        SettingRow { scope: scope.parse().unwrap(), name: name.to_owned(), value: Secret::new(value) }
    }

    fn belongings(vendor: &str, model: Option<&str>, category: Option<&str>) -> Belongings {
        Belongings { vendor: vendor.to_owned(), model: model.map(str::to_owned), category: category.map(str::to_owned) }
    }

    #[test]
    fn the_own_secret_of_a_phone_stays_with_its_address_whatever_the_phone_turns_out_to_be() {
        let shared = || {
            vec![
                row("instance", "ldap_server", "ldap.example.com"),
                row("vendor:snom", "ldap_server", "evil.example"),
                row("model:yealink/T54W", "ldap_port", "6360"),
                row("model:yealink/T46U", "ldap_server", "LDAP.example.com"),
                row("category:Lab", "ldap_tls", "off"),
                row("category:Desk", "ldap_base", "dc=example"),
                row(PHONE, "ldap_password", "p"),
            ]
        };
        let layers = Layers::new(shared(), 1);
        let set_for = belongings("yealink", None, None);
        let binding = layers.binding_with(&PHONE.parse().unwrap(), "ldap_password", &[], Some(&set_for)).unwrap();
        let mut rows = shared();
        rows.push(row(PHONE, &Binding::row_name("ldap_password"), &binding.text()));
        let layers = Layers::new(rows, 1);
        assert!(layers.rows().iter().all(|row| setting(&row.name).is_some()), "a binding is no setting");

        let password = |vendor: &str, model: Option<&str>, category: Option<&str>| {
            let mac = Some("805ec0aabbcc".parse().unwrap());
            let lookup = Lookup { vendor: Some(vendor), model, category, mac, defaults: Defaults::Table };
            let (quick, traced) = (layers.effective(&lookup, None), layers.traced(&lookup, None));
            assert_eq!(quick.secret("ldap_password"), traced.secret("ldap_password"));
            assert_eq!(quick.is_withheld("ldap_password"), quick.text("ldap_password").is_empty());
            quick.text("ldap_password").to_owned()
        };
        assert_eq!(password("yealink", None, None), "p");
        assert_eq!(password("yealink", Some("T46U"), Some("Desk")), "p", "the same server spelt otherwise");
        assert_eq!(password("snom", None, None), "", "another vendor");
        assert_eq!(password("yealink", Some("T54W"), None), "", "another model");
        assert_eq!(password("yealink", None, Some("Lab")), "", "another category");
    }

    #[test]
    fn a_phones_secret_alone_is_bound_and_to_what_holds_with_the_change() {
        let layers = Layers::new(vec![row("vendor:yealink", "ldap_server", "ldap.example.com")], 1);
        let known = belongings("yealink", Some("T46U"), None);
        let bound = |scope: &str, secret: &str, changes: &Changes| {
            layers.binding_with(&scope.parse().unwrap(), secret, changes, Some(&known)).map(|binding| binding.text())
        };
        assert_eq!(bound("vendor:yealink", "ldap_password", &[]), None);
        assert_eq!(bound(PHONE, "language", &[]), None);
        assert_eq!(bound(PHONE, "ldap_password", &[]).unwrap(), r#"{"ldap_server":"ldap.example.com"}"#);
        let own = [("ldap_server".to_owned(), Some(Secret::new("own.example.com")))];
        assert_eq!(bound(PHONE, "ldap_password", &own).unwrap(), r#"{"ldap_server":"own.example.com"}"#);
        assert_eq!(Binding::read("{\"ldap_server\":\"x\"}").text(), r#"{"ldap_server":"x"}"#);
        assert_eq!(Binding::read("nonsense"), Binding::default());
    }
}
