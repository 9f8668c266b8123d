//! Requests and responses of the use cases. REST and the admin page send them as JSON, and the OpenAPI document is
//! generated from them, so that no undocumented data is sent.

mod activity;
mod gateway;
mod history;
mod import;
mod pbx_setup;
mod phone_files;
mod phones;
mod settings;
mod tokens;
mod vendors;

use gangway_base::secret::Secret;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::base::i18n::Message;

pub use self::{
    activity::{ActivityChart, ActivityHour},
    gateway::{
        Categories, Category, Connection, Connections, Info, InfoInstance, InfoToken, Notice, Notices, PageLimits,
        PersonInfo, ProviderTitle, SessionInfo, UnfreezeBody, UnfreezeResult, VendorSummary,
    },
    history::{AuditInfo, AuditPage, HistoryInfo, HistoryPage, Pruned},
    import::{ImportCheck, ImportInfo, ImportOptions, ImportStarted, LineProblem},
    pbx_setup::{
        PbxSetupChange, PbxSetupFinding, PbxSetupOrder, PbxSetupPlan, PbxSetupRequest, PbxSetupResult, PbxSetupStep,
    },
    phone_files::{ConfigDiff, DiffLine, HeldFile, RevealedLogin},
    phones::{
        Accepted, AccountInfo, ActionInfo, CodeInfo, ConfigInfo, ConfigLine, Detail, FacetInfo, FirstContactInfo,
        LastRequest, PhoneActions, PhoneDetails, PhoneInfo, PhoneList, PhoneShown, RedirectEntryInfo, ResyncRequest,
        ResyncResult, SentenceInfo, SysclientInfo, Timeline, TimelineEntry, TranslatableEntry, User, WindowInfo,
    },
    settings::{
        Beaten, EmptiedSecret, LineKeyCheck, LineKeyProblem, LineKeyType, Pending, PendingByField, SettingInfo,
        SettingKind, SettingList, SettingsChange, SettingsChanged,
    },
    tokens::{CreatedToken, TokenInfo, TokenList},
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

/// Serialises a secret that its reader asked for.
fn revealed<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
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

impl From<&Message> for TextInfo {
    fn from(text: &Message) -> Self {
        Self { key: text.key().to_owned(), params: text.params().clone(), text: text.english() }
    }
}

/// A refusal (RFC 9457).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
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
