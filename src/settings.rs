//! Settings: one table, validation with messages for users, layers, and the origin of every value.
//!
//! A value of a narrower layer overrides that of a wider one. From wide to narrow: default, the vendor's manifest,
//! instance, vendor, model, category, the configuration deployed by Devices, the phone itself.

mod addresses;
mod binding;
mod bound_secrets;
mod changed_layers;
mod devices;
mod emptied_secrets;
pub mod firmware;
mod help;
mod layers;
pub mod line_keys;
mod redirect_protocols;
mod scope;
mod table;
pub mod time_zone;
mod validate;

pub use addresses::addresses_of;
pub use binding::SecretBinding;
pub use changed_layers::{Changes, LayerMembership};
pub(crate) use devices::field as devices_field;
pub use devices::value_from as value_from_devices;
pub use emptied_secrets::EmptiedSecretSetting;
pub use help::{scopes, setting_json, settings_json, settings_markdown, settings_text};
pub use layers::{Defaults, Effective, Layer, Layers, Lookup, SettingRow, ValueOrigin};
pub use redirect_protocols::{Capabilities, NO_PROTOCOL, REDIRECT_PROTOCOLS, RedirectProtocolInfo, redirect_protocol};
pub use scope::{PhoneCategory, Scope, ScopeError};
pub use table::{
    EffectTime, FROM_DEVICES, REDIRECT_SETTINGS, Setting, TABLE, ValueKind, family_may_default, possible, setting,
};
pub use validate::{SettingError, validate};
