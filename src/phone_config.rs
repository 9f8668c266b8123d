//! The vendor-neutral configuration: everything that a personal file may contain. It is exactly the data available to
//! templates. It is a pure function of the record, the settings, the configuration deployed by Devices, and the model's
//! properties.

mod build;
mod line_keys;
mod sample;
mod time;

pub use build::{ConfigInputs, ModelFacts, build, open, sip_server};
use gangway_base::secret::Secret;
pub use line_keys::ConfiguredLineKey;
pub use sample::{sample_layers, sample_phone};
use serde::{Serialize, Serializer};
pub use time::{ClockChangeDate, ClockConfig};

/// A secret that is written to a file. It is the only secret type that can be serialized with its value, and only
/// templates receive it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RenderedSecret(pub Secret);

impl Serialize for RenderedSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

/// The data available to a template of the personal stage.
#[derive(Debug, Clone, Serialize)]
pub struct PhoneConfig {
    /// The phone and its model.
    pub phone: PhoneFacts,
    /// Where the phone fetches its files from now on.
    pub provisioning: ProvisioningConfig,
    /// One entry per account of the model, used or unused.
    pub accounts: Vec<AccountSlot>,
    /// The distinct registrars of the used accounts, for devices that configure them separately from accounts.
    pub servers: Vec<Server>,
    /// SIP options shared by all accounts.
    pub sip: Sip,
    /// ICE, STUN and TURN.
    pub media: Media,
    /// LDAP directory.
    pub ldap: Ldap,
    /// The vendor's name of the language; empty = keep the phone's.
    pub language: String,
    /// The vendor's name of the tones; empty = keep the phone's.
    pub tones: String,
    /// Clock configuration.
    pub time: ClockConfig,
    /// The configured line keys; empty if no list is set.
    pub line_keys: Vec<ConfiguredLineKey>,
    /// If a list is set: the model's other keys, which are reset to the phone's defaults.
    pub free_line_keys: Vec<u32>,
    /// Firmware URL; empty = do not change the firmware.
    pub firmware_url: String,
    /// Background picture of the display.
    pub wallpaper: Wallpaper,
    /// Syslog server; no host = off.
    pub syslog: Server,
    /// Login of the phone's web page.
    pub admin: Login,
    /// Whether gangway generated the password of the web page.
    #[serde(skip)]
    pub admin_is_generated: bool,
    /// Notes for users about values that could not be written. Templates should not print them.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// The data available to a template of the open stage. It contains no secrets except a bootstrap URL that the phone
/// used for its request.
#[derive(Debug, Clone, Serialize)]
pub struct OpenPhoneConfig {
    /// Where the phone fetches its file again.
    pub provisioning: OpenProvisioning,
}

/// Where and when a phone without its personal file fetches again.
#[derive(Debug, Clone, Serialize)]
pub struct OpenProvisioning {
    /// URL that ends with `/`.
    pub url: RenderedSecret,
    /// Minutes until the phone fetches again.
    pub interval_minutes: u32,
}

/// The phone and its model.
#[derive(Debug, Clone, Serialize)]
pub struct PhoneFacts {
    /// MAC address as 12 lower-case hex digits.
    pub mac: String,
    /// Model as reported by the phone; empty if unknown.
    pub model: String,
    /// Whether it is a DECT base.
    pub dect: bool,
    /// Its family in the vendor's manifest.
    pub family: String,
    /// Capabilities of the model according to the manifest.
    pub capabilities: Vec<String>,
    /// Number of line keys of the model.
    pub line_keys: u32,
    /// Whether all accounts are off: the last file of a released phone.
    pub released: bool,
}

/// Where the phone fetches its files.
#[derive(Debug, Clone, Serialize)]
pub struct ProvisioningConfig {
    /// URL that ends with `/`.
    pub url: String,
    /// The phone's own user name.
    pub user: String,
    /// The phone's own password.
    pub password: RenderedSecret,
    /// Whether the phone fetches its file periodically.
    pub repeat: bool,
    /// Minutes between two fetches; 0 = never.
    pub interval_minutes: u32,
}

/// A host and a port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Server {
    /// Host name or address; empty = none.
    pub host: String,
    /// Port; 0 if there is no host.
    pub port: u16,
    /// `host:port` in URI form, with an IPv6 address in brackets (RFC 3986, 3.2.2); empty = none.
    pub authority: String,
}

/// An account of the phone.
#[derive(Debug, Clone, Serialize)]
pub struct AccountSlot {
    /// Number of the account, from 1.
    pub line: u16,
    /// Whether the account is assigned to a user.
    pub active: bool,
    /// Long name of the user.
    pub display_name: String,
    /// Name used for registration.
    pub register_name: String,
    /// Name used for digest authentication.
    pub auth_name: String,
    /// The user's PBX password.
    pub password: RenderedSecret,
    /// Registrar.
    pub server: Server,
    /// Its position in [`PhoneConfig::servers`], from 1; 0 if the account is unused.
    pub server_number: usize,
}

/// SIP options shared by all accounts.
#[derive(Debug, Clone, Serialize)]
pub struct Sip {
    /// `tls` or `tcp`, but never `udp`.
    pub transport: String,
    /// `off`, `optional`, `required`.
    pub srtp: String,
    /// Outbound proxy.
    pub proxy: Server,
    /// All codecs with their priority; 0 = off.
    pub codecs: Vec<Codec>,
    /// Milliseconds per packet; 0 = keep the phone's.
    pub frame: u32,
}

/// An audio codec.
#[derive(Debug, Clone, Serialize)]
pub struct Codec {
    /// `pcma`, `pcmu`, `g722`, `g729`, `opus`.
    pub name: String,
    /// Whether the codec is offered.
    pub enabled: bool,
    /// 1 = highest; 0 = off.
    pub priority: u32,
}

/// Background picture of the display.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Wallpaper {
    /// URL of the picture; empty = keep the phone's.
    pub url: String,
    /// File name of the picture.
    pub file: String,
}

/// ICE, STUN and TURN; all off with media relay.
#[derive(Debug, Clone, Serialize)]
pub struct Media {
    /// Whether the PBX relays media.
    pub relay: bool,
    /// Whether ICE is on.
    pub ice: bool,
    /// STUN server.
    pub stun: Server,
    /// TURN server.
    pub turn: Server,
    /// Login of the TURN server.
    pub turn_login: Login,
}

/// A user name and password.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Login {
    /// User name.
    pub user: String,
    /// Password.
    pub password: RenderedSecret,
}

/// LDAP directory.
#[derive(Debug, Clone, Serialize)]
pub struct Ldap {
    /// Whether a directory is configured.
    pub enabled: bool,
    /// LDAP server.
    pub server: Server,
    /// `ldaps`, `starttls`, `off`.
    pub tls: String,
    /// Search base.
    pub base: String,
    /// Login of the server.
    pub login: Login,
    /// Search filter for names.
    pub name_filter: String,
    /// Search filter for numbers.
    pub number_filter: String,
    /// Attributes that contain names.
    pub name_attributes: String,
    /// Attributes that contain numbers.
    pub number_attributes: String,
    /// Display name of an entry.
    pub display_name: String,
    /// Maximum number of results.
    pub max_hits: u32,
}

impl PhoneConfig {
    /// Removes the TURN server if `is_carried` reports that its login cannot be written to the phone's file. Devices
    /// deployed the login, and a phone without TURN is better than a phone without any file.
    pub fn check_turn(&mut self, is_carried: impl Fn(&str) -> bool) {
        let Login { user, password } = &self.media.turn_login;
        if self.media.turn.host.is_empty() || (is_carried(user) && is_carried(password.0.expose())) {
            return;
        }
        self.notes
            .push("the TURN login Devices deploys holds what this phone's file cannot carry: TURN is off".to_owned());
        self.media.turn = Server::default();
        self.media.turn_login = Login::default();
        self.media.ice = !self.media.stun.host.is_empty();
    }

    /// Returns a copy with every secret replaced by `sign`.
    #[must_use]
    pub fn masked(mut self, sign: &str) -> Self {
        let accounts = self.accounts.iter_mut().map(|account| &mut account.password);
        let others = [
            &mut self.provisioning.password,
            &mut self.media.turn_login.password,
            &mut self.ldap.login.password,
            &mut self.admin.password,
        ];
        for secret in accounts.chain(others).filter(|secret| !secret.0.is_empty()) {
            *secret = RenderedSecret(Secret::new(sign));
        }
        self
    }

    /// Values that must be written exactly, with their descriptions. If a file format cannot carry one of them, the
    /// file must not be written. Otherwise the phone would fail with a wrong password.
    pub fn exact(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let accounts = self.accounts.iter().filter(|account| account.active).flat_map(|account| {
            [
                ("the name an account registers as", account.register_name.as_str()),
                ("the user's PBX password", account.password.0.expose()),
                ("the registrar", account.server.host.as_str()),
            ]
        });
        accounts.chain([
            ("the provisioning URL", self.provisioning.url.as_str()),
            ("the phone's own user name", self.provisioning.user.as_str()),
            ("the phone's own password", self.provisioning.password.0.expose()),
            ("the user of the phone's web page", self.admin.user.as_str()),
            ("the password of the phone's web page", self.admin.password.0.expose()),
            ("the LDAP user", self.ldap.login.user.as_str()),
            ("the LDAP password", self.ldap.login.password.0.expose()),
        ])
    }
}
