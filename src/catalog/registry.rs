//! The registry of all loaded vendors.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use gangway_wire::http_auth::Scheme;
use serde::Serialize;

use super::{
    family::{Family, Generation},
    file_pattern::FilePattern,
    format::Fault,
    manifest::{Manifest, Provider, ReprovisionPolicy},
    model::Model,
    recognise::{Recogniser, Recognition},
    templates::{TemplateFault, Templates},
    time_zones::Zones,
};
use crate::{phone_config::ModelFacts, settings::line_keys::KeyType};

/// The registry of the process. A reload replaces it as a whole.
pub type SharedRegistry = Arc<arc_swap::ArcSwap<Registry>>;

/// A vendor.
#[derive(Debug)]
pub struct Vendor {
    /// Name of the folder.
    pub name: Arc<str>,
    /// Name for display.
    pub title: String,
    /// Its apps.
    pub providers: Vec<Provider>,
    /// How its phones authenticate.
    pub auth: Scheme,
    /// Its redirect services.
    pub redirect: super::manifest::Redirect,
    /// The time zone names of its phones.
    pub zones: Zones,
    /// The words for line key types in its files.
    pub key_codes: BTreeMap<KeyType, String>,
    /// CA certificates of `vendors/<vendor>/ca/`, by path. A client with a certificate from one of these CAs is a phone
    /// of this vendor.
    pub ca: Vec<(String, String)>,
    /// The whole manifest.
    pub manifest: Manifest,
    /// `manifest.files` compiled, in the same order.
    pub(super) file_names: Vec<regex::Regex>,
}

/// The registry of all vendors.
pub struct Registry {
    vendors: BTreeMap<String, Vendor>,
    recogniser: Recogniser,
    pub(super) templates: Templates,
    revision: u64,
}

static LOADS: AtomicU64 = AtomicU64::new(0);

impl Registry {
    /// Creates a registry with the next revision.
    pub(super) fn new(vendors: BTreeMap<String, Vendor>, recogniser: Recogniser, templates: Templates) -> Self {
        Self { vendors, recogniser, templates, revision: LOADS.fetch_add(1, Ordering::Relaxed) + 1 }
    }

    /// Recognises the vendor, the phone and the requested file of a request. Cheap enough to run for every request.
    #[must_use]
    pub fn recognise(&self, user_agent: Option<&str>, path: Option<&str>) -> Recognition {
        self.recogniser.recognise(user_agent, path)
    }

    /// The vendor with this folder name.
    #[must_use]
    pub fn vendor(&self, name: &str) -> Option<&Vendor> {
        self.vendors.get(name)
    }

    /// All vendors, ordered by name.
    pub fn vendors(&self) -> impl Iterator<Item = &Vendor> {
        self.vendors.values()
    }

    /// The provider with this name and its vendor. Its app is `gangway-<name>`.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<(&Vendor, &Provider)> {
        self.vendors().find_map(|vendor| {
            let provider = vendor.providers.iter().find(|provider| provider.name == name)?;
            Some((vendor, provider))
        })
    }

    /// Revision number; increases with every load in this process.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Renders a template in the format of its family and validates the result. `open` restricts it to the keys of the
    /// open stage.
    ///
    /// # Errors
    /// File, line and reason, without values.
    pub fn render<T: Serialize>(
        &self,
        vendor: &Vendor,
        family: &Family,
        template: &str,
        values: &T,
        open: bool,
    ) -> Result<String, TemplateFault> {
        let manifest = &vendor.manifest;
        let format = manifest.format_of(family);
        let name = format!("{}/{template}", vendor.name);
        let text = self.templates.render(format, &name, values)?;
        let in_open = |key: &str| manifest.open.keys.iter().any(|known| known == key);
        let allowed: Option<&dyn Fn(&str) -> bool> = if open { Some(&in_open) } else { None };
        format.finish(&text, &manifest.lines, allowed).map_err(|Fault { line, reason }| TemplateFault {
            name,
            line: None,
            reason: format!("line {line} of what it writes is no good: {reason}"),
        })
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("vendors", &self.vendors.keys()).field("revision", &self.revision).finish()
    }
}

impl Vendor {
    /// The model with this name in the User-Agent, case-insensitive.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.manifest.models.iter().find(|model| model.name.eq_ignore_ascii_case(name))
    }

    /// The properties of a model that its templates need.
    #[must_use]
    pub fn facts<'a>(&'a self, model: Option<&str>, family: &'a Family) -> ModelFacts<'a> {
        let known = model.and_then(|model| self.model(model));
        let unknown = self.manifest.unknown_model_of(Some(family));
        ModelFacts {
            model: known.map_or("", |model| model.name.as_str()),
            accounts: known.map_or(unknown.accounts, |model| model.accounts),
            line_keys: known.map_or(unknown.line_keys, |model| model.line_keys),
            dect: known.is_some_and(|model| model.dect),
            has_handsets: false,
            family: &family.name,
            capabilities: known.map_or(&[], |model| &model.capabilities),
            languages: &self.manifest.languages,
            tones: &self.manifest.tones,
            zone_names: &self.zones.names,
            key_codes: &self.key_codes,
            web_password_longest: self.manifest.web_password.longest,
            web_password_forbidden: &self.manifest.web_password.forbidden,
        }
    }

    /// The family and generation of a phone: see [`Manifest::family_of`] and [`Manifest::generation_of`]. `None` only
    /// for a manifest that was not validated.
    #[must_use]
    pub fn choose(
        &self,
        model: Option<&str>,
        provider: Option<&str>,
        firmware: Option<&str>,
    ) -> Option<(&Family, &Generation)> {
        let family = self.manifest.family_of(model, provider)?;
        Some((family, self.manifest.generation_of(family, firmware)?))
    }

    /// The first provider that serves the model's family.
    #[must_use]
    pub fn provider_of(&self, model: Option<&str>) -> Option<&Provider> {
        let family = self.manifest.family_of(model, None)?;
        self.providers.iter().find(|one| one.families.is_empty() || one.families.contains(&family.name))
    }

    /// Whether the provider gives each user a handset of the same base.
    #[must_use]
    pub fn has_handsets(&self, provider: &str) -> bool {
        self.providers.iter().any(|one| one.name == provider && one.same_mac == ReprovisionPolicy::Add)
    }

    /// The distinct formats of its files.
    #[must_use]
    pub fn formats(&self) -> BTreeSet<super::Format> {
        self.manifest.families.iter().map(|family| self.manifest.format_of(family)).collect()
    }

    /// If one of its file formats cannot represent the value exactly, a description of what the format cannot carry.
    #[must_use]
    pub fn cannot_carry(&self, value: &str) -> Option<&'static str> {
        self.formats().into_iter().find(|format| !format.is_exact(value)).map(super::Format::cannot_carry)
    }

    /// The pattern of its own phones that matches a file name.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&FilePattern> {
        let index = self.file_names.iter().position(|regex| regex.is_match(name))?;
        self.manifest.files.get(index)
    }
}
