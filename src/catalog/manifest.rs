//! `vendors/<vendor>/vendor.toml`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    discovery::Arrival,
    family::{Family, Generation, UnknownModel},
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
    pub arrival: Arrival,
    /// What the password of a phone's web page may be.
    pub web_password: WebPassword,
    /// What its phones know of TLS.
    #[serde(default)]
    pub tls: Tls,
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
pub struct Tls {
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

/// A pattern of file names with named groups `mac`, `model` and `number`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePattern {
    /// Regular expression.
    pub pattern: String,
    /// What such a file is.
    pub kind: FileKind,
    /// No other vendor's phones ask so.
    #[serde(default)]
    pub unique: bool,
    /// Template in place of the generation's one of that kind; for personal and common files.
    #[serde(default)]
    pub template: Option<String>,
    /// Content-Type in place of the family's.
    #[serde(default)]
    pub media_type: Option<String>,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// The phone's own configuration.
    Personal,
    /// The configuration of all phones of a model.
    Common,
    /// What the phone asks first, by MAC.
    BootPersonal,
    /// What it asks first, for all.
    BootCommon,
    /// Firmware.
    Firmware,
    /// What a phone writes back.
    Upload,
    /// Its contacts.
    Contact,
    /// Known and not served.
    Other,
    /// No vendor's file.
    Unknown,
}

impl FileKind {
    /// The words other descriptions use: `device`, `boot-device`, `contacts`, `reject`, ...
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word {
            "personal" | "device" => Self::Personal,
            "common" | "master" => Self::Common,
            "boot-personal" | "boot-device" | "not-found" => Self::BootPersonal,
            "boot-common" => Self::BootCommon,
            "firmware" | "firmware-descriptor" => Self::Firmware,
            "upload" => Self::Upload,
            "contact" | "contacts" => Self::Contact,
            "other" => Self::Other,
            _ => Self::Unknown,
        }
    }

    /// The word the manifest uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Common => "common",
            Self::BootPersonal => "boot-personal",
            Self::BootCommon => "boot-common",
            Self::Firmware => "firmware",
            Self::Upload => "upload",
            Self::Contact => "contact",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }
}

/// What the open stage may hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenStage {
    /// Names of parameters.
    pub keys: Vec<String>,
}
