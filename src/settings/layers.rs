//! The values set in one instance, and what holds for one phone.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use gangway_base::{mac::Mac, secret::Secret};

use super::{
    addresses,
    binding::{Bindings, SecretBinding},
    devices,
    scope::Scope,
    table::{Setting, TABLE, setting},
};
use crate::phone::{
    public_url::Scheme,
    record::{DeviceConfig, Phone},
};

/// One value somebody set.
#[derive(Debug, Clone)]
pub struct SettingRow {
    /// Where.
    pub scope: Scope,
    /// The setting's name.
    pub name: String,
    /// Its value as text.
    pub value: Secret,
}

/// All values set in one instance. Immutable; a change makes a new one with a higher revision.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    rows: Vec<SettingRow>,
    /// Place of each row: an instance may have thousands of phones with values of their own.
    places: HashMap<Scope, Places>,
    /// The addresses of the phones' own secrets.
    bindings: Bindings,
    revision: u64,
}

/// What a vendor's manifest says in place of the table's defaults. Whoever looks settings up has to name it.
#[derive(Debug, Clone, Copy)]
pub enum Defaults<'a> {
    /// Those of the phone's family.
    Family(&'a BTreeMap<String, String>),
    /// The table's alone: of no vendor in particular, or of settings a manifest has no say in
    /// (see [`super::family_may_default`]).
    Table,
}

/// Which layers hold for a phone. What is unknown skips its layer.
#[derive(Debug, Clone)]
pub struct Lookup<'a> {
    /// Vendor folder.
    pub vendor: Option<&'a str>,
    /// Model without the vendor.
    pub model: Option<&'a str>,
    /// Devices category.
    pub category: Option<&'a str>,
    /// The phone.
    pub mac: Option<Mac>,
    /// What the vendor's manifest says in place of the table's defaults.
    pub defaults: Defaults<'a>,
}

impl<'a> Lookup<'a> {
    /// Of nobody in particular: the instance alone.
    #[must_use]
    pub fn instance() -> Self {
        Self { vendor: None, model: None, category: None, mac: None, defaults: Defaults::Table }
    }

    /// Every layer of this phone.
    #[must_use]
    pub fn of(phone: &'a Phone, defaults: Defaults<'a>) -> Self {
        Self {
            vendor: Some(&phone.vendor),
            model: phone.model.as_deref(),
            category: phone.category.as_deref(),
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

/// A layer a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// The table.
    Default,
    /// The manifest of the vendor, for its family of phones.
    Manifest,
    /// Somebody set it there.
    Set(Scope),
    /// Devices deployed it.
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

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueOrigin {
    /// The layer that won.
    pub layer: Layer,
    /// The layers that had a value too, nearest first, with their values (`***` for secrets).
    pub beaten: Vec<(Layer, String)>,
}

impl Layers {
    /// The rows of one instance, as they are stored: those of bindings are no settings.
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

    /// Grows with every change.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The rows as set.
    #[must_use]
    pub fn rows(&self) -> &[SettingRow] {
        &self.rows
    }

    /// The row of a setting at a scope.
    #[must_use]
    pub fn row(&self, scope: &Scope, name: &str) -> Option<&SettingRow> {
        self.rows.get(*self.places.get(scope)?.get(name)?)
    }

    /// The address a stored secret was set for, where that is known.
    #[must_use]
    pub fn binding(&self, scope: &Scope, secret: &str) -> Option<&SecretBinding> {
        self.bindings.get(scope)?.get(secret)
    }

    /// The value of a setting for the whole instance, or its default; `None` for a name the table does not know.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Secret> {
        let row = self.row(&Scope::Instance, name);
        row.map(|row| row.value.clone()).or_else(|| setting(name).map(|setting| Secret::new(setting.default)))
    }

    /// What holds for one phone: default < instance < vendor < model < category < Devices < phone.
    #[must_use]
    pub fn effective(&self, phone: &Lookup<'_>, devices: Option<&DeviceConfig>) -> Effective {
        self.resolve(TABLE.iter(), phone, devices)
    }

    /// The same of a few settings alone, at the cost of those.
    #[must_use]
    pub fn effective_of(&self, names: &[&str], phone: &Lookup<'_>, devices: Option<&DeviceConfig>) -> Effective {
        self.resolve(names.iter().filter_map(|name| setting(name)), phone, devices)
    }

    /// How a phone shall come: the setting `provisioning_scheme` as it holds for it.
    #[must_use]
    pub fn scheme_of(&self, phone: &Phone) -> Scheme {
        self.scheme(&Lookup::of(phone, Defaults::Table))
    }

    /// How phones of this kind shall come. Neither Devices nor a family has a say in that.
    #[must_use]
    pub fn scheme(&self, lookup: &Lookup<'_>) -> Scheme {
        self.effective_of(&["provisioning_scheme"], lookup, None).scheme()
    }

    /// Like [`Self::effective`], and for every setting where its value came from and what it beat; several times the
    /// cost.
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
        // The nearest value among what is shared, up to a layer, and which layer that is.
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

    /// The scopes that hold for the phone and have values at all, widest first.
    fn sources(&self, phone: &Lookup<'_>) -> Sources<'_> {
        let mut scopes = vec![Scope::Instance];
        if let Some(vendor) = phone.vendor {
            scopes.push(Scope::Vendor(vendor.to_owned()));
            if let Some(model) = phone.model {
                scopes.push(Scope::Model(format!("{vendor}/{model}")));
            }
        }
        scopes.extend(phone.category.map(|category| Scope::Category(category.to_owned())));
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
            beaten: found.into_iter().rev().map(|(layer, value)| (layer, setting.shown(&value))).collect(),
        }
    }
}

/// Setting -> place of its row.
type Places = HashMap<String, usize>;

/// Whose values hold for a phone.
struct Sources<'a> {
    /// What it shares with others, widest first.
    shared: Vec<(&'a Scope, &'a Places)>,
    /// Its own.
    own: Option<(&'a Scope, &'a Places)>,
}

/// The settings that hold for one phone.
#[derive(Debug, Clone)]
pub struct Effective {
    values: HashMap<&'static str, Secret>,
    /// Only of [`Layers::traced`].
    origins: HashMap<&'static str, ValueOrigin>,
    /// Secrets that were set for another address.
    withheld: Vec<&'static str>,
}

impl Effective {
    /// The value as text; empty for a name the table does not know.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.values.get(name).map_or("", Secret::expose)
    }

    /// `None` when the value is empty.
    #[must_use]
    pub fn nonempty(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// True for `true`.
    #[must_use]
    pub fn bool(&self, name: &str) -> bool {
        self.text(name) == "true"
    }

    /// How phones shall come: the setting `provisioning_scheme`. Whatever is not `http` is `https`.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        if self.text("provisioning_scheme") == "http" { Scheme::Http } else { Scheme::Https }
    }

    /// The number, or the default's when the value is none.
    #[must_use]
    pub fn u32(&self, name: &str) -> u32 {
        let default = || setting(name).and_then(|setting| setting.default.parse().ok());
        self.text(name).parse().ok().or_else(default).unwrap_or_default()
    }

    /// The value in custody.
    #[must_use]
    pub fn secret(&self, name: &str) -> Secret {
        self.values.get(name).cloned().unwrap_or_default()
    }

    /// Whether a secret is left out because it was set for another address than the one that holds here.
    #[must_use]
    pub fn is_withheld(&self, name: &str) -> bool {
        self.withheld.contains(&name)
    }

    /// Where the value came from and what it beat; known to settings that were [`Layers::traced`].
    #[must_use]
    pub fn origin(&self, name: &str) -> Option<&ValueOrigin> {
        self.origins.get(name)
    }

    /// The same settings but one: what would a file look like if... (see `render::explain`).
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
    fn the_narrower_layer_wins_and_says_what_it_beat() {
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
        let lookup = |mac: &str, category| Lookup {
            vendor: Some("yealink"),
            model: Some("T46U"),
            category,
            mac: Some(mac.parse().unwrap()),
            defaults: Defaults::Table,
        };
        let layers = Layers::new(rows, 3);
        let own = layers.traced(&lookup("805ec0aabbcc", Some("Lab")), Some(&devices));
        assert_eq!(own.text("ntp_server_1"), "phone");
        let beaten: Vec<_> =
            own.origin("ntp_server_1").unwrap().beaten.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(beaten, ["devices", "category", "model", "vendor", "instance", ""]);
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
            let beaten: Vec<String> = origin.beaten.iter().map(|(layer, value)| format!("{layer} {value}")).collect();
            (effective.text("ldap_number_filter").to_owned(), origin.layer.to_string(), beaten)
        };
        let own = (String::from("dn=%"), String::from("manifest"), vec![String::from("default (e164=%)")]);
        assert_eq!(shown(&Layers::default()), own);
        let (value, layer, beaten) = shown(&Layers::new(vec![row("instance", "ldap_number_filter", "(x=%)")], 1));
        assert_eq!((value.as_str(), layer.as_str()), ("(x=%)", "instance"));
        assert_eq!(beaten, ["manifest dn=%", "default (e164=%)"]);
    }

    #[test]
    fn a_beaten_secret_is_not_shown() {
        let layers = Layers::new(
            vec![row("instance", "ldap_password", "hunter2"), row("vendor:yealink", "ldap_password", "x")],
            1,
        );
        let effective = layers.traced(&Lookup { vendor: Some("yealink"), ..Lookup::instance() }, None);
        assert_eq!(effective.origin("ldap_password").unwrap().beaten[0].1, "***");
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
