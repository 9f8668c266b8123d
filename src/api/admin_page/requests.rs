//! The members of the page's requests that are not types of the service. Unknown members are ignored, because every
//! message also contains those of its protocol.

use std::collections::BTreeMap;

use gangway_base::secret::Secret;
use serde::Deserialize;

use crate::service::{
    ListRequest,
    rendered_config::GeneratedPassword,
    types::{FirstContactInfo, PhoneActions},
};

/// `Devices`.
#[derive(Deserialize)]
pub struct DevicesRequest {
    #[serde(flatten)]
    pub list: ListRequest,
    #[serde(default)]
    pub subscribe: bool,
}

/// `Phone`.
#[derive(Deserialize)]
pub struct PhoneRequest {
    pub mac: String,
    #[serde(default)]
    pub subscribe: bool,
}

/// `Config` and `Diff`.
#[derive(Deserialize)]
pub struct ConfigRequest {
    pub mac: String,
    #[serde(default)]
    pub open: bool,
}

/// `Reveal`.
#[derive(Deserialize)]
pub struct RevealRequest {
    pub mac: String,
    pub what: GeneratedPassword,
}

/// `Act`: an action on a phone, with its options beside.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActRequest {
    pub mac: String,
    pub action: String,
    #[serde(default)]
    first_contact: Option<FirstContactInfo>,
    #[serde(default)]
    category: Option<String>,
    #[serde(default)]
    rollout: bool,
}

impl ActRequest {
    /// The options of the action.
    pub fn options(self) -> PhoneActions {
        PhoneActions { first_contact: self.first_contact, category: self.category, rollout: self.rollout }
    }
}

/// `Settings` and `SettingsPending`: a scope; the instance if it is missing.
#[derive(Deserialize)]
pub struct ScopeRequest {
    #[serde(default)]
    scope: Option<String>,
}

impl ScopeRequest {
    /// The scope.
    pub fn scope(&self) -> &str {
        self.scope.as_deref().unwrap_or("instance")
    }
}

/// `SettingsSet`: values for a scope.
#[derive(Deserialize)]
pub struct ScopedChange {
    pub scope: String,
    pub values: BTreeMap<String, Option<Secret>>,
}

/// `LineKeys`: a list of line keys for a scope.
#[derive(Deserialize)]
pub struct LineKeysRequest {
    pub scope: String,
    #[serde(default)]
    pub value: String,
}

/// `RedirectTest`.
#[derive(Deserialize)]
pub struct VendorRequest {
    pub vendor: String,
}

/// `Vendors`: one vendor, or all.
#[derive(Deserialize)]
pub struct VendorsRequest {
    pub vendor: Option<String>,
}

/// `Thaw`.
#[derive(Deserialize)]
pub struct AddressRequest {
    pub address: String,
}

/// `HistoryPrune`.
#[derive(Deserialize)]
pub struct PruneRequest {
    pub days: u32,
}

/// `Audit`.
#[derive(Deserialize)]
pub struct AuditRequest {
    #[serde(default)]
    pub before: Option<i64>,
    #[serde(default = "usual_rows")]
    pub count: u32,
}

fn usual_rows() -> u32 {
    100
}

/// `Chart`.
#[derive(Deserialize)]
pub struct ChartRequest {
    #[serde(default = "day")]
    pub hours: u16,
}

fn day() -> u16 {
    24
}

/// `TokenRevoke`.
#[derive(Deserialize)]
pub struct TokenRequest {
    pub id: i64,
}

/// `ImportData`: a piece of a file in base64.
#[derive(Deserialize)]
pub struct UploadPiece {
    #[serde(default)]
    pub data: String,
    #[serde(default)]
    pub last: bool,
}
