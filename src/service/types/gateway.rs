//! The gateway: what it is connected to, notices, categories, the caller.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Rfc3339Time, TextInfo};

/// A category of Devices that phones can be provisioned into.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Categories {
    /// The categories.
    pub categories: Vec<Category>,
}

/// Something a person should know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Notices {
    /// The notices.
    pub notices: Vec<Notice>,
}

/// A source that is frozen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Thaw)]
pub struct UnfreezeBody {
    /// Its IP address, as the notice `scanning` names it.
    pub address: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Thawed)]
pub struct UnfreezeResult {
    /// False when no source with this address was frozen.
    pub thawed: bool,
}

/// A connection to a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Connections {
    /// The connections.
    pub connections: Vec<Connection>,
}

/// The tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InfoInstance {
    /// Its domain.
    pub domain: String,
    /// Its name.
    pub name: String,
}

/// The token that was shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InfoToken {
    /// How people call it.
    pub name: String,
    /// `read` or `write`.
    pub scope: String,
    /// When it ends by itself.
    pub expires: Option<Rfc3339Time>,
}

/// The gateway, and who asks it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
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

/// The user of the admin page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PersonInfo {
    /// Long name, login and address.
    pub name: String,
    /// The name at the PBX.
    pub sip: String,
    /// `pbx`, `password`, `token` or `command`.
    pub login: String,
}

/// A provider without its vendor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProviderTitle {
    /// Its name.
    pub name: String,
    /// As Profile and UsersAdmin show it.
    pub title: String,
}

/// What a page must know of a vendor to offer it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VendorSummary {
    /// Its name.
    pub name: String,
    /// As people know it.
    pub title: String,
    /// Its providers.
    pub providers: Vec<ProviderTitle>,
    /// The protocols of its redirect services.
    pub protocols: Vec<String>,
    /// The protocol to use unless a setting selects another.
    pub default_protocol: String,
    /// Accounts that the vendor shares with all customers.
    pub demo_accounts: Vec<String>,
    /// Its models.
    pub models: Vec<String>,
}

/// Limits of requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PageLimits {
    /// Most rows of a list at once.
    pub window: usize,
    /// Most bytes of an import file.
    pub import_bytes: usize,
}

/// The gateway, its user, and its vendors: what a page asks first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SessionInfo {
    /// Version of the gateway.
    pub version: String,
    /// The running build. Pages of a different build reload.
    pub build: String,
    /// The time at the gateway.
    pub now: Rfc3339Time,
    /// The tenant.
    pub instance: InfoInstance,
    /// The user.
    pub person: PersonInfo,
    /// The vendors.
    pub vendors: Vec<VendorSummary>,
    /// Limits of requests.
    pub limits: PageLimits,
}
