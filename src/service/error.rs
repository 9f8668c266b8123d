//! Why the service rejects a request. The texts of both languages are under the keys of the messages.

use gangway_base::mac::{Mac, MacError};
use jiff::Timestamp;

use crate::{
    base::i18n::Message, devices::client::DevicesError, pbx::app_object_setup::SetupError, render::RenderError,
    settings::ScopeError, store::StoreError,
};

/// A field whose value is rejected.
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidField {
    /// The setting or the field of a form.
    pub name: String,
    /// Why.
    pub message: Message,
}

/// Why a request is rejected. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.message().english())]
pub enum ServiceError {
    /// The request cannot be parsed; with the reason.
    BadRequest(String),
    /// The text is not a MAC address.
    BadMac(MacError),
    /// The text is not a scope.
    BadScope(ScopeError),
    /// The text is not a network.
    BadNetwork(String),
    /// The text is not an IP address.
    BadAddress(String),
    /// No phone has this MAC address.
    NoPhone(Mac),
    /// The phone was removed.
    PhoneIsGone(Mac),
    /// There is no such vendor.
    UnknownVendor(String),
    /// There is no such action.
    UnknownAction(String),
    /// Too many requests are open.
    Busy,
    /// The gateway was restored and has not taken over; with the sentence that says how.
    Passive(String),
    /// The store cannot be read or written.
    Store(StoreError),
    /// Devices rejected a request, or is away.
    Devices(DevicesError),
    /// Devices has no such category.
    UnknownCategory,
    /// The category must be chosen.
    NoCategory,
    /// The category sorts update or backup jobs.
    CategoryNotConfig(String),
    /// Several domains have a category of this name.
    CategoryAmbiguous {
        /// The name.
        category: String,
        /// The ids of these categories, separated by commas.
        ids: String,
    },
    /// The phone has a code or its configuration already.
    CodeNotNeeded,
    /// The phone is blocked.
    AllowBlocked(Mac),
    /// The redirect service has not rejected the phone; with the state of its entry.
    NothingToRedirect(String),
    /// The vendor has no account at a redirect service.
    NoRedirectAccount(String),
    /// The phone has not fetched its newest credentials yet.
    RotationUnderWay,
    /// The phone's file cannot be rendered.
    NotRendered(RenderError),
    /// The phone has not fetched a file yet.
    NothingDelivered,
    /// The store has no copy of the file that was delivered then.
    DeliveredFileNotKept(Timestamp),
    /// The gateway did not generate this password.
    NotGenerated,
    /// One value of a setting is invalid; with the reason.
    SettingRefused(String),
    /// Some values of settings are invalid.
    SettingsRefused(Vec<InvalidField>),
    /// The form for a token has errors.
    TokenRefused(Vec<InvalidField>),
    /// The instance has this many tokens, which is the maximum.
    TooManyTokens(usize),
    /// There is no such token.
    UnknownToken,
    /// The file is longer than [`super::IMPORT_BYTES`].
    ImportTooLarge,
    /// No file was checked.
    NothingToImport,
    /// The instance's former import has not ended.
    ImportRunning,
    /// The app objects of the PBX cannot be read or written.
    PbxSetup(SetupError),
    /// The configuration does not allow the page to set up the PBX.
    PbxApplyOff,
    /// There is no vendor or provider of this name; with the names there are.
    UnknownSetupVendor {
        /// The name.
        name: String,
        /// The vendors and providers there are.
        known: String,
    },
}

impl ServiceError {
    /// The error as a message: its key is stable, its parameters are data.
    #[must_use]
    pub fn message(&self) -> Message {
        match self {
            Self::BadRequest(reason) => Message::new("bad-request").with("sentence", reason.as_str()),
            Self::BadMac(error) => Message::new("bad-mac").with("sentence", error.to_string()),
            Self::BadScope(error) => Message::new("bad-scope").with("sentence", error.to_string()),
            Self::BadNetwork(network) => Message::new("bad-network").with("network", network.as_str()),
            Self::BadAddress(address) => Message::new("bad-address").with("address", address.as_str()),
            Self::NoPhone(mac) => Message::new("no-phone").with("mac", mac.to_string()),
            Self::PhoneIsGone(mac) => Message::new("phone-is-gone").with("mac", mac.to_string()),
            Self::UnknownVendor(vendor) => Message::new("unknown-vendor").with("vendor", vendor.as_str()),
            Self::UnknownAction(action) => Message::new("unknown-action").with("action", action.as_str()),
            Self::Busy => Message::new("busy"),
            Self::Passive(sentence) => Message::new("passive").with("sentence", sentence.as_str()),
            Self::Store(error) => Message::new("store-failed").with("sentence", error.to_string()),
            Self::Devices(error) => Message::new("devices-failed").with("sentence", error.to_string()),
            Self::UnknownCategory => Message::new("unknown-category"),
            Self::NoCategory => Message::new("no-category"),
            Self::CategoryNotConfig(category) => {
                Message::new("category-not-config").with("category", category.as_str())
            }
            Self::CategoryAmbiguous { category, ids } => {
                Message::new("category-ambiguous").with("category", category.as_str()).with("ids", ids.as_str())
            }
            Self::CodeNotNeeded => Message::new("code-not-needed"),
            Self::AllowBlocked(mac) => Message::new("allow-blocked").with("mac", mac.to_string()),
            Self::NothingToRedirect(state) => Message::new("nothing-to-redirect").with("state", state.as_str()),
            Self::NoRedirectAccount(vendor) => Message::new("no-redirect-account").with("vendor", vendor.as_str()),
            Self::RotationUnderWay => Message::new("rotation-under-way"),
            Self::NotRendered(error) => Message::new("not-rendered").with("sentence", error.to_string()),
            Self::NothingDelivered => Message::new("nothing-delivered"),
            Self::DeliveredFileNotKept(at) => Message::new("delivered-file-not-kept").with("at", at.to_string()),
            Self::NotGenerated => Message::new("not-generated"),
            Self::SettingRefused(reason) => Message::new("setting-refused").with("sentence", reason.as_str()),
            Self::SettingsRefused(fields) => Message::new("settings-refused").with("count", fields.len()),
            Self::TokenRefused(_) => Message::new("token.refused"),
            Self::TooManyTokens(most) => Message::new("token.too-many").with("most", *most),
            Self::UnknownToken => Message::new("token.unknown"),
            Self::ImportTooLarge => Message::new("import.too-large"),
            Self::NothingToImport => Message::new("import.nothing"),
            Self::ImportRunning => Message::new("import.running"),
            Self::PbxSetup(error) => Message::new("pbx-setup-failed").with("sentence", error.to_string()),
            Self::PbxApplyOff => Message::new("pbx-apply-off"),
            Self::UnknownSetupVendor { name, known } => {
                Message::new("unknown-setup-vendor").with("name", name.as_str()).with("known", known.as_str())
            }
        }
    }

    /// The fields whose values are rejected; empty for most errors.
    #[must_use]
    pub fn fields(&self) -> &[InvalidField] {
        match self {
            Self::SettingsRefused(fields) | Self::TokenRefused(fields) => fields,
            _ => &[],
        }
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the admin api could not use the store");
        Self::Store(error)
    }
}

impl From<SetupError> for ServiceError {
    fn from(error: SetupError) -> Self {
        Self::PbxSetup(error)
    }
}

impl From<DevicesError> for ServiceError {
    fn from(error: DevicesError) -> Self {
        Self::Devices(error)
    }
}

impl From<RenderError> for ServiceError {
    fn from(error: RenderError) -> Self {
        Self::NotRendered(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_a_text_whose_placeholders_are_filled() {
        let mac: Mac = "805ec0123456".parse().unwrap();
        let word = || "word".to_owned();
        let field = InvalidField { name: word(), message: Message::new("token.scope") };
        for error in [
            ServiceError::BadRequest(word()),
            ServiceError::BadMac("no".parse::<Mac>().unwrap_err()),
            ServiceError::BadScope("no".parse::<crate::settings::Scope>().unwrap_err()),
            ServiceError::BadNetwork(word()),
            ServiceError::BadAddress(word()),
            ServiceError::NoPhone(mac),
            ServiceError::PhoneIsGone(mac),
            ServiceError::UnknownVendor(word()),
            ServiceError::UnknownAction(word()),
            ServiceError::Busy,
            ServiceError::Passive(word()),
            ServiceError::Devices(DevicesError::Away),
            ServiceError::UnknownCategory,
            ServiceError::NoCategory,
            ServiceError::CategoryNotConfig(word()),
            ServiceError::CategoryAmbiguous { category: word(), ids: word() },
            ServiceError::CodeNotNeeded,
            ServiceError::AllowBlocked(mac),
            ServiceError::NothingToRedirect(word()),
            ServiceError::NoRedirectAccount(word()),
            ServiceError::RotationUnderWay,
            ServiceError::NotRendered(RenderError::NoVendor),
            ServiceError::NothingDelivered,
            ServiceError::DeliveredFileNotKept(Timestamp::UNIX_EPOCH),
            ServiceError::NotGenerated,
            ServiceError::SettingRefused(word()),
            ServiceError::SettingsRefused(vec![field.clone()]),
            ServiceError::TokenRefused(vec![field]),
            ServiceError::TooManyTokens(100),
            ServiceError::UnknownToken,
            ServiceError::ImportTooLarge,
            ServiceError::NothingToImport,
            ServiceError::ImportRunning,
            ServiceError::PbxSetup(SetupError::Incomplete),
            ServiceError::PbxApplyOff,
            ServiceError::UnknownSetupVendor { name: word(), known: word() },
        ] {
            let (message, text) = (error.message(), error.to_string());
            assert!(text != message.key() && !text.contains(['{', '}']), "{error:?}: {text}");
        }
    }
}
