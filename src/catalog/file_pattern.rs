//! Patterns of file names: which file a phone asks for by its name.

use serde::{Deserialize, Serialize};

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
