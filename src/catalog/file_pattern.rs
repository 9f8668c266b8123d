//! File name patterns, which determine the kind of file a phone requests.

use serde::{Deserialize, Serialize};

/// A pattern of file names with named groups `mac`, `model` and `number`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePattern {
    /// Regular expression.
    pub pattern: String,
    /// The kind of the file.
    pub kind: FileKind,
    /// Whether no other vendor's phones request such a name.
    #[serde(default)]
    pub unique: bool,
    /// Template to use instead of the generation's; for personal and common files.
    #[serde(default)]
    pub template: Option<String>,
    /// Content-Type to use instead of the family's.
    #[serde(default)]
    pub media_type: Option<String>,
}

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// The phone's own configuration.
    Personal,
    /// The shared configuration of all phones of a model.
    Common,
    /// The file a phone requests first, by MAC.
    BootPersonal,
    /// The file a phone requests first, the same for all phones.
    BootCommon,
    /// Firmware.
    Firmware,
    /// A file that a phone uploads.
    Upload,
    /// The phone's contacts.
    Contact,
    /// A known file that gangway does not serve.
    Other,
    /// Not a file of any vendor.
    Unknown,
}

impl FileKind {
    /// Whether phones only upload such files.
    #[must_use]
    pub fn is_written_by_phones(self) -> bool {
        matches!(self, Self::Upload | Self::Contact)
    }

    /// Accepts the words of other descriptions: `device`, `boot-device`, `contacts`, `reject`, ...
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

    /// The word used in the manifest.
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
