//! The set-up of a PBX: what is there, missing or wrong, and what was changed.

use serde::{Deserialize, Serialize};

use super::TextInfo;

/// Which set-up is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PbxSetupRequest {
    /// Vendors: all of their providers. A provider's own name is accepted too.
    #[serde(default)]
    pub vendors: Vec<String>,
    /// Providers by name.
    #[serde(default)]
    pub providers: Vec<String>,
    /// Name of the master PBX, where several are connected.
    #[serde(default)]
    pub pbx: Option<String>,
}

/// Which steps of a plan are to be carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PbxSetupOrder {
    /// The set-up that was planned.
    #[serde(flatten)]
    pub setup: PbxSetupRequest,
    /// The ids of the confirmed steps.
    pub steps: Vec<String>,
}

/// A step that the gateway may carry out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PbxSetupStep {
    /// Identifies it.
    pub id: String,
    /// What it does.
    pub text: TextInfo,
}

/// What was found about one app object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PbxSetupFinding {
    /// Name of the object, or of the app where there is no object.
    pub object: String,
    /// `present`, `missing` or `wrong`.
    pub state: String,
    /// The finding.
    pub text: TextInfo,
    /// What the gateway may do about it.
    pub step: Option<PbxSetupStep>,
    /// What an administrator may enter.
    pub by_hand: Option<TextInfo>,
}

/// A PBX compared with what the gateway needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PbxSetupPlan {
    /// Name of the PBX.
    pub pbx: String,
    /// The URL below which the apps are.
    pub base: String,
    /// The providers that were compared.
    pub providers: Vec<String>,
    /// The providers that may be asked for.
    pub offered: Vec<String>,
    /// The findings.
    pub findings: Vec<PbxSetupFinding>,
    /// Nothing is missing or wrong.
    pub complete: bool,
    /// Whether the caller may have the steps carried out.
    pub may_apply: bool,
    /// What else phones need, which cannot be seen over this connection.
    pub notes: Vec<TextInfo>,
}

/// A change that was made or failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PbxSetupChange {
    /// Name of the object.
    pub object: String,
    /// What was done, or why not.
    pub text: TextInfo,
    /// The former value of what was changed; null for a new object.
    pub former: Option<String>,
    /// Whether the object was read back as it should be.
    pub done: bool,
}

/// What came of a set-up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PbxSetupResult {
    /// The changes, in order.
    pub changes: Vec<PbxSetupChange>,
    /// The PBX afterwards.
    pub plan: PbxSetupPlan,
}
