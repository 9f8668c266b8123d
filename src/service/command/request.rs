//! What a command asks the gateway for.

use gangway_base::{mac::Mac, secret::Secret};
use ipnet::IpNet;
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    phone::facet::Wanted,
    service::types::{PbxSetupOrder, PbxSetupRequest},
};

/// A request for an instance.
#[derive(Debug, Serialize, Deserialize)]
pub struct CommandCall {
    /// `DOMAIN/NAME` of the instance. `None` for requests that concern the whole gateway.
    pub instance: Option<String>,
    /// The request.
    pub request: CommandRequest,
}

/// A request. The documentation of a variant names its result.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum CommandRequest {
    /// Rows of `PhoneExport`, sorted by MAC address; notes about a bulk move. Returns the number of phones.
    ListPhones {
        /// Also removed phones.
        removed: bool,
    },
    /// Returns a `PhoneReport`.
    ShowPhone {
        /// The phone.
        mac: Mac,
    },
    /// Writes what is wanted of a phone. Returns whether the phone lacks its users' passwords.
    ChangePhone {
        /// The phone.
        mac: Mac,
        /// What is wanted.
        change: PhoneChangeKind,
        /// Wait until the gateway has carried it out.
        wait: bool,
    },
    /// Tells a phone to fetch its file. Returns the sentence about the result, or nothing without `wait`.
    ResyncPhone {
        /// The phone.
        mac: Mac,
        /// Wait for the result. A phone that does not fetch its file is an error then.
        wait: bool,
    },
    /// Generates new credentials for a phone. Returns nothing.
    RotateCredentials {
        /// The phone.
        mac: Mac,
        /// Wait until the phone has used them.
        wait: bool,
    },
    /// Compares entries at the redirect service. Rows of `RedirectCheckRow` with `wait`. Returns the number of phones.
    CheckRedirect {
        /// The phone; `None` for all phones in service.
        mac: Option<Mac>,
        /// Register again what differs.
        repair: bool,
        /// Wait until all are compared.
        wait: bool,
    },
    /// Creates a one-time URL over plain HTTP. Returns it, and a note about how to enter it.
    BootstrapUrl {
        /// The phone.
        mac: Mac,
        /// The network from which it may come by https.
        from: Option<IpNet>,
        /// Where phones reach `[http]`, if the administrator names it.
        http_base: Option<String>,
    },
    /// Checks and imports the file that follows the request. Returns an `ImportReport`.
    ImportPhones {
        /// Only check it.
        dry_run: bool,
        /// Wait until every line is done.
        wait: bool,
        /// Category in Devices for lines without one.
        category: Option<String>,
        /// Codes are valid for 7 days instead of 15 minutes.
        rollout: bool,
    },
    /// Rows with every setting of a scope.
    ListSettings {
        /// The scope, as text.
        scope: String,
    },
    /// Rows with the settings that were set, of all scopes.
    ListSetSettings,
    /// Returns the value of a setting in one scope, or its default.
    GetSetting {
        /// The setting.
        name: String,
        /// The scope, as text.
        scope: String,
    },
    /// Changes a setting. Returns a `ChangedSetting`.
    SetSetting {
        /// The setting.
        name: String,
        /// The value. `None` restores the default.
        #[serde(serialize_with = "exposed")]
        value: Option<Secret>,
        /// The scope, as text.
        scope: String,
    },
    /// Creates a token. Returns its row, with its text.
    CreateToken {
        /// Its name.
        name: String,
        /// `read` or `write`.
        scope: String,
        /// Its lifetime in days.
        days: Option<u32>,
    },
    /// Rows with the tokens.
    ListTokens,
    /// Revokes a token. Returns its name.
    RevokeToken {
        /// Its name or number.
        token: String,
    },
    /// Rows with the newest entries of the audit.
    ListAudit {
        /// How many.
        count: u32,
    },
    /// Writes into the audit that diagnostics are about to be written. Returns nothing.
    RecordDiagnostics {
        /// The phone that they are limited to.
        phone: Option<Mac>,
        /// What is written, and where.
        deed: String,
    },
    /// Compares the app objects of the PBX with what the gateway needs. Returns a `PbxSetupPlan`.
    PlanPbxSetup {
        /// Which set-up.
        setup: PbxSetupRequest,
    },
    /// Creates and repairs app objects at the PBX. Returns a `PbxSetupResult`.
    ApplyPbxSetup {
        /// The confirmed steps.
        order: PbxSetupOrder,
    },
    /// Returns a `GatewayStatus`.
    ShowStatus,
    /// Writes into the audit of all instances that a backup is about to be written. Returns nothing.
    RecordBackup {
        /// The file.
        file: String,
    },
    /// Replaces the sealing key. Returns a `KeyRotation`.
    RotateKeys,
}

/// What is wanted of a phone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum PhoneChangeKind {
    /// Let it bootstrap once more with its redirect URL.
    Allow,
    /// Let it bootstrap once more, also without its redirect URL.
    AllowWithoutToken {
        /// Only from this network.
        from: Option<IpNet>,
    },
    /// Put it back into service.
    Activate,
    /// Send one more file with all accounts off.
    Release,
    /// Deliver nothing.
    Block,
    /// Take it out.
    Remove,
    /// Remove the accounts of one user.
    RemoveUser {
        /// The login of the user.
        user: String,
    },
}

impl PhoneChangeKind {
    /// The state that is wanted of the phone, for changes of it.
    #[must_use]
    pub fn wanted(&self) -> Option<Wanted> {
        match self {
            Self::Activate => Some(Wanted::Active),
            Self::Release => Some(Wanted::Released),
            Self::Block => Some(Wanted::Blocked),
            Self::Remove => Some(Wanted::Removed),
            Self::Allow | Self::AllowWithoutToken { .. } | Self::RemoveUser { .. } => None,
        }
    }
}

impl CommandRequest {
    /// Whether the request is rejected while the gateway is passive.
    #[must_use]
    pub fn changes_phones(&self) -> bool {
        matches!(
            self,
            Self::ChangePhone { .. }
                | Self::ResyncPhone { .. }
                | Self::RotateCredentials { .. }
                | Self::CheckRedirect { .. }
                | Self::BootstrapUrl { .. }
                | Self::ImportPhones { .. }
                | Self::ApplyPbxSetup { .. }
        )
    }

    /// Whether the request only reads. Only then may a command work on the store beside another process.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        matches!(
            self,
            Self::ListPhones { .. }
                | Self::ShowPhone { .. }
                | Self::ListSettings { .. }
                | Self::ListSetSettings
                | Self::GetSetting { .. }
                | Self::ListTokens
                | Self::ListAudit { .. }
                | Self::PlanPbxSetup { .. }
                | Self::ShowStatus
        )
    }

    /// Whether a file follows the request.
    #[must_use]
    pub fn has_content(&self) -> bool {
        matches!(self, Self::ImportPhones { .. })
    }
}

/// The socket is the one place that a secret value crosses in plain text: only the owner of the data can open it.
fn exposed<S: Serializer>(value: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.serialize_some(value.expose()),
        None => serializer.serialize_none(),
    }
}
