//! The values set in one instance, and the effective values of one phone.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use gangway_base::{mac::Mac, secret::Secret};

use super::{
    addresses,
    binding::{Bindings, SecretBinding},
    devices,
    scope::{PhoneCategory, Scope},
    table::{Setting, TABLE, setting},
};
use crate::phone::{
    public_url::Scheme,
    record::{DeviceConfig, Phone},
};

/// A value set by a user.
#[derive(Debug, Clone)]
pub struct SettingRow {
    /// The scope in which it is set.
    pub scope: Scope,
    /// The setting's name.
    pub name: String,
    /// Its value as text.
    pub value: Secret,
}

/// All values set in one instance. Immutable; a change creates a new object with a higher revision.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    rows: Vec<SettingRow>,
    /// Index of each row, because an instance may have thousands of phones with separate values.
    places: HashMap<Scope, Places>,
    /// The addresses that the phones' own secrets are bound to.
    bindings: Bindings,
    revision: u64,
}

/// Defaults from a vendor's manifest that replace those of the table. Every lookup must specify them.
#[derive(Debug, Clone, Copy)]
pub enum Defaults<'a> {
    /// The defaults of the phone's family.
    Family(&'a BTreeMap<String, String>),
    /// Only the defaults of the table: for lookups without a vendor, or for settings that a manifest cannot change (see
    /// [`super::family_may_default`]).
    Table,
}

/// Selects the layers that apply to a phone. The layer of an unknown value is skipped.
#[derive(Debug, Clone)]
pub struct Lookup<'a> {
    /// Vendor folder.
    pub vendor: Option<&'a str>,
    /// Model without the vendor.
    pub model: Option<&'a str>,
    /// Devices category.
    pub category: Option<PhoneCategory<'a>>,
    /// MAC address of the phone.
    pub mac: Option<Mac>,
    /// Defaults from the vendor's manifest that replace those of the table.
    pub defaults: Defaults<'a>,
}

impl<'a> Lookup<'a> {
    /// Looks up the instance layer only.
    #[must_use]
    pub fn instance() -> Self {
        Self { vendor: None, model: None, category: None, mac: None, defaults: Defaults::Table }
    }

    /// Looks up all layers of this phone.
    #[must_use]
    pub fn of(phone: &'a Phone, defaults: Defaults<'a>) -> Self {
        Self {
            vendor: Some(&phone.vendor),
            model: phone.model.as_deref(),
            category: PhoneCategory::of(phone),
            mac: Some(phone.mac),
            defaults,
        }
    }

    fn of_manifest(&self, setting: &Setting) -> Option<&str> {
        match self.defaults {
            Defaults::Family(values) => values.get(setting.name).map(String::as_str),
            Defaults::Table => None,
        }
    }

    fn default_of(&self, setting: &Setting) -> &str {
        self.of_manifest(setting).unwrap_or(setting.default)
    }
}

/// The layer that a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// The default of the table.
    Default,
    /// The vendor's manifest, for a family of phones.
    Manifest,
    /// A value set in this scope.
    Set(Scope),
    /// A value deployed by Devices.
    Devices,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Manifest => f.write_str("manifest"),
            Self::Set(scope) => scope.fmt(f),
            Self::Devices => f.write_str("Devices"),
        }
    }
}

/// The origin of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueOrigin {
    /// The layer with the effective value.
    pub layer: Layer,
    /// The overridden layers, nearest first, with their values (`***` for secrets).
    pub overridden: Vec<(Layer, String)>,
}

impl Layers {
    /// Creates the layers from the stored rows of one instance. Rows of bindings are not settings.
    #[must_use]
    pub fn new(rows: Vec<SettingRow>, revision: u64) -> Self {
        let (bound, rows): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|row| SecretBinding::secret_of(&row.name).is_some());
        let mut bindings = Bindings::new();
        for SettingRow { scope, name, value } in bound {
            let secret = SecretBinding::secret_of(&name).unwrap_or_default().to_owned();
            bindings.entry(scope).or_default().insert(secret, SecretBinding::read(value.expose()));
        }
        let mut places: HashMap<Scope, Places> = HashMap::new();
        for (place, row) in rows.iter().enumerate() {
            places.entry(row.scope.clone()).or_default().insert(row.name.clone(), place);
        }
        Self { rows, places, bindings, revision }
    }

    /// Revision number; increases with every change.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The rows as they were set.
    #[must_use]
    pub fn rows(&self) -> &[SettingRow] {
        &self.rows
    }

    /// The row of a setting in a scope.
    #[must_use]
    pub fn row(&self, scope: &Scope, name: &str) -> Option<&SettingRow> {
        self.rows.get(*self.places.get(scope)?.get(name)?)
    }

    /// The address that a stored secret was set for, if known.
    #[must_use]
    pub fn binding(&self, scope: &Scope, secret: &str) -> Option<&SecretBinding> {
        self.bindings.get(scope)?.get(secret)
    }

    /// Whether other values apply to the phone because its category is another one than before.
    #[must_use]
    pub fn category_differs(&self, before: &Phone, after: &Phone) -> bool {
        let of = |phone| PhoneCategory::of(phone).into_iter().flat_map(PhoneCategory::scopes);
        (before.category != after.category || before.devices_domain != after.devices_domain)
            && of(before).chain(of(after)).any(|scope| self.places.contains_key(&scope))
    }

    /// The value of a setting for the whole instance, or its default; `None` if the table does not contain the name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Secret> {
        let row = self.row(&Scope::Instance, name);
        row.map(|row| row.value.clone()).or_else(|| setting(name).map(|setting| Secret::new(setting.default)))
    }

    /// The effective values of one phone: default < instance < vendor < model < category < Devices < phone.
    #[must_use]
    pub fn effective(&self, phone: &Lookup<'_>, devices: Option<&DeviceConfig>) -> Effective {
        self.resolve(TABLE.iter(), phone, devices)
    }

    /// Like [`Self::effective`], but only for some settings, at the cost of those.
    #[must_use]
    pub fn effective_of(&self, names: &[&str], phone: &Lookup<'_>, devices: Option<&DeviceConfig>) -> Effective {
        self.resolve(names.iter().filter_map(|name| setting(name)), phone, devices)
    }

    /// The URL scheme a phone must use: its effective value of the setting `provisioning_scheme`.
    #[must_use]
    pub fn scheme_of(&self, phone: &Phone) -> Scheme {
        self.scheme(&Lookup::of(phone, Defaults::Table))
    }

    /// The URL scheme phones of this kind must use. Neither Devices nor a family can change it.
    #[must_use]
    pub fn scheme(&self, lookup: &Lookup<'_>) -> Scheme {
        self.effective_of(&["provisioning_scheme"], lookup, None).scheme()
    }

    /// Like [`Self::effective`], but also records the origin and the overridden values of every setting. Several times
    /// as expensive.
    #[must_use]
    pub fn traced(&self, phone: &Lookup<'_>, devices: Option<&DeviceConfig>) -> Effective {
        let sources = self.sources(phone);
        let mut effective = self.resolve(TABLE.iter(), phone, devices);
        effective.origins =
            TABLE.iter().map(|setting| (setting.name, self.origin(setting, phone, &sources, devices))).collect();
        effective
    }

    fn resolve(
        &self,
        settings: impl Iterator<Item = &'static Setting>,
        phone: &Lookup<'_>,
        devices: Option<&DeviceConfig>,
    ) -> Effective {
        let Sources { shared, own } = self.sources(phone);
        let set = |places: &Places, name: &str| places.get(name).and_then(|place| self.rows.get(*place));
        // The nearest shared value up to a layer, and its layer.
        let nearest = |name: &str, upto: usize| {
            let found = shared.iter().enumerate().take(upto).rev();
            found.into_iter().find_map(|(layer, (_, places))| Some((layer, set(places, name)?)))
        };
        let here = |name: &str| {
            let here = own.and_then(|(_, places)| set(places, name));
            here.or_else(|| nearest(name, shared.len()).map(|(_, row)| row)).map(|row| row.value.expose())
        };
        let is_elsewhere = |setting: &Setting, is_kept: &dyn Fn(&Setting) -> bool| {
            setting.addresses.iter().filter_map(|name| super::table::setting(name)).any(|address| !is_kept(address))
        };
        let mut withheld = Vec::new();
        let mut value = |setting: &'static Setting| {
            if let Some((scope, row)) = own.and_then(|(scope, places)| Some((scope, set(places, setting.name)?))) {
                let Some(binding) = self.binding(scope, setting.name) else { return row.value.clone() };
                let is_kept =
                    |address: &Setting| binding.is_kept(address, here(address.name), phone.default_of(address));
                if !row.value.is_empty() && is_elsewhere(setting, &is_kept) {
                    withheld.push(setting.name);
                    return Secret::default();
                }
                return row.value.clone();
            }
            if let Some(value) = devices.and_then(|config| devices::value_from(config, setting.name)) {
                return value;
            }
            let Some((layer, row)) = nearest(setting.name, shared.len()) else {
                return Secret::new(phone.default_of(setting));
            };
            let is_kept = |address: &Setting| {
                let there = nearest(address.name, layer + 1).map(|(_, row)| row.value.expose());
                let text = |value: Option<&str>| value.unwrap_or_else(|| phone.default_of(address)).to_owned();
                addresses::is_same_place(address, &text(there), &text(here(address.name)))
            };
            if !row.value.is_empty() && is_elsewhere(setting, &is_kept) {
                withheld.push(setting.name);
                return Secret::default();
            }
            row.value.clone()
        };
        let mut values = HashMap::with_capacity(settings.size_hint().1.unwrap_or_default());
        values.extend(settings.map(|setting| (setting.name, value(setting))));
        Effective { values, origins: HashMap::new(), withheld }
    }

    /// The scopes that apply to the phone and contain values, widest first.
    fn sources(&self, phone: &Lookup<'_>) -> Sources<'_> {
        let mut scopes = vec![Scope::Instance];
        if let Some(vendor) = phone.vendor {
            scopes.push(Scope::Vendor(vendor.to_owned()));
            if let Some(model) = phone.model {
                scopes.push(Scope::Model(format!("{vendor}/{model}")));
            }
        }
        scopes.extend(phone.category.into_iter().flat_map(PhoneCategory::scopes));
        let layer = |scope: &Scope| self.places.get_key_value(scope);
        Sources {
            shared: scopes.iter().filter_map(layer).collect(),
            own: phone.mac.and_then(|mac| layer(&Scope::Phone(mac))),
        }
    }

    fn origin(
        &self,
        setting: &Setting,
        phone: &Lookup<'_>,
        sources: &Sources<'_>,
        devices: Option<&DeviceConfig>,
    ) -> ValueOrigin {
        let mut found = vec![(Layer::Default, Secret::new(setting.default))];
        found.extend(phone.of_manifest(setting).map(|value| (Layer::Manifest, Secret::new(value))));
        let set = |(scope, places): &(&Scope, &Places)| {
            let row = self.rows.get(*places.get(setting.name)?)?;
            Some((Layer::Set((*scope).clone()), row.value.clone()))
        };
        found.extend(sources.shared.iter().filter_map(set));
        let deployed = devices.and_then(|config| devices::value_from(config, setting.name));
        found.extend(deployed.map(|value| (Layer::Devices, value)));
        found.extend(sources.own.iter().filter_map(set));
        let layer = found.pop().map_or(Layer::Default, |(layer, _)| layer);
        ValueOrigin {
            layer,
            overridden: found.into_iter().rev().map(|(layer, value)| (layer, setting.shown(&value))).collect(),
        }
    }
}

/// Setting name -> index of its row.
type Places = HashMap<String, usize>;

/// The scopes whose values apply to a phone.
struct Sources<'a> {
    /// The scopes it shares with other phones, widest first.
    shared: Vec<(&'a Scope, &'a Places)>,
    /// The scope of the phone itself.
    own: Option<(&'a Scope, &'a Places)>,
}

/// The effective settings of one phone.
#[derive(Debug, Clone)]
pub struct Effective {
    values: HashMap<&'static str, Secret>,
    /// Filled only by [`Layers::traced`].
    origins: HashMap<&'static str, ValueOrigin>,
    /// Secrets that were set for a different address.
    withheld: Vec<&'static str>,
}

impl Effective {
    /// The value as text; empty if the table does not contain the name.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.values.get(name).map_or("", Secret::expose)
    }

    /// The value, or `None` if it is empty.
    #[must_use]
    pub fn nonempty(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// True if the value is `true`.
    #[must_use]
    pub fn bool(&self, name: &str) -> bool {
        self.text(name) == "true"
    }

    /// The URL scheme phones must use: the setting `provisioning_scheme`. Any value but `http` means `https`.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        if self.text("provisioning_scheme") == "http" { Scheme::Http } else { Scheme::Https }
    }

    /// The value as a number, or the default if it is not a number.
    #[must_use]
    pub fn u32(&self, name: &str) -> u32 {
        let default = || setting(name).and_then(|setting| setting.default.parse().ok());
        self.text(name).parse().ok().or_else(default).unwrap_or_default()
    }

    /// The value as a [`Secret`].
    #[must_use]
    pub fn secret(&self, name: &str) -> Secret {
        self.values.get(name).cloned().unwrap_or_default()
    }

    /// Whether a secret is withheld because it was set for another address than the effective one.
    #[must_use]
    pub fn is_withheld(&self, name: &str) -> bool {
        self.withheld.contains(&name)
    }

    /// The origin of the value and the overridden values; only known for [`Layers::traced`].
    #[must_use]
    pub fn origin(&self, name: &str) -> Option<&ValueOrigin> {
        self.origins.get(name)
    }

    /// A copy with one setting changed, to see its effect on a file (see `render::explain`).
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        if let Some(known) = other.values.get_mut(name) {
            *known = Secret::new(value);
        }
        other
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(scope: &str, name: &str, value: &str) -> SettingRow {
        SettingRow { scope: scope.parse().unwrap(), name: name.to_owned(), value: Secret::new(value) }
    }

    #[test]
    fn the_narrower_layer_wins_and_lists_the_overridden_values() {
        let rows = vec![
            row("phone:805ec0aabbcc", "ntp_server_1", "phone"),
            row("instance", "ntp_server_1", "instance"),
            row("category:Lab", "ntp_server_1", "category"),
            row("vendor:yealink", "ntp_server_1", "vendor"),
            row("model:yealink/T46U", "ntp_server_1", "model"),
            row("vendor:snom", "ntp_server_1", "other"),
        ];
        let mut devices = DeviceConfig::default();
        devices.items.insert("NTP".to_owned(), json!({"type": "NTP", "ntp1": "devices"}));
        let lookup = |mac: &str, category: Option<&'static str>| Lookup {
            vendor: Some("yealink"),
            model: Some("T46U"),
            category: category.map(PhoneCategory::parse),
            mac: Some(mac.parse().unwrap()),
            defaults: Defaults::Table,
        };
        let layers = Layers::new(rows, 3);
        let own = layers.traced(&lookup("805ec0aabbcc", Some("Lab")), Some(&devices));
        assert_eq!(own.text("ntp_server_1"), "phone");
        let overridden: Vec<_> =
            own.origin("ntp_server_1").unwrap().overridden.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(overridden, ["devices", "category", "model", "vendor", "instance", ""]);
        let other = layers.traced(&lookup("805ec0aabbcd", Some("Lab")), Some(&devices));
        assert_eq!(other.text("ntp_server_1"), "devices");
        assert_eq!(other.origin("ntp_server_1").unwrap().layer, Layer::Devices);
        assert_eq!(layers.effective(&lookup("805ec0aabbcd", Some("Lab")), None).text("ntp_server_1"), "category");
        assert_eq!(layers.effective(&lookup("805ec0aabbcd", None), None).text("ntp_server_1"), "model");
        let few = layers.effective_of(&["ntp_server_1"], &lookup("805ec0aabbcc", Some("Lab")), Some(&devices));
        assert_eq!((few.text("ntp_server_1"), few.text("window_days")), ("phone", ""));
        for setting in TABLE {
            let quick = layers.effective(&lookup("805ec0aabbcc", Some("Lab")), Some(&devices));
            assert_eq!(quick.text(setting.name), own.text(setting.name), "{}", setting.name);
            assert_eq!(quick.origin(setting.name), None);
        }
        assert_eq!(layers.get("ntp_server_1").unwrap().expose(), "instance");
        assert_eq!(layers.get("window_days").unwrap().expose(), "7");
    }

    #[test]
    fn a_manifest_has_defaults_of_its_own() {
        let defaults = [("ldap_number_filter".to_owned(), "dn=%".to_owned())].into();
        let shown = |layers: &Layers| {
            let lookup = Lookup { defaults: Defaults::Family(&defaults), ..Lookup::instance() };
            let effective = layers.traced(&lookup, None);
            assert_eq!(
                layers.effective(&lookup, None).text("ldap_number_filter"),
                effective.text("ldap_number_filter")
            );
            let origin = effective.origin("ldap_number_filter").unwrap();
            let overridden: Vec<String> =
                origin.overridden.iter().map(|(layer, value)| format!("{layer} {value}")).collect();
            (effective.text("ldap_number_filter").to_owned(), origin.layer.to_string(), overridden)
        };
        let own = (String::from("dn=%"), String::from("manifest"), vec![String::from("default (e164=%)")]);
        assert_eq!(shown(&Layers::default()), own);
        let (value, layer, overridden) = shown(&Layers::new(vec![row("instance", "ldap_number_filter", "(x=%)")], 1));
        assert_eq!((value.as_str(), layer.as_str()), ("(x=%)", "instance"));
        assert_eq!(overridden, ["manifest dn=%", "default (e164=%)"]);
    }

    #[test]
    fn an_overridden_secret_is_not_shown() {
        let layers = Layers::new(
            vec![row("instance", "ldap_password", "hunter2"), row("vendor:yealink", "ldap_password", "x")],
            1,
        );
        let effective = layers.traced(&Lookup { vendor: Some("yealink"), ..Lookup::instance() }, None);
        assert_eq!(effective.origin("ldap_password").unwrap().overridden[0].1, "***");
        assert!(!format!("{effective:?}").contains("hunter2"));
    }

    #[test]
    fn an_empty_or_broken_item_says_nothing() {
        let mut devices = DeviceConfig::default();
        devices.items.insert("NTP".to_owned(), json!({"ntp1": " ", "tz": "a\nb"}));
        devices.items.insert("PHONE".to_owned(), json!({"srtpKey": "4", "dialTone": 15}));
        let effective = Layers::default().traced(&Lookup::instance(), Some(&devices));
        assert_eq!(effective.origin("ntp_server_1").unwrap().layer, Layer::Default);
        assert_eq!(effective.origin("timezone").unwrap().layer, Layer::Default);
        assert_eq!(effective.text("srtp"), "off");
        assert_eq!(effective.text("location"), "DE");
    }
}
