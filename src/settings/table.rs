//! The table of all settings. Help, validation, pages and documentation are derived from it.

use gangway_base::secret::Secret;

use super::{redirect_protocols::PROTOCOL_WORDS, scope::Scope};

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
    /// What the setting does.
    pub help: &'static str,
}

impl Setting {
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

const fn layered(name: &'static str, kind: ValueKind, default: &'static str, help: &'static str) -> Setting {
    Setting {
        name,
        kind,
        default,
        unit: "",
        layered: true,
        secret: false,
        addresses: &[],
        effect: EffectTime::NextRequest,
        help,
    }
}

const fn instance(name: &'static str, kind: ValueKind, default: &'static str, help: &'static str) -> Setting {
    Setting {
        name,
        kind,
        default,
        unit: "",
        layered: false,
        secret: false,
        addresses: &[],
        effect: EffectTime::AtOnce,
        help,
    }
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
    unit(
        layered(
            "update_interval_minutes",
            ValueKind::Number(0, 43_200),
            "1440",
            "How often a phone asks for its configuration; 0 = only when it starts.",
        ),
        "minutes",
    ),
    layered(
        "ntp_server_1",
        ValueKind::Host,
        "",
        "First time server. Empty = what Devices deploys, else the phone's own.",
    ),
    layered("ntp_server_2", ValueKind::Host, "", "Second time server."),
    layered("timezone", ValueKind::Zone, "", "Time zone, e.g. Europe/Berlin. Empty = what Devices deploys."),
    layered("location", ValueKind::Country, "", "Country whose tones the phone plays, e.g. DE."),
    layered("language", ValueKind::Language, "", "Language of display and web page, e.g. de."),
    layered("sip_transport", ValueKind::Choice(&["tls", "tcp"]), "tls", "Transport of the registration."),
    layered(
        "sip_account",
        ValueKind::Choice(&["hwid", "username"]),
        "hwid",
        "What the phone registers as: the HW-ID of the device or the name of the user.",
    ),
    layered(
        "registrar",
        ValueKind::Host,
        "",
        "Where the phone registers, with :port if not the usual one. Empty = the PBX that provisioned the account.",
    ),
    layered("outbound_proxy", ValueKind::Host, "", "SIP proxy all signalling goes through, e.g. the reverse proxy."),
    effect(
        EffectTime::PbxAndNextRequest,
        layered(
            "media_relay",
            ValueKind::Bool,
            "true",
            "The PBX relays media for this device; ICE, STUN and TURN are then written as off on the phone.",
        ),
    ),
    effect(
        EffectTime::PbxAndNextRequest,
        layered("reverse_proxy", ValueKind::Bool, "true", "The device may register through the reverse proxy."),
    ),
    layered("srtp", ValueKind::Choice(&["off", "optional", "required"]), "optional", "Encryption of media (SDES)."),
    layered(
        "provisioning_scheme",
        ValueKind::Choice(&["https", "http"]),
        "https",
        "How phones fetch files. http sends passwords readable over the network; only for phones that cannot do better.",
    ),
    instance(
        "provisioning_user",
        ValueKind::Text(30),
        "",
        "Shared account that may take a first configuration while a phone's window is open.",
    ),
    secret(instance("provisioning_password", ValueKind::Text(20), "", "Password of the shared account.")),
    layered("phone_admin_user", ValueKind::Text(32), "admin", "Administrator of the phone's web page."),
    secret(layered(
        "phone_admin_password",
        ValueKind::Text(32),
        "",
        "Its password. Empty = generated for every phone. from-devices = the one Devices deploys; every phone then holds the \
         administrative password of the domain, which opens the App Platform too: not recommended.",
    )),
    layered(
        "ldap_server",
        ValueKind::Host,
        "",
        "LDAP server of the directory. Empty = no directory. Only handed to phones: the gateway does not connect to it.",
    ),
    layered("ldap_port", ValueKind::Number(1, 65_535), "636", "Its port."),
    layered("ldap_tls", ValueKind::Choice(&["ldaps", "starttls", "off"]), "ldaps", "How the connection is encrypted."),
    layered("ldap_base", ValueKind::Text(255), "cn=PBX0", "Where the search starts."),
    layered("ldap_user", ValueKind::Text(255), "", "Name to log in with, e.g. pbx.example.com\\user."),
    secret_for(
        &["ldap_server", "ldap_port", "ldap_tls"],
        layered(
            "ldap_password",
            ValueKind::Text(255),
            "",
            "Password to log in with. It belongs to ldap_server, ldap_port and ldap_tls: another value of one of them empties it.",
        ),
    ),
    layered("ldap_name_filter", ValueKind::Text(255), "(|(sn=*%*)(cn=*%*))", "Search by name; % is what was typed."),
    layered("ldap_number_filter", ValueKind::Text(255), "(e164=%)", "Search by number; % is the number."),
    layered("ldap_name_attributes", ValueKind::Text(255), "cn sn", "Attributes that hold names."),
    layered("ldap_number_attributes", ValueKind::Text(255), "e164", "Attributes that hold numbers."),
    layered("ldap_display_name", ValueKind::Text(255), "%cn", "What is shown of a hit."),
    layered("ldap_max_hits", ValueKind::Number(1, 32_000), "50", "Hits shown at most."),
    layered(
        "line_keys",
        ValueKind::LineKeys,
        "",
        "Line keys, BLF and speed dials as one list, e.g. [{\"key\": 2, \"type\": \"blf\", \"value\": \"1002\", \
         \"label\": \"Bob\"}]; also account and pickup. The narrowest layer's list counts as a whole: keys it leaves \
         out return to the phone's own; [] = all of them. Empty = leave keys alone.",
    ),
    layered(
        "firmware_url",
        ValueKind::Url,
        "",
        "Firmware the phone shall load. Empty = leave it alone. Only handed to phones: the gateway does not connect to it.",
    ),
    effect(
        EffectTime::AtOnce,
        layered(
            "firmware_version",
            ValueKind::Text(32),
            "",
            "Firmware phones should report. Empty = the version in firmware_url, if its name holds one.",
        ),
    ),
    layered(
        "wallpaper_url",
        ValueKind::Url,
        "",
        "Picture behind the display. Empty = leave it alone. Only handed to phones: the gateway does not connect to it.",
    ),
    layered(
        "syslog_server",
        ValueKind::Host,
        "",
        "Where phones send their log (port 514 unless given). Empty = nowhere. Only handed to phones: the gateway does not connect to it.",
    ),
    effect(
        EffectTime::AtOnce,
        layered(
            "require_certificate",
            ValueKind::Bool,
            "false",
            "Only a phone that shows its factory certificate gets its configuration.",
        ),
    ),
    effect(
        EffectTime::NextProvisioning,
        layered(
            "extra_ouis",
            ValueKind::Prefixes,
            "",
            "Further first halves of MAC addresses that belong to a vendor, set for vendor:NAME. A MAC that starts like another vendor's phones is refused unless its own vendor is known to use that start too.",
        ),
    ),
    effect(
        EffectTime::NextRedirect,
        layered(
            "serial_number",
            ValueKind::Text(128),
            "",
            "Serial number on the phone's label; some redirect services want it beside the MAC. For single phones only.",
        ),
    ),
    unit(
        effect(
            EffectTime::NextProvisioning,
            instance(
                "window_days",
                ValueKind::Number(1, 7),
                "7",
                "How long a provisioned phone may fetch its first files.",
            ),
        ),
        "days",
    ),
    unit(
        effect(
            EffectTime::Daily,
            instance("history_days", ValueKind::Number(1, 3650), "90", "How long the history is kept."),
        ),
        "days",
    ),
];

/// Settings that identify a single device: they can only be set for a phone.
pub static ONE_PHONE: &[&str] = &["serial_number"];

/// The settings of a vendor's redirect service: `redirect.<vendor>.<name>`.
pub static REDIRECT_SETTINGS: &[Setting] = &[
    effect(
        EffectTime::NextRedirect,
        instance(
            "protocol",
            ValueKind::Choice(&PROTOCOL_WORDS),
            "",
            "Protocol of the service. Empty = the one the vendor's manifest names.",
        ),
    ),
    effect(
        EffectTime::NextRedirect,
        instance(
            "url",
            ValueKind::Url,
            "",
            "Address of the service. Empty = the usual one. The gateway connects to it: an address that is not public, and one with http://, must be named in [net] allow of the configuration.",
        ),
    ),
    effect(EffectTime::NextRedirect, instance("user", ValueKind::Text(255), "", "Our account there.")),
    secret_for(
        &["protocol", "url"],
        effect(
            EffectTime::NextRedirect,
            instance(
                "password",
                ValueKind::Text(255),
                "",
                "Its password. It belongs to protocol and url: another protocol, scheme, host or port empties it.",
            ),
        ),
    ),
    effect(
        EffectTime::NextRedirect,
        instance("server_name", ValueKind::Text(24), "", "Name of our server entry. Empty = made from the domain."),
    ),
    effect(
        EffectTime::NextRedirect,
        instance(
            "mac_only",
            ValueKind::Bool,
            "false",
            "Add phones without a known serial number by their MAC alone (YMCS: where Yealink enabled it; the phone then asks \
         for a PIN on its screen).",
        ),
    ),
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
