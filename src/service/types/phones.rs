//! Types for phones.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{FieldProblem, Rfc3339Time, TextInfo};

/// One independent part of a phone's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Facet)]
pub struct FacetInfo {
    /// A lasting word.
    pub state: String,
    /// Since when.
    pub since: Rfc3339Time,
    /// What is wrong, as a sentence.
    pub error: Option<String>,
    /// When it is tried again.
    pub next: Option<Rfc3339Time>,
}

/// A user of a phone, short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// The line key, from 1.
    pub line: u32,
    /// H.323 name.
    pub user: String,
    /// Long name.
    pub name: String,
    /// Hardware id of the device at the PBX's user object.
    pub hwid: String,
    /// Address of the PBX.
    pub pbx: String,
}

/// A phone as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Phone)]
pub struct PhoneInfo {
    /// Lasting number of the record.
    pub id: i64,
    /// 12 lower-case hex digits.
    #[schema(pattern = "^[0-9a-f]{12}$")]
    pub mac: String,
    /// Its vendor.
    pub vendor: String,
    /// The provider it was provisioned with.
    pub provider: String,
    /// As it told.
    pub model: Option<String>,
    /// As it told.
    pub firmware: Option<String>,
    /// The version it should report.
    pub firmware_wanted: Option<String>,
    /// Whether it does.
    pub firmware_current: Option<bool>,
    /// Its domain in Devices.
    pub devices_domain: Option<String>,
    /// Category in Devices; unique only within its domain.
    pub category: Option<String>,
    /// Names of its users.
    pub name: String,
    /// The first 20 of them.
    pub users: Vec<User>,
    /// How many there are.
    pub user_count: u64,
    /// `active`, `released`, `blocked` or `removed`.
    pub wanted: String,
    /// When it was removed.
    pub removed: Option<Rfc3339Time>,
    /// `working`, `provisioned`, `underway`, `stuck`, `overdue`, `leaving` or `gone`.
    pub stage: String,
    /// Whether it needs a person.
    pub stuck: bool,
    /// Why it stands where it stands.
    pub cause: String,
    /// Its configuration from Devices.
    pub device_config: FacetInfo,
    /// Its entry at the redirect service.
    pub redirect: FacetInfo,
    /// Its requests.
    pub requests: FacetInfo,
    /// The PBX's flags of the user that is worst off.
    pub flags: Option<FacetInfo>,
    /// The registration of the user that is worst off.
    pub registered: Option<FacetInfo>,
    /// When it asked last.
    pub last_request: Option<Rfc3339Time>,
    /// From where.
    pub address: Option<String>,
    /// When it got its file last.
    pub delivered: Option<Rfc3339Time>,
    /// When it was provisioned first.
    pub created: Rfc3339Time,
    /// Until when it may fetch its file with what travels through the redirect service.
    pub window_until: Option<Rfc3339Time>,
    /// Whether its file has changed since.
    pub change_pending: bool,
}

/// A window of the list of phones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Phones)]
pub struct PhoneList {
    /// The phones of the window.
    pub phones: Vec<PhoneInfo>,
    /// Where the window begins.
    pub offset: u64,
    /// Phones that match.
    pub total: u64,
    /// Phones of the instance.
    pub all: u64,
    /// Phones by vendor and stage, whatever the query.
    #[schema(value_type = Object)]
    pub counts: Map<String, Value>,
}

/// A user of a phone, whole. Passwords are never told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Account)]
pub struct AccountInfo {
    /// The line key, from 1.
    pub line: u32,
    /// H.323 name.
    pub user: String,
    /// Long name.
    pub name: String,
    /// Hardware id of the device at the PBX's user object.
    pub hwid: String,
    /// Name of that device, as a user or an administrator entered it.
    pub device_name: Option<String>,
    /// Address of the PBX.
    pub pbx: String,
    /// Domain of the PBX.
    pub domain: String,
    /// The PBX's flags of the device.
    pub flags: FacetInfo,
    /// Whether the PBX sees it registered.
    pub registered: FacetInfo,
    /// From where.
    pub registered_address: Option<String>,
    /// Since when its user or device is gone from the PBX.
    pub orphaned_since: Option<Rfc3339Time>,
    /// What is gone.
    pub gone: Option<String>,
    /// Since when its part of the file is withheld.
    pub withheld_since: Option<Rfc3339Time>,
}

/// Who may fetch the first file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Window)]
pub struct WindowInfo {
    /// When it was opened.
    pub opened: Option<Rfc3339Time>,
    /// Until when at most.
    pub until: Option<Rfc3339Time>,
    /// When the first file went out.
    pub first_delivery: Option<Rfc3339Time>,
    /// To which address.
    pub source: Option<String>,
    /// When it was closed.
    pub closed: Option<Rfc3339Time>,
    /// `true` or a network: the phone may come without its token.
    pub first_contact: Option<FirstContactInfo>,
}

/// What the redirect service holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RedirectEntry)]
pub struct RedirectEntryInfo {
    /// Since when.
    pub at: Rfc3339Time,
    /// Under which server entry.
    pub server_name: Option<String>,
}

/// How the phone shows up in Devices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Sysclient)]
pub struct SysclientInfo {
    /// Product.
    pub product: String,
    /// Version.
    pub version: String,
    /// Name.
    pub name: Option<String>,
    /// The address of its Devices app.
    pub url: Option<String>,
}

/// A provisioning code that has not been used yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ProvisioningCode)]
pub struct CodeInfo {
    /// When it expires; null if that is not known because Users fetched it (15 minutes, or 7 days).
    pub valid_until: Option<Rfc3339Time>,
    /// The addresses of the Devices apps that did not accept it.
    pub refused_at: Vec<String>,
}

/// The last request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastRequest {
    /// When.
    pub at: Rfc3339Time,
    /// From where.
    pub address: String,
    /// What it called itself.
    pub user_agent: Option<String>,
    /// For which file.
    pub file: String,
    /// How it ended.
    pub outcome: String,
    /// Requests so far.
    pub requests: u64,
}

/// A phone with everything known about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PhoneDetails {
    /// As lists show it.
    #[serde(flatten)]
    pub phone: PhoneInfo,
    /// The first 50 users.
    pub accounts: Vec<AccountInfo>,
    /// How many there are.
    pub account_count: u64,
    /// Counts changes of its file.
    pub revision: u64,
    /// What it fetched last.
    pub delivered_revision: Option<u64>,
    /// How often it was provisioned.
    pub provisionings: u64,
    /// Who may fetch the first file.
    pub window: WindowInfo,
    /// When it first showed credentials of its own.
    pub own_proven: Option<Rfc3339Time>,
    /// What the redirect service holds.
    pub redirect_entry: Option<RedirectEntryInfo>,
    /// When its configuration came from Devices.
    pub config_received: Option<Rfc3339Time>,
    /// How it shows up in Devices.
    pub sysclient: SysclientInfo,
    /// The provisioning code that is waiting to be used.
    pub code: Option<CodeInfo>,
    /// The last request, whole.
    pub request: Option<LastRequest>,
    /// Where it can be sent by DHCP or by hand.
    pub manual_url: Option<String>,
    /// Why that is not known, or that app objects name different URLs.
    pub url_problem: Option<String>,
    /// Whether the vendor's folder lists its model.
    pub known_model: bool,
    /// Whether it has its present file; null before the first one.
    pub holds_current_file: Option<bool>,
}

/// What to press.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Action)]
pub struct ActionInfo {
    /// An action, or `open-settings`.
    pub name: String,
    /// With what.
    #[schema(value_type = Object)]
    pub params: Value,
}

/// Where a phone is stuck, and what to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Sentence)]
pub struct SentenceInfo {
    /// The cause, as its word.
    pub cause: String,
    /// Where the phone stands.
    pub state: TextInfo,
    /// Why.
    pub why: TextInfo,
    /// What to do next.
    pub next: TextInfo,
    /// The action that does it, where there is one.
    pub action: Option<ActionInfo>,
}

/// One phone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PhoneShown {
    /// Everything known about it.
    pub phone: PhoneDetails,
    /// Where it is stuck, and what to do.
    pub sentence: SentenceInfo,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TimelineEntry {
    /// When.
    pub at: Rfc3339Time,
    /// `event`, `redirect` or `request`.
    pub source: String,
    /// A lasting word.
    pub kind: String,
    /// A sentence.
    pub text: String,
    /// More: a text, or an object that depends on `source`.
    pub detail: Option<Detail>,
}

/// A [`TimelineEntry`] for a page, which shows it in its own language.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TranslatableEntry {
    /// The entry.
    #[serde(flatten)]
    pub entry: TimelineEntry,
    /// The sentence as key and parameters; null for entries of older gateways and for the words of a service.
    #[schema(value_type = Object)]
    pub said: Option<Value>,
}

/// What more is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Detail {
    /// A text.
    Text(String),
    /// Members that depend on the source of the entry.
    #[schema(value_type = Object)]
    Members(Map<String, Value>),
}

/// Everything that happened to a phone, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Timeline {
    /// The entries.
    pub entries: Vec<TimelineEntry>,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConfigLine {
    /// Its number, from 1.
    pub n: u64,
    /// Secrets are `***`.
    pub text: String,
    /// Where its value comes from.
    pub origins: Vec<String>,
    /// Whether it hides something.
    pub secret: bool,
}

/// A phone's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Config)]
pub struct ConfigInfo {
    /// Its lines.
    pub lines: Vec<ConfigLine>,
    /// What the renderer remarks.
    pub notes: Vec<String>,
}

/// With which an action is carried out; each has what only some actions look at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PhoneActions {
    /// `allow`: also without the redirect URL, from anywhere or from this network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_contact: Option<FirstContactInfo>,
    /// `new-code`: id, name or `DOMAIN/NAME` of the category in Devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// `new-code`: the code is valid for 7 days instead of 15 minutes.
    pub rollout: bool,
}

/// Whether a phone may come without its token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = FirstContact)]
pub enum FirstContactInfo {
    /// From anywhere, or not.
    Anywhere(bool),
    /// From this network (CIDR).
    Network(String),
}

/// It will happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// What will happen.
    pub will: TextInfo,
}

/// Phones that shall come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Resync)]
pub struct ResyncRequest {
    /// Their MAC addresses, at most 500.
    #[schema(min_items = 1, max_items = 500)]
    pub macs: Vec<String>,
}

/// Who is told to come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResyncResult {
    /// How many.
    pub accepted: u64,
    /// Who is not, and why; `field` is the MAC as it was given.
    pub refused: Vec<FieldProblem>,
}
