//! The JSON types of the API. The OpenAPI document is generated from them, and every response is converted to them, so
//! that no undocumented data is sent.

mod gateway;
mod history;
mod import;
mod phones;
mod settings;
mod vendors;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::text::Text;

pub use self::{
    gateway::{
        Categories, Category, Connection, Connections, Info, InfoInstance, InfoToken, Notice, Notices, UnfreezeBody,
        UnfreezeResult,
    },
    history::{AuditInfo, AuditPage, HistoryInfo, HistoryPage, Pruned},
    import::{ImportCheck, ImportInfo, ImportStarted, LineProblem},
    phones::{
        Accepted, AccountInfo, ActionInfo, ConfigInfo, ConfigLine, Detail, FacetInfo, FirstContactInfo, LastRequest,
        PhoneActions, PhoneDetails, PhoneInfo, PhoneList, PhoneShown, RedirectEntryInfo, ResyncRequest, ResyncResult,
        SentenceInfo, SysclientInfo, Timeline, TimelineEntry, User, WindowInfo,
    },
    settings::{
        Beaten, EmptiedSecret, Pending, PendingByField, SettingInfo, SettingKind, SettingList, SettingsChange,
        SettingsChanged,
    },
    vendors::{Dhcp, ProviderInfo, ProviderList, RedirectTest, VendorArrival, VendorInfo, VendorList},
};

/// A time, RFC 3339, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(value_type = String, format = DateTime, examples("2026-11-21T08:00:00Z"))]
#[schema(as = Time)]
pub struct Rfc3339Time(pub String);

impl From<Timestamp> for Rfc3339Time {
    fn from(at: Timestamp) -> Self {
        Self(at.to_string())
    }
}

/// A sentence: a lasting key with parameters, and how it reads in English.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Text)]
pub struct TextInfo {
    /// Lasting; see the texts of the admin page.
    pub key: String,
    /// What stands at the places of the sentence. Data, never markup.
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    /// In English.
    pub text: String,
}

impl From<&Text> for TextInfo {
    fn from(text: &Text) -> Self {
        Self { key: text.key().to_owned(), params: text.params().clone(), text: text.english() }
    }
}

/// A refusal (RFC 9457).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// `about:blank`: the status says what kind it is, `code` what exactly.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The status code.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What was not done, why, what to do.
    pub detail: String,
    /// A lasting word for programs, where the gateway has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What stands at the places of the sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub params: Option<Value>,
    /// What is wrong with single fields or lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
}

/// What is wrong with one field, or one line of a file.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FieldProblem {
    /// The setting or the column; may be empty.
    pub field: String,
    /// The line of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Why.
    pub detail: String,
    /// A lasting word for programs.
    pub code: String,
}
