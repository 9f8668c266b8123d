//! The manifest `vendors/<vendor>/vendor.toml`.

use std::collections::BTreeMap;

use gangway_wire::http_auth::Scheme;
use serde::{Deserialize, Serialize};

use super::{
    discovery::DiscoveryMethods,
    family::{Family, Generation, ONLY, UnknownModel},
    file_pattern::FilePattern,
    format::{Format, Shape},
    model::Model,
};

/// A vendor's manifest as written in the file. Unknown keys are errors.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the folder.
    pub name: String,
    /// Name for display.
    pub title: String,
    /// How its phones authenticate.
    pub auth: Scheme,
    /// Format of its files, unless a family specifies another.
    pub format: Format,
    /// The shape of [`Format::Lines`] files.
    #[serde(default)]
    pub lines: Shape,
    /// Content-Type of its files, unless a family or file specifies another.
    pub media_type: String,
    /// First three bytes of the MACs of its phones; only a hint.
    #[serde(default)]
    pub ouis: Vec<String>,
    /// Its redirect services.
    pub redirect: Redirect,
    /// How its phones find gangway without a redirect service.
    #[serde(default)]
    pub arrival: DiscoveryMethods,
    /// Restrictions of the password of a phone's web page.
    pub web_password: WebPassword,
    /// TLS properties of its phones.
    #[serde(default)]
    pub tls: VendorTls,
    /// Its apps.
    pub providers: Vec<Provider>,
    /// Families of models with separate templates; empty = one family for all.
    #[serde(default)]
    pub families: Vec<Family>,
    /// Firmware generations that use different parameter names.
    pub generations: Vec<Generation>,
    /// User-Agent patterns, tried in order; empty until one is known.
    #[serde(default)]
    pub user_agents: Vec<UserAgent>,
    /// File name patterns, tried in order.
    pub files: Vec<FilePattern>,
    /// What the open stage may contain.
    pub open: OpenStage,
    /// ISO 639 language -> the vendor's name.
    #[serde(default)]
    pub languages: BTreeMap<String, String>,
    /// ISO 3166 country -> the vendor's name.
    #[serde(default)]
    pub tones: BTreeMap<String, String>,
    /// Properties of a model that is not listed.
    pub unknown_model: UnknownModel,
    /// Number of a common file -> models, the usual one first.
    #[serde(default)]
    pub common_files: BTreeMap<String, Vec<String>>,
    /// Its models.
    pub models: Vec<Model>,
}

impl Manifest {
    /// Adds the single family of a vendor without families. Called once after parsing.
    pub(super) fn complete(&mut self) {
        if self.families.is_empty() {
            self.families.push(Family {
                name: ONLY.to_owned(),
                title: self.title.clone(),
                default: true,
                format: None,
                media_type: None,
                unknown_model: None,
                settings: BTreeMap::new(),
            });
        }
    }

    /// The family used by models and generations that specify none.
    #[must_use]
    pub fn default_family(&self) -> Option<&Family> {
        self.families.iter().find(|family| family.default).or_else(|| self.families.first())
    }

    /// The family with this name; the default family for `None`.
    #[must_use]
    pub fn family(&self, name: Option<&str>) -> Option<&Family> {
        match name {
            Some(name) => self.families.iter().find(|family| family.name == name),
            None => self.default_family(),
        }
    }

    /// The family of a phone: that of its model, else the usual one of its provider, else the default one.
    #[must_use]
    pub fn family_of(&self, model: Option<&str>, provider: Option<&str>) -> Option<&Family> {
        let by_model = model
            .and_then(|name| self.models.iter().find(|model| model.name.eq_ignore_ascii_case(name)))
            .and_then(|model| self.family(model.family.as_deref()));
        let by_provider = || {
            let provider = self.providers.iter().find(|one| Some(one.name.as_str()) == provider)?;
            self.family(Some(provider.families.first()?.as_str()))
        };
        by_model.or_else(by_provider).or_else(|| self.default_family())
    }

    /// The generations of a family.
    pub fn generations_of<'a>(&'a self, family: &'a Family) -> impl Iterator<Item = &'a Generation> {
        self.generations
            .iter()
            .filter(move |one| self.family(one.family.as_deref()).is_some_and(|found| found.name == family.name))
    }

    /// The generation of a firmware version; the default one if no range contains the version.
    #[must_use]
    pub fn generation_of<'a>(&'a self, family: &'a Family, firmware: Option<&str>) -> Option<&'a Generation> {
        let by_number = firmware.and_then(|version| self.generations_of(family).find(|one| one.holds(version)));
        by_number
            .or_else(|| self.generations_of(family).find(|one| one.default))
            .or_else(|| self.generations_of(family).next().filter(|_| self.generations_of(family).count() == 1))
    }

    /// Format of the files of a family.
    #[must_use]
    pub fn format_of(&self, family: &Family) -> Format {
        family.format.unwrap_or(self.format)
    }

    /// Content-Type of a file.
    #[must_use]
    pub fn media_type_of<'a>(&'a self, family: &'a Family, file: Option<&'a FilePattern>) -> &'a str {
        let by_file = file.and_then(|file| file.media_type.as_deref());
        by_file.or(family.media_type.as_deref()).unwrap_or(&self.media_type)
    }

    /// Properties of a family's models that are not listed.
    #[must_use]
    pub fn unknown_model_of(&self, family: Option<&Family>) -> UnknownModel {
        family.and_then(|family| family.unknown_model).unwrap_or(self.unknown_model)
    }
}

/// Redirect services.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// Protocol to use unless a setting selects another; `none` for a vendor without a service.
    pub default: String,
    /// Protocols that its services support.
    #[serde(default)]
    pub protocols: Vec<String>,
    /// Public demo accounts of the vendor's service. Because they are shared, no phones may be registered there.
    #[serde(default)]
    pub demo_accounts: Vec<String>,
}

impl Redirect {
    /// Whether an account is one of the vendor's demo accounts, case-insensitive.
    #[must_use]
    pub fn is_demo(&self, user: &str) -> bool {
        let user = user.trim().to_lowercase();
        self.demo_accounts.iter().any(|demo| demo.trim().to_lowercase() == user)
    }
}

/// Restrictions of the password of a phone's web page.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebPassword {
    /// Maximum number of characters.
    pub longest: usize,
    /// Characters it must not contain.
    #[serde(default)]
    pub forbidden: String,
}

/// TLS properties of a vendor's phones.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendorTls {
    /// Common names of the CAs that issue its factory certificates. A server that requests client certificates must
    /// trust one of them. Empty if they are unknown.
    #[serde(default)]
    pub issuers: Vec<String>,
    /// Common names of the root CAs its phones trust by default; empty if no list is published.
    #[serde(default)]
    pub roots: Vec<String>,
}

/// A published `com.innovaphone.provisioning` API.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Name of the provider. Its app is `gangway-<name>`.
    pub name: String,
    /// Name shown in Users.
    pub title: String,
    /// Meaning of a known MAC with another user.
    pub same_mac: ReprovisionPolicy,
    /// Families it serves, the usual one first; empty = all.
    #[serde(default)]
    pub families: Vec<String>,
}

/// Meaning of a known MAC with another user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReprovisionPolicy {
    /// A desk phone gets a new user.
    Replace,
    /// A base gets an additional user.
    Add,
}

/// A User-Agent pattern with the named groups `model`, `firmware` and `mac`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserAgent {
    /// Regular expression.
    pub pattern: String,
    /// Observed User-Agents that the pattern must recognise.
    pub examples: Vec<Example>,
}

/// A User-Agent and the expected result.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// The User-Agent as sent.
    pub text: String,
    /// Model.
    pub model: Option<String>,
    /// Firmware.
    pub firmware: Option<String>,
    /// MAC.
    pub mac: Option<String>,
}

/// What the open stage may contain.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenStage {
    /// Names of parameters.
    pub keys: Vec<String>,
}
