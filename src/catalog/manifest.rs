//! `vendors/<vendor>/vendor.toml`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    discovery::DiscoveryMethods,
    family::{Family, Generation, ONLY, UnknownModel},
    file_pattern::FilePattern,
    format::{Format, Shape},
    model::Model,
};

/// A vendor's manifest as written. Unknown keys are errors.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the folder.
    pub name: String,
    /// For people.
    pub title: String,
    /// How its phones authenticate.
    pub auth: AuthScheme,
    /// Format of its files, where its families name no other.
    pub format: Format,
    /// What [`Format::Lines`] looks like.
    #[serde(default)]
    pub lines: Shape,
    /// Content-Type of its files, where neither family nor file name another.
    pub media_type: String,
    /// First three bytes of its phones' MACs: hints.
    #[serde(default)]
    pub ouis: Vec<String>,
    /// Its redirect services.
    pub redirect: Redirect,
    /// How its phones come without a redirect service.
    #[serde(default)]
    pub arrival: DiscoveryMethods,
    /// What the password of a phone's web page may be.
    pub web_password: WebPassword,
    /// What its phones know of TLS.
    #[serde(default)]
    pub tls: VendorTls,
    /// Apps.
    pub providers: Vec<Provider>,
    /// Families of models with templates of their own; none = one family for all.
    #[serde(default)]
    pub families: Vec<Family>,
    /// Generations of firmware that understand different names.
    pub generations: Vec<Generation>,
    /// Patterns of User-Agents, tried in order; none while nobody has seen one.
    #[serde(default)]
    pub user_agents: Vec<UserAgent>,
    /// Patterns of file names, tried in order.
    pub files: Vec<FilePattern>,
    /// What the open stage may hold.
    pub open: OpenStage,
    /// ISO 639 -> name.
    #[serde(default)]
    pub languages: BTreeMap<String, String>,
    /// ISO 3166 -> name.
    #[serde(default)]
    pub tones: BTreeMap<String, String>,
    /// What a model without an entry has.
    pub unknown_model: UnknownModel,
    /// Number of a common file -> models, the usual one first.
    #[serde(default)]
    pub common_files: BTreeMap<String, Vec<String>>,
    /// Models.
    pub models: Vec<Model>,
}

impl Manifest {
    /// A vendor without families has one; called once after reading.
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

    /// The family of models and generations that name none.
    #[must_use]
    pub fn default_family(&self) -> Option<&Family> {
        self.families.iter().find(|family| family.default).or_else(|| self.families.first())
    }

    /// By its name; the default one for none.
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

    /// The generation of a firmware version; the default one where the version says nothing.
    #[must_use]
    pub fn generation_of<'a>(&'a self, family: &'a Family, firmware: Option<&str>) -> Option<&'a Generation> {
        let by_number = firmware.and_then(|version| self.generations_of(family).find(|one| one.holds(version)));
        by_number
            .or_else(|| self.generations_of(family).find(|one| one.default))
            .or_else(|| self.generations_of(family).next().filter(|_| self.generations_of(family).count() == 1))
    }

    /// Format of a family's files.
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

    /// What a model of a family without an entry has.
    #[must_use]
    pub fn unknown_model_of(&self, family: Option<&Family>) -> UnknownModel {
        family.and_then(|family| family.unknown_model).unwrap_or(self.unknown_model)
    }
}

/// How phones authenticate: exactly one challenge is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthScheme {
    /// HTTP Digest with MD5.
    DigestMd5,
    /// HTTP Digest with SHA-256.
    DigestSha256,
    /// HTTP Basic; over TLS only.
    Basic,
}

/// Redirect services.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// Protocol used unless a setting names another; `none` for a vendor without a service.
    pub default: String,
    /// Protocols its services speak.
    #[serde(default)]
    pub protocols: Vec<String>,
    /// Accounts the vendor lends out for trying its service: everybody has them, so nobody's phones belong there.
    #[serde(default)]
    pub demo_accounts: Vec<String>,
}

impl Redirect {
    /// Whether an account is one of the vendor's for trying. Letter case does not matter.
    #[must_use]
    pub fn is_demo(&self, user: &str) -> bool {
        let user = user.trim().to_lowercase();
        self.demo_accounts.iter().any(|demo| demo.trim().to_lowercase() == user)
    }
}

/// What the password of a phone's web page may be.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebPassword {
    /// Characters at most.
    pub longest: usize,
    /// Characters it must not hold.
    #[serde(default)]
    pub forbidden: String,
}

/// What a vendor's phones know of TLS.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendorTls {
    /// Common names of the CAs that issue its factory certificates, one of which whoever asks phones for a certificate
    /// must trust; none where nobody knows.
    #[serde(default)]
    pub issuers: Vec<String>,
    /// Common names of the root CAs its phones trust as they leave the factory; none where no list is published.
    #[serde(default)]
    pub roots: Vec<String>,
}

/// One published `com.innovaphone.provisioning` API.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The app is `gangway-<name>`.
    pub name: String,
    /// What Users shows.
    pub title: String,
    /// What a MAC seen again with another user means.
    pub same_mac: SameMac,
    /// Families it serves, the usual one first; empty = all.
    #[serde(default)]
    pub families: Vec<String>,
}

/// What a MAC seen again with another user means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SameMac {
    /// A desk phone has a new user.
    Replace,
    /// A base has one more.
    Add,
}

/// A pattern of User-Agents with named groups `model`, `firmware`, `mac`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserAgent {
    /// Regular expression.
    pub pattern: String,
    /// Seen ones, which it must recognise.
    pub examples: Vec<Example>,
}

/// A User-Agent and what is read from it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// As sent.
    pub text: String,
    /// Model.
    pub model: Option<String>,
    /// Firmware.
    pub firmware: Option<String>,
    /// MAC.
    pub mac: Option<String>,
}

/// What the open stage may hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenStage {
    /// Names of parameters.
    pub keys: Vec<String>,
}
