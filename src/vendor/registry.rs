//! All vendors, loaded and proven.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::Serialize;

use super::{
    cfg_format::Fault,
    finding::Finding,
    folder,
    manifest::{AuthScheme, Generation, Manifest, Model, Provider},
    proofs,
    recognise::{Recogniser, Recognition},
    templates::{EscapeClass, Templates},
    zones::Zones,
};
use crate::phone::{line_keys::KeyType, neutral::Facts};

/// The registry of the process; swapped as a whole on reload.
pub type SharedRegistry = Arc<arc_swap::ArcSwap<Registry>>;

/// One vendor.
#[derive(Debug)]
pub struct Vendor {
    /// Name of the folder.
    pub name: Arc<str>,
    /// For people.
    pub title: String,
    /// Its apps.
    pub providers: Vec<Provider>,
    /// How its phones authenticate.
    pub auth: AuthScheme,
    /// Its redirect services.
    pub redirect: super::manifest::Redirect,
    /// What its phones call time zones.
    pub zones: Zones,
    /// What its files call types of line keys.
    pub key_codes: BTreeMap<KeyType, String>,
    /// The whole manifest.
    pub manifest: Manifest,
}

/// All vendors.
pub struct Registry {
    vendors: BTreeMap<String, Vendor>,
    recogniser: Recogniser,
    pub(super) templates: Templates,
    revision: u64,
}

static LOADS: AtomicU64 = AtomicU64::new(0);

impl Registry {
    /// Loads the built-in vendors and those of `overrides`, a directory with `vendors/<vendor>/` and
    /// `templates/<vendor>/` whose files stand before the built-in ones.
    ///
    /// # Errors
    /// All findings at once; nothing is loaded then.
    pub fn load(overrides: Option<&Path>) -> Result<Self, Vec<Finding>> {
        let mut findings = Vec::new();
        let files = folder::read(overrides, &mut findings);
        let loaded = proofs::load(&files, &mut findings);
        let registry = Self {
            vendors: loaded.vendors,
            recogniser: loaded.recogniser,
            templates: loaded.templates,
            revision: LOADS.fetch_add(1, Ordering::Relaxed) + 1,
        };
        if findings.is_empty() {
            proofs::prove(&registry, &mut findings);
        }
        if findings.is_empty() { Ok(registry) } else { Err(findings) }
    }

    /// [`Self::load`], ready to be shared.
    ///
    /// # Errors
    /// As there.
    pub fn load_shared(overrides: Option<&Path>) -> Result<SharedRegistry, Vec<Finding>> {
        Ok(Arc::new(arc_swap::ArcSwap::from_pointee(Self::load(overrides)?)))
    }

    /// Who asks for what. Cheap: for every request.
    #[must_use]
    pub fn recognise(&self, user_agent: Option<&str>, path: Option<&str>) -> Recognition {
        self.recogniser.recognise(user_agent, path)
    }

    /// By the name of its folder.
    #[must_use]
    pub fn vendor(&self, name: &str) -> Option<&Vendor> {
        self.vendors.get(name)
    }

    /// All, by name.
    pub fn vendors(&self) -> impl Iterator<Item = &Vendor> {
        self.vendors.values()
    }

    /// The provider of that name and its vendor. The app is `gangway-<name>`.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<(&Vendor, &Provider)> {
        self.vendors().find_map(|vendor| {
            let provider = vendor.providers.iter().find(|provider| provider.name == name)?;
            Some((vendor, provider))
        })
    }

    /// Grows with every load in this process.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Renders a template of a vendor and takes a last look at it. `allowed` restricts it to the open stage.
    ///
    /// # Errors
    /// A sentence with file and line, without values.
    pub fn render<T: Serialize>(
        &self,
        vendor: &Vendor,
        template: &str,
        values: &T,
        open: bool,
    ) -> Result<String, String> {
        let class = vendor.manifest.escape;
        let name = format!("{}/{template}", vendor.name);
        let text = self.templates.render(class, &name, values)?;
        let in_open = |key: &str| vendor.manifest.open.keys.iter().any(|known| known == key);
        let allowed: Option<&dyn Fn(&str) -> bool> = if open { Some(&in_open) } else { None };
        class
            .finish(&text, allowed)
            .map_err(|Fault { line, reason }| format!("templates/{name} wrote a line {line} that is no good: {reason}"))
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("vendors", &self.vendors.keys()).field("revision", &self.revision).finish()
    }
}

impl Vendor {
    /// The model as the User-Agent names it, in any case.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.manifest.models.iter().find(|model| model.name.eq_ignore_ascii_case(name))
    }

    /// Format of its files.
    #[must_use]
    pub fn escape(&self) -> EscapeClass {
        self.manifest.escape
    }

    /// What its templates need to know of a model.
    #[must_use]
    pub fn facts(&self, model: Option<&str>) -> Facts<'_> {
        let known = model.and_then(|model| self.model(model));
        let unknown = self.manifest.unknown_model;
        Facts {
            model: known.map_or("", |model| model.name.as_str()),
            accounts: known.map_or(unknown.accounts, |model| model.accounts),
            line_keys: known.map_or(unknown.line_keys, |model| model.line_keys),
            dect: known.is_some_and(|model| model.dect),
            languages: &self.manifest.languages,
            tones: &self.manifest.tones,
            zone_names: &self.zones.names,
            key_codes: &self.key_codes,
            web_password_longest: self.manifest.web_password.longest,
            web_password_forbidden: &self.manifest.web_password.forbidden,
        }
    }

    /// The generation of a firmware version, by its second number; the default one where that says nothing.
    #[must_use]
    pub fn generation(&self, firmware: Option<&str>) -> Option<&Generation> {
        let all = &self.manifest.generations;
        let second = firmware.and_then(|text| text.split('.').nth(1)).and_then(|number| number.parse::<u32>().ok());
        let by_number = second.and_then(|number| {
            all.iter().find(|one| (one.second_number.from..=one.second_number.to).contains(&number))
        });
        by_number.or_else(|| all.iter().find(|one| one.default))
    }
}
