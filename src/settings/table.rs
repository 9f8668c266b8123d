//! The table of all settings. Help, validation, pages and documentation are derived from it.

use gangway_base::secret::Secret;

use super::{redirect_protocols::PROTOCOL_WORDS, scope::Scope};
use crate::base::i18n::english;

/// The value of `phone_admin_password` that selects the password deployed by Devices.
pub const FROM_DEVICES: &str = "from-devices";

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// `true` or `false`.
    Bool,
    /// An integer within bounds.
    Number(u32, u32),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One line of text with at most this many characters.
    Text(usize),
    /// A host name or address, optionally with `:port`.
    Host,
    /// `http` or `https` URL.
    Url,
    /// IANA time zone name.
    Zone,
    /// ISO 3166 country, two letters.
    Country,
    /// ISO 639 language, two letters.
    Language,
    /// First halves of MAC addresses (OUIs), separated by blanks or commas.
    Prefixes,
    /// A list of line keys ([`crate::settings::line_keys`]).
    LineKeys,
}

/// A setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name, which is part of the public contract.
    pub name: &'static str,
    /// The type of its values. The empty value is allowed if the default is empty.
    pub kind: ValueKind,
    /// The value if no layer sets it.
    pub default: &'static str,
    /// `minutes`, `days`, ... or empty.
    pub unit: &'static str,
    /// Whether it can also be set for vendors, models, categories and phones (`*`).
    pub layered: bool,
    /// Whether the value must not be shown.
    pub secret: bool,
    /// For a secret: the settings that define where it is sent. The secret is bound to that address.
    pub addresses: &'static [&'static str],
    /// When a changed value takes effect.
    pub effect: EffectTime,
}

impl Setting {
    /// The key of the text that says what the setting does. The redirect services of all vendors share theirs.
    #[must_use]
    pub fn help_key(&self) -> String {
        let redirect = if REDIRECT_SETTINGS.iter().any(|other| other.name == self.name) { "redirect." } else { "" };
        format!("help.{redirect}{}", self.name)
    }

    /// What the setting does, in English.
    #[must_use]
    pub fn help(&self) -> &'static str {
        english(&self.help_key()).unwrap_or_default()
    }

    /// A value of this setting in displayable form.
    #[must_use]
    pub fn shown(&self, value: &Secret) -> String {
        if self.secret && !value.is_empty() { "***".to_owned() } else { value.expose().to_owned() }
    }
}

/// When a changed value takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectTime {
    /// With the file that the phone fetches next.
    NextRequest,
    /// Immediately in the PBX's flags of the device, and on the phone with its next file.
    PbxAndNextRequest,
    /// Immediately in the behaviour of gangway.
    AtOnce,
    /// For phones that are provisioned or allowed afterwards.
    NextProvisioning,
    /// With the next call to the redirect service.
    NextRedirect,
    /// With the daily cleanup.
    Daily,
}

impl EffectTime {
    /// `takes effect ...`
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::NextRequest => "at the phone's next request",
            Self::PbxAndNextRequest => "on the PBX at once, on the phone at its next request",
            Self::AtOnce => "at once",
            Self::NextProvisioning => "for phones provisioned or allowed from then on",
            Self::NextRedirect => "with the next call to the redirect service",
            Self::Daily => "with the daily clean-up",
        }
    }
}

const fn layered(name: &'static str, kind: ValueKind, default: &'static str) -> Setting {
    Setting {
        name,
        kind,
        default,
        unit: "",
        layered: true,
        secret: false,
        addresses: &[],
        effect: EffectTime::NextRequest,
    }
}

const fn instance(name: &'static str, kind: ValueKind, default: &'static str) -> Setting {
    Setting { name, kind, default, unit: "", layered: false, secret: false, addresses: &[], effect: EffectTime::AtOnce }
}

const fn unit(setting: Setting, unit: &'static str) -> Setting {
    Setting { unit, ..setting }
}

const fn effect(effect: EffectTime, setting: Setting) -> Setting {
    Setting { effect, ..setting }
}

const fn secret(setting: Setting) -> Setting {
    Setting { secret: true, ..setting }
}

const fn secret_for(addresses: &'static [&'static str], setting: Setting) -> Setting {
    Setting { secret: true, addresses, ..setting }
}

/// All settings except those of the redirect services, whose names contain a vendor ([`REDIRECT_SETTINGS`]).
pub static TABLE: &[Setting] = &[
    unit(layered("update_interval_minutes", ValueKind::Number(0, 43_200), "1440"), "minutes"),
    layered("ntp_server_1", ValueKind::Host, ""),
    layered("ntp_server_2", ValueKind::Host, ""),
    layered("timezone", ValueKind::Zone, ""),
    layered("location", ValueKind::Country, ""),
    layered("language", ValueKind::Language, ""),
    layered("sip_transport", ValueKind::Choice(&["tls", "tcp"]), "tls"),
    layered("sip_account", ValueKind::Choice(&["hwid", "username"]), "hwid"),
    layered("registrar", ValueKind::Host, ""),
    layered("outbound_proxy", ValueKind::Host, ""),
    effect(EffectTime::PbxAndNextRequest, layered("media_relay", ValueKind::Bool, "true")),
    effect(EffectTime::PbxAndNextRequest, layered("reverse_proxy", ValueKind::Bool, "true")),
    layered("srtp", ValueKind::Choice(&["off", "optional", "required"]), "optional"),
    layered("provisioning_scheme", ValueKind::Choice(&["https", "http"]), "https"),
    instance("provisioning_user", ValueKind::Text(30), ""),
    secret(instance("provisioning_password", ValueKind::Text(20), "")),
    layered("phone_admin_user", ValueKind::Text(32), "admin"),
    secret(layered("phone_admin_password", ValueKind::Text(32), "")),
    layered("ldap_server", ValueKind::Host, ""),
    layered("ldap_port", ValueKind::Number(1, 65_535), "636"),
    layered("ldap_tls", ValueKind::Choice(&["ldaps", "starttls", "off"]), "ldaps"),
    layered("ldap_base", ValueKind::Text(255), "cn=PBX0"),
    layered("ldap_user", ValueKind::Text(255), ""),
    secret_for(&["ldap_server", "ldap_port", "ldap_tls"], layered("ldap_password", ValueKind::Text(255), "")),
    layered("ldap_name_filter", ValueKind::Text(255), "(|(sn=*%*)(cn=*%*))"),
    layered("ldap_number_filter", ValueKind::Text(255), "(e164=%)"),
    layered("ldap_name_attributes", ValueKind::Text(255), "cn sn"),
    layered("ldap_number_attributes", ValueKind::Text(255), "e164"),
    layered("ldap_display_name", ValueKind::Text(255), "%cn"),
    layered("ldap_max_hits", ValueKind::Number(1, 32_000), "50"),
    layered("line_keys", ValueKind::LineKeys, ""),
    layered("firmware_url", ValueKind::Url, ""),
    effect(EffectTime::AtOnce, layered("firmware_version", ValueKind::Text(32), "")),
    layered("wallpaper_url", ValueKind::Url, ""),
    layered("syslog_server", ValueKind::Host, ""),
    effect(EffectTime::AtOnce, layered("require_certificate", ValueKind::Bool, "false")),
    effect(EffectTime::NextProvisioning, layered("extra_ouis", ValueKind::Prefixes, "")),
    effect(EffectTime::NextRedirect, layered("serial_number", ValueKind::Text(128), "")),
    unit(effect(EffectTime::NextProvisioning, instance("window_days", ValueKind::Number(1, 7), "7")), "days"),
    unit(effect(EffectTime::Daily, instance("history_days", ValueKind::Number(1, 3650), "90")), "days"),
];

/// Settings that identify a single device: they can only be set for a phone.
pub static ONE_PHONE: &[&str] = &["serial_number"];

/// The settings of a vendor's redirect service: `redirect.<vendor>.<name>`.
pub static REDIRECT_SETTINGS: &[Setting] = &[
    effect(EffectTime::NextRedirect, instance("protocol", ValueKind::Choice(&PROTOCOL_WORDS), "")),
    effect(EffectTime::NextRedirect, instance("url", ValueKind::Url, "")),
    effect(EffectTime::NextRedirect, instance("user", ValueKind::Text(255), "")),
    secret_for(&["protocol", "url"], effect(EffectTime::NextRedirect, instance("password", ValueKind::Text(255), ""))),
    effect(EffectTime::NextRedirect, instance("server_name", ValueKind::Text(24), "")),
    effect(EffectTime::NextRedirect, instance("mac_only", ValueKind::Bool, "false")),
];

/// Whether a vendor's manifest may define a default. Only settings that are used in files alone, where the family of
/// the phone is known.
#[must_use]
pub fn family_may_default(name: &str) -> bool {
    name.starts_with("ldap_")
}

/// Whether a setting can be set in this scope.
#[must_use]
pub fn possible(setting: &Setting, scope: &Scope) -> bool {
    if ONE_PHONE.contains(&setting.name) {
        return matches!(scope, Scope::Phone(_));
    }
    setting.layered || *scope == Scope::Instance
}

/// The setting with this name; `redirect.<vendor>.<name>` with any vendor word.
#[must_use]
pub fn setting(name: &str) -> Option<&'static Setting> {
    if let Some((vendor, last)) = name.strip_prefix("redirect.").and_then(|rest| rest.split_once('.')) {
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if vendor.is_empty() || !vendor.chars().all(word) {
            return None;
        }
        return REDIRECT_SETTINGS.iter().find(|setting| setting.name == last);
    }
    TABLE.iter().find(|setting| setting.name == name)
}
