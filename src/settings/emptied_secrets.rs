//! Finds the stored secrets that a change would separate from the address they were set for.

use gangway_base::mac::Mac;

use super::{
    addresses::{addresses_of, is_address, is_same_place},
    binding::SecretBinding,
    changed_layers::{Changes, LayerMembership, LayersView, chain},
    layers::{Layers, SettingRow},
    scope::Scope,
    table::setting,
};

/// A stored secret that a change separates from its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmptiedSecretSetting {
    /// The scope in which it is stored.
    pub scope: Scope,
    /// The name of its setting.
    pub name: String,
}

impl Layers {
    /// The stored secrets that these changes in `scope` separate from the address they were set for, except secrets set
    /// by the same changes. `phone` returns the vendor, model and category of a phone.
    ///
    /// This runs under the writer lock, and thousands of phones may have their own secret. A change that does not
    /// affect an address costs nothing; any other change costs a few lookups per secret.
    pub fn emptied(
        &self,
        scope: &Scope,
        changes: &Changes,
        phone: impl Fn(Mac) -> Option<LayerMembership>,
    ) -> Vec<EmptiedSecretSetting> {
        let changed: Vec<&str> =
            changes.iter().map(|(name, _)| name.as_str()).filter(|name| is_address(name)).collect();
        if changed.is_empty() {
            return Vec::new();
        }
        let before = LayersView { layers: self, changed: None };
        let after = LayersView { layers: self, changed: Some((scope, changes)) };
        let is_set = |row: &SettingRow| row.scope == *scope && changes.iter().any(|(name, _)| *name == row.name);
        let secrets = self.rows().iter().filter(|row| !row.value.is_empty() && may_hold_at(scope, &row.scope));
        let is_moved = |row: &&SettingRow| {
            let mut addresses = addresses_of(&row.name);
            addresses.retain(|address| changed.contains(&address.as_str()));
            let binding = self.binding(&row.scope, &row.name);
            let is_moved = || is_moved(before, after, (&row.scope, binding), scope, &addresses, &phone);
            !addresses.is_empty() && !is_set(row) && is_moved()
        };
        secrets
            .filter(is_moved)
            .map(|row| EmptiedSecretSetting { scope: row.scope.clone(), name: row.name.clone() })
            .collect()
    }
}

/// Whether a value set in `changed` may apply where something is stored. The vendors of a category's phones are
/// unknown.
fn may_hold_at(changed: &Scope, stored: &Scope) -> bool {
    match (changed, stored) {
        (Scope::Instance, _) | (_, Scope::Phone(_)) => !matches!(changed, Scope::Phone(_)) || changed == stored,
        (Scope::Vendor(_) | Scope::Model(_), Scope::Category(_)) => true,
        (Scope::Vendor(vendor), Scope::Model(model)) => {
            model.strip_prefix(vendor.as_str()).is_some_and(|rest| rest.starts_with('/'))
        }
        _ => changed == stored,
    }
}

/// Whether a change in `changed` moves an address setting away from the place it has where a secret is stored. A move
/// to the place that the secret is bound to does not count: the withheld secret becomes effective again.
fn is_moved(
    before: LayersView<'_>,
    after: LayersView<'_>,
    (stored, binding): (&Scope, Option<&SecretBinding>),
    changed: &Scope,
    addresses: &[String],
    phone: &impl Fn(Mac) -> Option<LayerMembership>,
) -> bool {
    let membership = match stored {
        Scope::Phone(mac) => phone(*mac),
        _ => None,
    };
    // The vendors of a category's phones are unknown, and so is the kind of a phone that does not exist yet.
    let may_lie_below = match stored {
        Scope::Category(_) => matches!(changed, Scope::Vendor(_) | Scope::Model(_)),
        Scope::Phone(_) => membership.is_none() && !matches!(changed, Scope::Phone(_)),
        _ => false,
    };
    let chain = chain(stored, membership.as_ref());
    if !may_lie_below && !chain.contains(changed) {
        return false;
    }
    addresses.iter().any(|address| {
        let Some(setting) = setting(address) else { return false };
        let differs = |chain: &[Scope]| {
            let (before, after) = (before.set(chain, address), after.set(chain, address));
            let is_same = is_same_place(setting, before.unwrap_or(setting.default), after.unwrap_or(setting.default));
            !is_same && !binding.is_some_and(|binding| binding.is_kept(setting, after, setting.default))
        };
        let inherits = may_lie_below && before.at(stored, address).is_none();
        differs(&chain) || (inherits && differs(&self::chain(changed, None)))
    })
}

#[cfg(test)]
mod tests {
    use gangway_base::secret::Secret;

    use super::*;
    use crate::settings::{Defaults, Lookup};

    fn layers(rows: &[(&str, &str, &str)]) -> Layers {
        let row = |(scope, name, value): &(&str, &str, &str)| SettingRow {
            scope: scope.parse().unwrap(),
            name: (*name).to_owned(),
            value: Secret::new(*value),
        };
        Layers::new(rows.iter().map(row).collect(), 1)
    }

    const PHONE: &str = "phone:805ec0aabbcc";

    fn known(_: Mac) -> Option<LayerMembership> {
        Some(LayerMembership {
            vendor: "yealink".to_owned(),
            model: Some("T46U".to_owned()),
            ..LayerMembership::default()
        })
    }

    fn emptied(layers: &Layers, scope: &str, changes: &[(&str, Option<&str>)]) -> Vec<String> {
        let changes: Vec<_> =
            changes.iter().map(|(name, value)| ((*name).to_owned(), value.map(Secret::new))).collect();
        let found = layers.emptied(&scope.parse().unwrap(), &changes, known);
        found.into_iter().map(|EmptiedSecretSetting { scope, name }| format!("{scope} {name}")).collect()
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
        // If no URL is set, another protocol is another service.
        assert_eq!(
            emptied(&set, "instance", &[("redirect.yealink.protocol", Some("yealink-ymcs"))]),
            ["instance redirect.yealink.password"]
        );
        // The same change sets the secret, so it is not lost.
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

    /// Thousands of phones with separate secrets, and a change under the writer lock. Quadratic cost in the number of
    /// secrets took minutes; the bound is generous for a busy machine.
    #[test]
    fn a_change_costs_a_few_look_ups_per_secret() {
        const SECRETS: usize = 10_000;
        let scope = |count: usize| Scope::Phone(Mac::from_hex(&format!("805ec0{count:06x}")).unwrap());
        let row = |scope: Scope, name: &str, value: &str| SettingRow {
            scope,
            name: name.to_owned(),
            value: Secret::new(value),
        };
        let mut rows: Vec<_> = (0..SECRETS).map(|count| row(scope(count), "ldap_password", "p")).collect();
        rows.push(row(Scope::Instance, "ldap_server", "ldap.example.com"));
        let layers = Layers::new(rows, 1);
        let calls = std::cell::Cell::new(0);
        let phone = |mac| {
            calls.set(calls.get() + 1);
            known(mac)
        };
        let change = |scope: &Scope, name: &str| {
            calls.set(0);
            let begun = std::time::Instant::now();
            let found = layers.emptied(scope, &[(name.to_owned(), Some(Secret::new("evil.example")))], phone).len();
            let took = begun.elapsed();
            assert!(took < std::time::Duration::from_secs(5), "{name} at {scope}: {took:?}");
            (found, calls.get())
        };
        assert_eq!(change(&Scope::Instance, "language"), (0, 0));
        assert_eq!(change(&Scope::Instance, "ldap_base"), (0, 0));
        assert_eq!(change(&Scope::Instance, "ldap_server"), (SECRETS, SECRETS));
        assert_eq!(change(&Scope::Vendor("snom".to_owned()), "ldap_server"), (0, SECRETS));
        assert_eq!(change(&scope(7), "ldap_server"), (1, 1));
    }
}
