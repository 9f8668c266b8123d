//! Builds the vendor-neutral configuration from record and settings.

use std::collections::BTreeMap;

use gangway_base::secret::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

use super::{
    AccountSlot, Codec, Ldap, Login, Media, OpenPhoneConfig, OpenProvisioning, PhoneConfig, PhoneFacts,
    ProvisioningConfig, RenderedSecret, Server, Sip, Wallpaper, line_keys::line_keys, time::time,
};
use crate::{
    phone::{facet::Wanted, record::Phone},
    settings::{Effective, FROM_DEVICES, line_keys::KeyType, time_zone::ZoneNames},
};

/// The model's properties in the vendor's manifest.
#[derive(Debug, Clone)]
pub struct ModelFacts<'a> {
    /// Its name; empty if the model is unknown.
    pub model: &'a str,
    /// Number of accounts of the model.
    pub accounts: u16,
    /// Number of line keys.
    pub line_keys: u32,
    /// Whether it is a DECT base.
    pub dect: bool,
    /// Whether the manufacturer entry gives each user a handset of the same base.
    pub has_handsets: bool,
    /// Its family.
    pub family: &'a str,
    /// Capabilities of the model.
    pub capabilities: &'a [String],
    /// ISO 639 language -> the vendor's name.
    pub languages: &'a BTreeMap<String, String>,
    /// ISO 3166 country -> the vendor's name.
    pub tones: &'a BTreeMap<String, String>,
    /// IANA zone -> the vendor's name, if that is correct.
    pub zone_names: &'a ZoneNames,
    /// Line key type -> the vendor's word. The vendor's phones do not support missing types.
    pub key_codes: &'a BTreeMap<KeyType, String>,
    /// Maximum length of the password of the phone's web page.
    pub web_password_longest: usize,
    /// Characters that password must not contain, in addition to everything but printable ASCII.
    pub web_password_forbidden: &'a str,
}

/// All inputs of a personal file.
#[derive(Debug, Clone)]
pub struct ConfigInputs<'a> {
    /// The phone's record.
    pub phone: &'a Phone,
    /// The effective settings of the phone.
    pub settings: &'a Effective,
    /// The properties of its model.
    pub facts: &'a ModelFacts<'a>,
    /// URL that the phone fetches its files from: ends with `/`, without a token.
    pub url: &'a str,
    /// The day for which the file is built, because time zone rules differ from year to year.
    pub today: Timestamp,
}

/// The configuration of the open stage: fetch again from `url` every minute.
#[must_use]
pub fn open(url: &str) -> OpenPhoneConfig {
    OpenPhoneConfig { provisioning: OpenProvisioning { url: RenderedSecret(Secret::new(url)), interval_minutes: 1 } }
}

/// The configuration of the personal stage.
#[must_use]
pub fn build(inputs: &ConfigInputs<'_>) -> PhoneConfig {
    let ConfigInputs { phone, settings, facts, url, today } = inputs;
    let mut notes = Vec::new();
    let released = phone.wanted != Wanted::Active;
    let interval = if released { 0 } else { settings.u32("update_interval_minutes") };
    let named = |table: &BTreeMap<String, String>, setting: &str, notes: &mut Vec<String>| {
        let wanted = settings.text(setting);
        let found = table.get(wanted).cloned();
        if found.is_none() && !wanted.is_empty() {
            notes.push(format!("{setting} = {wanted} has no name in this vendor's phones; the phone keeps its own"));
        }
        found.unwrap_or_default()
    };
    let (accounts, servers) = accounts(inputs, released, &mut notes);
    let language = named(facts.languages, "language", &mut notes);
    let tones = named(facts.tones, "location", &mut notes);
    let (line_keys, free_line_keys) = line_keys(settings, facts, &accounts, &mut notes);
    let (admin, admin_is_generated) = admin(inputs, &mut notes);
    PhoneConfig {
        phone: PhoneFacts {
            mac: phone.mac.to_string(),
            model: match facts.model {
                "" => phone.model.clone().unwrap_or_default(),
                known => known.to_owned(),
            },
            dect: facts.dect,
            family: facts.family.to_owned(),
            capabilities: facts.capabilities.to_vec(),
            line_keys: facts.line_keys,
            released,
        },
        provisioning: ProvisioningConfig {
            url: (*url).to_owned(),
            user: phone.own.user.clone(),
            password: RenderedSecret(phone.own.password.clone()),
            repeat: interval > 0,
            interval_minutes: interval,
        },
        accounts,
        servers,
        sip: sip(inputs),
        media: media(inputs),
        ldap: ldap(settings, &mut notes),
        language,
        tones,
        time: time(settings, facts.zone_names, *today, &mut notes),
        line_keys,
        free_line_keys,
        firmware_url: settings.text("firmware_url").to_owned(),
        wallpaper: settings.nonempty("wallpaper_url").map(wallpaper).unwrap_or_default(),
        syslog: settings.nonempty("syslog_server").map(|text| server(text, 514)).unwrap_or_default(),
        admin,
        admin_is_generated,
        notes,
    }
}

/// The accounts and their distinct registrars.
fn accounts(inputs: &ConfigInputs<'_>, released: bool, notes: &mut Vec<String>) -> (Vec<AccountSlot>, Vec<Server>) {
    let ConfigInputs { phone, settings, facts, .. } = inputs;
    let port = if settings.text("sip_transport") == "tcp" { 5060 } else { 5061 };
    for account in phone.accounts.iter().filter(|account| account.line > facts.accounts) {
        notes.push(format!("account {} has no place: the model has {} accounts", account.line, facts.accounts));
    }
    let slot = |line: u16| {
        let Some(account) = phone.account(line).filter(|account| !released && account.is_served()) else {
            return AccountSlot {
                line,
                active: false,
                display_name: String::new(),
                register_name: String::new(),
                auth_name: String::new(),
                password: RenderedSecret::default(),
                server: Server::default(),
                server_number: 0,
            };
        };
        let name = match settings.text("sip_account") {
            "username" => &account.username,
            _ if phone.shares_hwid(account, facts.has_handsets) => &account.username,
            _ => &account.hwid,
        };
        AccountSlot {
            line,
            active: true,
            display_name: if account.cn.trim().is_empty() { account.username.clone() } else { account.cn.clone() },
            register_name: name.clone(),
            auth_name: name.clone(),
            password: RenderedSecret(account.password.clone()),
            server: server(settings.nonempty("registrar").unwrap_or(&account.dns), port),
            server_number: 0,
        }
    };
    let mut servers: Vec<Server> = Vec::new();
    let accounts = (1..=facts.accounts).map(slot).map(|mut account| {
        if account.active {
            let known = servers.iter().position(|server| *server == account.server);
            account.server_number = 1 + known.unwrap_or_else(|| {
                servers.push(account.server.clone());
                servers.len() - 1
            });
        }
        account
    });
    (accounts.collect(), servers)
}

fn sip(inputs: &ConfigInputs<'_>) -> Sip {
    let ConfigInputs { phone, settings, .. } = inputs;
    let tcp = settings.text("sip_transport") == "tcp";
    let deployed = |name| crate::settings::devices_field(&phone.device_config, "PHONE", name);
    let first = match deployed("coder").as_deref() {
        Some("G711A") => "pcma",
        Some("G711u") => "pcmu",
        Some("OPUS-NB" | "OPUS-WB") => "opus",
        _ => "g722",
    };
    let exclusive = deployed("exclusive").as_deref() == Some("true");
    // G.711 A-law and µ-law are always offered, so that every call can fall back to them.
    let usual = ["g722", "pcma", "pcmu", "g729", "opus"];
    let offered = |name: &str| match name {
        _ if name == first => true,
        "pcma" | "pcmu" => true,
        "opus" => false,
        _ => !exclusive,
    };
    let ordered = std::iter::once(first).chain(usual.into_iter().filter(|name| *name != first));
    let mut priority = 0;
    let codecs = ordered
        .map(|name| {
            let enabled = offered(name);
            priority += u32::from(enabled);
            Codec { name: name.to_owned(), enabled, priority: if enabled { priority } else { 0 } }
        })
        .collect();
    let frame = deployed("frameSize").and_then(|text| text.parse().ok());
    Sip {
        transport: if tcp { "tcp" } else { "tls" }.to_owned(),
        srtp: settings.text("srtp").to_owned(),
        proxy: settings
            .nonempty("outbound_proxy")
            .map(|text| server(text, if tcp { 5060 } else { 5061 }))
            .unwrap_or_default(),
        codecs,
        frame: frame.filter(|ms: &u32| (10..=60).contains(ms) && ms.is_multiple_of(10)).unwrap_or_default(),
    }
}

fn media(inputs: &ConfigInputs<'_>) -> Media {
    let ConfigInputs { phone, settings, .. } = inputs;
    let relay = settings.bool("media_relay");
    let deployed = |name| {
        let field = crate::settings::devices_field(&phone.device_config, "MEDIA", name);
        field.filter(|_| !relay).unwrap_or_default()
    };
    let at = |text: String| if text.is_empty() { Server::default() } else { server(&text, 3478) };
    // Use the exact text: if the phone's format cannot carry it, TURN is turned off, see `check_turn`.
    let turn_password = match phone.device_config.items.get("MEDIA").and_then(|item| item.get("turnPassword")) {
        Some(serde_json::Value::String(text)) if !relay => text.clone(),
        _ => deployed("turnPassword"),
    };
    let stun = at(deployed("stunServer"));
    let turn = at(deployed("turnServer"));
    Media {
        relay,
        ice: !turn.host.is_empty() || !stun.host.is_empty(),
        stun,
        turn_login: Login { user: deployed("turnUser"), password: RenderedSecret(Secret::new(turn_password)) },
        turn,
    }
}

fn ldap(settings: &Effective, notes: &mut Vec<String>) -> Ldap {
    if settings.is_withheld("ldap_password") {
        notes.push(
            "ldap_password was set for another server than the one this phone has; it is not sent there: set it again for \
             this phone, or where ldap_server, ldap_port or ldap_tls is set"
                .to_owned(),
        );
    }
    let port = u16::try_from(settings.u32("ldap_port")).unwrap_or(636);
    let text = |name| settings.text(name).to_owned();
    let at = settings.nonempty("ldap_server").map(|text| server(text, port)).unwrap_or_default();
    Ldap {
        enabled: !at.host.is_empty(),
        server: at,
        tls: text("ldap_tls"),
        base: text("ldap_base"),
        login: Login { user: text("ldap_user"), password: RenderedSecret(settings.secret("ldap_password")) },
        name_filter: text("ldap_name_filter"),
        number_filter: text("ldap_number_filter"),
        name_attributes: text("ldap_name_attributes"),
        number_attributes: text("ldap_number_attributes"),
        display_name: text("ldap_display_name"),
        max_hits: settings.u32("ldap_max_hits"),
    }
}

/// The login of the web page, and whether its password was generated.
fn admin(inputs: &ConfigInputs<'_>, notes: &mut Vec<String>) -> (Login, bool) {
    let ConfigInputs { phone, settings, facts, .. } = inputs;
    let set = settings.secret("phone_admin_password");
    let wanted = match set.expose() {
        "" => None,
        FROM_DEVICES => phone.device_config.admin_password.clone(),
        _ => Some(set),
    };
    let fits = |password: &Secret| {
        let text = password.expose();
        let plain = text.chars().all(|c| c.is_ascii_graphic() && !facts.web_password_forbidden.contains(c));
        !text.is_empty() && text.len() <= facts.web_password_longest && plain && !text.starts_with('#')
    };
    let (password, generated) = match wanted {
        Some(password) if fits(&password) => (password, false),
        Some(_unfit) => {
            notes.push(format!(
                "phone_admin_password does not fit this vendor's phones (1 to {} printable characters without blanks \
                 and '{}'); a generated one is used",
                facts.web_password_longest, facts.web_password_forbidden
            ));
            (generated(&phone.own.password), true)
        }
        None => (generated(&phone.own.password), true),
    };
    (Login { user: settings.text("phone_admin_user").to_owned(), password: RenderedSecret(password) }, generated)
}

/// 20 characters derived from the phone's own credentials. They are as permanent and as secret as these, and need no
/// separate storage.
#[must_use]
fn generated(own: &Secret) -> Secret {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(own.expose().as_bytes()) else { return own.clone() };
    mac.update(b"administrator of the phone's web page");
    let bytes = mac.finalize().into_bytes();
    Secret::new(
        bytes.iter().take(20).map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect::<String>(),
    )
}

fn wallpaper(url: &str) -> Wallpaper {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    Wallpaper { url: url.to_owned(), file: path.rsplit('/').next().unwrap_or_default().to_owned() }
}

/// Host (an IPv6 address without brackets) and port of a SIP server as written in settings and by PBXs.
#[must_use]
pub fn sip_server(text: &str, port: u16) -> (String, u16) {
    let server = server(text, port);
    (server.host.trim_matches(['[', ']']).to_owned(), server.port)
}

/// Parses `host`, `host:port`, `[v6]`, `[v6]:port` and bare v6.
fn server(text: &str, port: u16) -> Server {
    let text = text.trim();
    let bare_v6 = text.matches(':').count() > 1 && !text.starts_with('[');
    let split = text.rsplit_once(':').filter(|(host, _)| !bare_v6 && (!host.starts_with('[') || host.ends_with(']')));
    let (host, port) = match split.and_then(|(host, port)| Some((host, port.parse().ok()?))) {
        Some((host, port)) => (host, port),
        None => (text, port),
    };
    let authority = if bare_v6 { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    Server { host: host.to_owned(), port, authority }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_split() {
        for (text, host, port, authority) in [
            ("pbx.example.com", "pbx.example.com", 5061, "pbx.example.com:5061"),
            ("pbx.example.com:5071", "pbx.example.com", 5071, "pbx.example.com:5071"),
            ("[2001:db8::1]:5071", "[2001:db8::1]", 5071, "[2001:db8::1]:5071"),
            ("[2001:db8::1]", "[2001:db8::1]", 5061, "[2001:db8::1]:5061"),
            ("2001:db8::1", "2001:db8::1", 5061, "[2001:db8::1]:5061"),
        ] {
            let found = server(text, 5061);
            assert_eq!((found.host.as_str(), found.port, found.authority.as_str()), (host, port, authority), "{text}");
        }
    }

    #[test]
    fn a_generated_password_lasts_and_tells_nothing_of_its_source() {
        let own = Secret::new("AbCdEfGhIjKlMnOpQrSt");
        let one = generated(&own);
        assert_eq!(one, generated(&own));
        assert_ne!(one, own);
        assert_ne!(one, generated(&Secret::new("x")));
        assert_eq!(one.expose().len(), 20);
    }
}
