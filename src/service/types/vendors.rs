//! Vendors, their providers and redirect services.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::TextInfo;

/// A way phones are provisioned by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Providers)]
pub struct ProviderList {
    /// The providers.
    pub providers: Vec<ProviderInfo>,
}

/// What a DHCP server tells phones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VendorArrival {
    /// DHCP options, the usual one first.
    pub dhcp: Vec<Dhcp>,
    /// Whether they ask by SIP PnP.
    pub pnp: bool,
    /// Where a person types the URL.
    pub manual: String,
}

/// A vendor as its folder describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Vendors)]
pub struct VendorList {
    /// The vendors.
    pub vendors: Vec<VendorInfo>,
}

/// What a redirect account is worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RedirectTest {
    /// Whether the service took it.
    pub ok: bool,
    /// What it said.
    pub text: TextInfo,
}
