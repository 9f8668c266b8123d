//! The neutral configuration: everything a personal file may say, in no vendor's words. Templates see exactly this.
//! It is a pure function of the record, the settings, what Devices deployed and the model's facts.

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

/// A secret that goes into a file. The only secret type that serialises, and only templates are given it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RenderedSecret(pub Secret);

impl Serialize for RenderedSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

/// What a template of the personal stage may use.
#[derive(Debug, Clone, Serialize)]
pub struct PhoneConfig {
    /// The phone and its model.
    pub phone: PhoneFacts,
    /// Where it gets its files from now on.
    pub provisioning: ProvisioningConfig,
    /// One entry per account the model has, in use or not.
    pub accounts: Vec<AccountSlot>,
    /// The registrars of the accounts in use, each once, for devices that keep them apart from accounts.
    pub servers: Vec<Server>,
    /// What all accounts share.
    pub sip: Sip,
    /// ICE, STUN, TURN.
    pub media: Media,
    /// Directory.
    pub ldap: Ldap,
    /// The vendor's name of the language; empty = leave the phone's.
    pub language: String,
    /// The vendor's name of the tones; empty = leave the phone's.
    pub tones: String,
    /// Clock.
    pub time: ClockConfig,
    /// Line keys that are set; empty where no list is set.
    pub line_keys: Vec<ConfiguredLineKey>,
    /// Where a list is set: the model's other keys, which return to what the phone makes of them by itself.
    pub free_line_keys: Vec<u32>,
    /// Empty = leave the firmware alone.
    pub firmware_url: String,
    /// Picture behind the display.
    pub wallpaper: Wallpaper,
    /// Where the phone logs to; no host = nowhere.
    pub syslog: Server,
    /// The phone's own web page.
    pub admin: Login,
    /// Whether gangway made up the password of the web page.
    #[serde(skip)]
    pub admin_is_generated: bool,
    /// What could not be written, for people; templates are not meant to print it.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// What a template of the open stage may use: nothing secret but a bootstrap URL the phone asked with.
#[derive(Debug, Clone, Serialize)]
pub struct OpenPhoneConfig {
    /// Where to ask again.
    pub provisioning: OpenProvisioning,
}

/// Where a phone without its personal file asks again.
#[derive(Debug, Clone, Serialize)]
pub struct OpenProvisioning {
    /// Ends with `/`.
    pub url: RenderedSecret,
    /// Minutes until it asks again.
    pub interval_minutes: u32,
}

/// The phone and its model.
#[derive(Debug, Clone, Serialize)]
pub struct PhoneFacts {
    /// 12 lower-case hex digits.
    pub mac: String,
    /// As the phone told; empty if unknown.
    pub model: String,
    /// Whether it is a DECT base.
    pub dect: bool,
    /// Its family in the vendor's manifest.
    pub family: String,
    /// What the manifest says it can do.
    pub capabilities: Vec<String>,
    /// Line keys of the model.
    pub line_keys: u32,
    /// All accounts off: the last file of a released phone.
    pub released: bool,
}

/// Where it gets its files.
#[derive(Debug, Clone, Serialize)]
pub struct ProvisioningConfig {
    /// Ends with `/`.
    pub url: String,
    /// The phone's own user name.
    pub user: String,
    /// And password.
    pub password: RenderedSecret,
    /// Whether it asks again by itself.
    pub repeat: bool,
    /// 0 when it does not.
    pub interval_minutes: u32,
}

/// A host and a port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Server {
    /// Name or address; empty = none.
    pub host: String,
    /// Port; 0 when there is no host.
    pub port: u16,
    /// `host:port` as a URI has it, an IPv6 address in brackets (RFC 3986, 3.2.2); empty = none.
    pub authority: String,
}

/// One account slot.
#[derive(Debug, Clone, Serialize)]
pub struct AccountSlot {
    /// From 1.
    pub line: u16,
    /// Whether a user has it.
    pub active: bool,
    /// Long name of the user.
    pub display_name: String,
    /// What it registers as.
    pub register_name: String,
    /// Name in the digest.
    pub auth_name: String,
    /// The user's PBX password.
    pub password: RenderedSecret,
    /// Registrar.
    pub server: Server,
    /// Its place in [`Neutral::servers`], from 1; 0 when the account is not in use.
    pub server_number: usize,
}

/// What all accounts share.
#[derive(Debug, Clone, Serialize)]
pub struct Sip {
    /// `tls` or `tcp`, never `udp`.
    pub transport: String,
    /// `off`, `optional`, `required`.
    pub srtp: String,
    /// Outbound proxy.
    pub proxy: Server,
    /// All codecs with their place; 0 = off.
    pub codecs: Vec<Codec>,
    /// Milliseconds per packet; 0 = leave it.
    pub frame: u32,
}

/// One codec.
#[derive(Debug, Clone, Serialize)]
pub struct Codec {
    /// `pcma`, `pcmu`, `g722`, `g729`, `opus`.
    pub name: String,
    /// Whether it is offered.
    pub enabled: bool,
    /// 1 = first; 0 = off.
    pub priority: u32,
}

/// Picture behind the display.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Wallpaper {
    /// Where the phone gets it; empty = leave it alone.
    pub url: String,
    /// The name of its file.
    pub file: String,
}

/// ICE, STUN, TURN; all off under media relay.
#[derive(Debug, Clone, Serialize)]
pub struct Media {
    /// The PBX relays.
    pub relay: bool,
    /// Whether ICE is on.
    pub ice: bool,
    /// STUN server.
    pub stun: Server,
    /// TURN server.
    pub turn: Server,
    /// TURN account.
    pub turn_login: Login,
}

/// A user name and password.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Login {
    /// Name.
    pub user: String,
    /// Password.
    pub password: RenderedSecret,
}

/// Directory.
#[derive(Debug, Clone, Serialize)]
pub struct Ldap {
    /// Whether there is one.
    pub enabled: bool,
    /// Server.
    pub server: Server,
    /// `ldaps`, `starttls`, `off`.
    pub tls: String,
    /// Search base.
    pub base: String,
    /// Account.
    pub login: Login,
    /// Filter by name.
    pub name_filter: String,
    /// Filter by number.
    pub number_filter: String,
    /// Attributes.
    pub name_attributes: String,
    /// Attributes.
    pub number_attributes: String,
    /// What is shown.
    pub display_name: String,
    /// Hits at most.
    pub max_hits: u32,
}

impl PhoneConfig {
    /// Leaves the TURN server out where `is_carried` says that its login cannot reach the phone: Devices deployed it, and
    /// a phone without TURN is better than one without any file.
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

    /// The same with `sign` in the place of every secret there is.
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

    /// Values that must reach the phone to the letter, with what they are: a file format that cannot carry one of
    /// them must not be written at all, or the phone would fail with a wrong password nobody ever set.
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
