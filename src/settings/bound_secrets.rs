//! Computes the bindings of phones' own secrets when they are set.

use gangway_base::mac::Mac;

use super::{
    addresses::addresses_of,
    binding::SecretBinding,
    changed_layers::{Changes, LayerMembership, LayersView, chain},
    layers::Layers,
    scope::Scope,
};

impl Layers {
    /// The binding of a phone's own secret that is set together with `changes`; `None` for any other setting.
    #[must_use]
    pub fn binding_with(
        &self,
        scope: &Scope,
        secret: &str,
        changes: &Changes,
        phone: Option<&LayerMembership>,
    ) -> Option<SecretBinding> {
        let addresses = if matches!(scope, Scope::Phone(_)) { addresses_of(secret) } else { Vec::new() };
        if addresses.is_empty() {
            return None;
        }
        let (view, chain) = (LayersView { layers: self, changed: Some((scope, changes)) }, chain(scope, phone));
        let value = |name: String| view.set(&chain, &name).map(str::to_owned).map(|value| (name, value));
        Some(SecretBinding::to(addresses.into_iter().filter_map(value)))
    }

    /// The secrets of known phones that were stored before bindings were introduced, with the binding each one gets.
    pub fn unbound(&self, phone: impl Fn(Mac) -> Option<LayerMembership>) -> Vec<(&Scope, &str, SecretBinding)> {
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
    use crate::settings::{Defaults, Lookup, PhoneCategory, SettingRow, setting};

    const PHONE: &str = "phone:805ec0aabbcc";

    fn row(scope: &str, name: &str, value: &str) -> SettingRow {
        SettingRow { scope: scope.parse().unwrap(), name: name.to_owned(), value: Secret::new(value) }
    }

    fn membership(vendor: &str, model: Option<&str>, category: Option<&str>) -> LayerMembership {
        LayerMembership {
            vendor: vendor.to_owned(),
            model: model.map(str::to_owned),
            domain: None,
            category: category.map(str::to_owned),
        }
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
        let set_for = membership("yealink", None, None);
        let binding = layers.binding_with(&PHONE.parse().unwrap(), "ldap_password", &[], Some(&set_for)).unwrap();
        let mut rows = shared();
        rows.push(row(PHONE, &SecretBinding::row_name("ldap_password"), &binding.text()));
        let layers = Layers::new(rows, 1);
        assert!(layers.rows().iter().all(|row| setting(&row.name).is_some()), "a binding is no setting");

        let password = |vendor: &str, model: Option<&str>, category: Option<&str>| {
            let mac = Some("805ec0aabbcc".parse().unwrap());
            let category = category.map(PhoneCategory::parse);
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
        let known = membership("yealink", Some("T46U"), None);
        let bound = |scope: &str, secret: &str, changes: &Changes| {
            layers.binding_with(&scope.parse().unwrap(), secret, changes, Some(&known)).map(|binding| binding.text())
        };
        assert_eq!(bound("vendor:yealink", "ldap_password", &[]), None);
        assert_eq!(bound(PHONE, "language", &[]), None);
        assert_eq!(bound(PHONE, "ldap_password", &[]).unwrap(), r#"{"ldap_server":"ldap.example.com"}"#);
        let own = [("ldap_server".to_owned(), Some(Secret::new("own.example.com")))];
        assert_eq!(bound(PHONE, "ldap_password", &own).unwrap(), r#"{"ldap_server":"own.example.com"}"#);
        assert_eq!(SecretBinding::read("{\"ldap_server\":\"x\"}").text(), r#"{"ldap_server":"x"}"#);
        assert_eq!(SecretBinding::read("nonsense"), SecretBinding::default());
    }
}
