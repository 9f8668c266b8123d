//! Types for history, audit, import, vendors, and the gateway itself.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{Rfc3339Time, TextInfo};

/// One call to a redirect service.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = HistoryRow)]
pub struct HistoryInfo {
    /// Grows with time.
    pub id: i64,
    /// When.
    pub at: Rfc3339Time,
    /// For which phone.
    pub mac: Option<String>,
    /// At which vendor's service.
    pub vendor: String,
    /// What was asked.
    pub command: String,
    /// What came of it.
    pub outcome: String,
    /// What was answered, secrets masked.
    pub answer: String,
    /// How long it took, in milliseconds.
    pub took: u64,
}

/// Calls to redirect services, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct HistoryPage {
    /// The calls.
    pub rows: Vec<HistoryInfo>,
    /// Go on with `before` this; null at the end.
    pub more: Option<i64>,
}

/// Calls that were dropped.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Pruned {
    /// How many.
    pub pruned: u64,
}

/// Who did what.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditRow)]
pub struct AuditInfo {
    /// Grows with time.
    pub id: i64,
    /// When.
    pub at: Rfc3339Time,
    /// Who.
    pub who: String,
    /// `page`, `rest` or `command`.
    pub way: String,
    /// Address of the client; empty for commands.
    pub source: String,
    /// A MAC, a scope, a name, or nothing for the whole instance.
    pub target: String,
    /// What was done.
    pub deed: String,
}

/// Who did what, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    /// The deeds.
    pub rows: Vec<AuditInfo>,
    /// Go on with `before` this; null at the end.
    pub more: Option<i64>,
}

/// What is wrong with a line of a file.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LineProblem {
    /// The line; 0 for the whole file.
    pub line: u64,
    /// The column; may be empty.
    pub field: String,
    /// Why.
    pub text: TextInfo,
}

/// A checked file; nothing is done yet.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportCheck {
    /// Lines with something in them.
    pub lines: u64,
    /// Lines that can be imported.
    pub good: u64,
    /// Of these, lines that would change nothing.
    pub known: u64,
    /// Lines that cannot.
    pub wrong: u64,
    /// The first 500 reasons.
    pub errors: Vec<LineProblem>,
    /// Whether there are more.
    pub truncated: bool,
    /// Columns nobody knows.
    pub ignored: Vec<String>,
}

/// An import that has begun with the good lines.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportStarted {
    /// How many lines.
    pub started: u64,
    /// What the check said.
    pub check: ImportCheck,
}

/// How far an import is; the last one while none is under way.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Import)]
pub struct ImportInfo {
    /// Lines in all; 0 when there was no import since the start.
    pub of: u64,
    /// Lines that are done.
    pub done: u64,
    /// Of these, lines that changed something.
    #[serde(default)]
    pub changed: u64,
    /// Lines that changed nothing.
    #[serde(default)]
    pub unchanged: u64,
    /// Lines that failed.
    #[serde(default)]
    pub failed: u64,
    /// The first 100 reasons.
    #[serde(default)]
    pub errors: Vec<LineProblem>,
    /// Whether it has ended.
    #[serde(default = "yes")]
    pub finished: bool,
}

fn yes() -> bool {
    true
}

/// A way phones are provisioned by.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Provider)]
pub struct ProviderInfo {
    /// Its name; the app object is `gangway-<name>`.
    pub name: String,
    /// As Profile and UsersAdmin show it.
    pub title: String,
    /// Its vendor.
    pub vendor: String,
}

/// All providers.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Providers)]
pub struct ProviderList {
    /// The providers.
    pub providers: Vec<ProviderInfo>,
}

/// What a DHCP server tells phones.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Dhcp {
    /// The option's number.
    pub option: u8,
    /// Its exact text.
    pub text: String,
    /// What the phones send as option 60; may be empty.
    pub vendor_class: String,
    /// For people.
    pub note: String,
}

/// How phones find the gateway without a redirect service.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct VendorArrival {
    /// DHCP options, the usual one first.
    pub dhcp: Vec<Dhcp>,
    /// Whether they ask by SIP PnP.
    pub pnp: bool,
    /// Where a person types the URL.
    pub manual: String,
}

/// A vendor as its folder describes it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Vendor)]
pub struct VendorInfo {
    /// Its name.
    pub name: String,
    /// As people know it.
    pub title: String,
    /// How its phones prove themselves.
    pub auth: String,
    /// Its redirect service.
    #[schema(value_type = Object)]
    pub redirect: Map<String, Value>,
    /// How its phones come without one.
    pub arrival: VendorArrival,
    /// Its providers.
    #[schema(value_type = Vec<Object>)]
    pub providers: Vec<Map<String, Value>>,
    /// Its families of models.
    #[schema(value_type = Vec<Object>)]
    pub families: Vec<Map<String, Value>>,
    /// Generations of firmware that differ.
    pub generations: Vec<String>,
    /// Its models.
    #[schema(value_type = Vec<Object>)]
    pub models: Vec<Map<String, Value>>,
}

/// Vendors.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Vendors)]
pub struct VendorList {
    /// The vendors.
    pub vendors: Vec<VendorInfo>,
}

/// What a redirect account is worth.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RedirectTest {
    /// Whether the service took it.
    pub ok: bool,
    /// What it said.
    pub text: TextInfo,
}

/// A category of Devices that phones can be provisioned into.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Category {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The id of its domain.
    pub domain_id: Option<u64>,
    /// The name of its domain: two domains may have a category of the same name.
    pub domain: Option<String>,
}

/// Categories of Devices.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Categories {
    /// The categories.
    pub categories: Vec<Category>,
}

/// Something a person should know.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Notice {
    /// A lasting word.
    pub key: String,
    /// `error`, `warning` or `information`.
    pub severity: String,
    /// Since when.
    pub since: Option<Rfc3339Time>,
    /// The sentence.
    pub text: TextInfo,
}

/// What a person should know.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Notices {
    /// The notices.
    pub notices: Vec<Notice>,
}

/// A source that is frozen.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Thaw)]
pub struct UnfreezeBody {
    /// Its IP address, as the notice `scanning` names it.
    pub address: String,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Thawed)]
pub struct UnfreezeResult {
    /// False when no source with this address was frozen.
    pub thawed: bool,
}

/// A connection to a service.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Connection {
    /// `pbx`, `devices`, `sysclients` or `redirect`.
    pub kind: String,
    /// Which one.
    pub name: String,
    /// How it is.
    pub state: String,
    /// Since when.
    pub since: Option<Rfc3339Time>,
    /// What is wrong.
    pub error: Option<String>,
    /// More.
    pub detail: Option<String>,
}

/// All connections to services.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Connections {
    /// The connections.
    pub connections: Vec<Connection>,
}

/// The tenant.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct InfoInstance {
    /// Its domain.
    pub domain: String,
    /// Its name.
    pub name: String,
}

/// The token that was shown.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct InfoToken {
    /// How people call it.
    pub name: String,
    /// `read` or `write`.
    pub scope: String,
    /// When it ends by itself.
    pub expires: Option<Rfc3339Time>,
}

/// The gateway, and who asks it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Info {
    /// Version of the gateway.
    pub version: String,
    /// What time it is there.
    pub now: Rfc3339Time,
    /// The tenant.
    pub instance: InfoInstance,
    /// The token that was shown.
    pub token: InfoToken,
}
