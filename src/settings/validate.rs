//! Validates the values of settings. The errors are messages for the user who entered the value.

use gangway_base::{
    characters::unwritable,
    host::{HostNameRules, host, host_in_url},
};
use url::{Host, Url};

use super::{
    scope::Scope,
    table::{ONE_PHONE, Setting, TABLE, ValueKind, setting},
};
use crate::settings::{line_keys::LineKeys, time_zone::Zone};

/// Why a value was rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// The setting does not exist.
    #[error("there is no setting '{name}'{hint}: see 'gangway settings list'")]
    Unknown {
        /// The name as entered.
        name: String,
        /// `, did you mean ...` or empty.
        hint: String,
    },
    /// The setting can only be set for the whole instance.
    #[error("{name} holds for the whole instance and cannot be set for {scope}")]
    Scope {
        /// The setting.
        name: String,
        /// The requested scope.
        scope: String,
    },
    /// The setting can only be set for a single phone.
    #[error("{name} belongs to one phone and cannot be set for {scope}: add --phone MAC")]
    OnePhone {
        /// The setting.
        name: String,
        /// The requested scope.
        scope: String,
    },
    /// The value is invalid.
    #[error("{name} cannot be set: {reason}")]
    Value {
        /// The setting.
        name: String,
        /// Why; does not contain the value if it is secret.
        reason: String,
    },
}

/// Validates a value and converts it to its canonical form.
///
/// Control characters are rejected everywhere, because a line break in a phone's file would start another setting.
///
/// # Errors
/// The reason as a message. It never contains a secret value.
pub fn validate(name: &str, value: &str, scope: &Scope) -> Result<String, SettingError> {
    let Some(setting) = setting(name) else {
        let hint = closest(name).map(|known| format!(", did you mean {known}")).unwrap_or_default();
        return Err(SettingError::Unknown { name: name.to_owned(), hint });
    };
    if !setting.layered && *scope != Scope::Instance {
        return Err(SettingError::Scope { name: name.to_owned(), scope: scope.to_string() });
    }
    if ONE_PHONE.contains(&setting.name) && !matches!(scope, Scope::Phone(_)) {
        return Err(SettingError::OnePhone { name: name.to_owned(), scope: scope.to_string() });
    }
    check(setting, value).map_err(|reason| SettingError::Value { name: name.to_owned(), reason })
}

fn check(setting: &Setting, value: &str) -> Result<String, String> {
    // Lists may be entered on several lines; their parser has a separate check for control characters.
    if setting.kind == ValueKind::LineKeys && !value.trim().is_empty() {
        return LineKeys::read(value).map(|keys| keys.to_string()).map_err(|error| error.to_string());
    }
    if let Some(odd) = unwritable(value) {
        return Err(format!(
            "the value holds a character no phone's file can carry (U+{:04X}); type one plain line",
            u32::from(odd)
        ));
    }
    // Phones drop blanks around a value. A password that contains them would silently become a different one.
    if setting.secret && value.trim() != value {
        return Err("the value starts or ends with a blank, which no phone keeps".to_owned());
    }
    let value = value.trim();
    if value.is_empty() {
        return match setting.default {
            "" => Ok(String::new()),
            default => Err(format!("an empty value is not allowed; to return to {default}, unset it")),
        };
    }
    if matches!(setting.kind, ValueKind::Text(_)) && starts_comment(value) {
        return Err("a '#' at the start or after a blank begins a comment in phones' files; leave it out".to_owned());
    }
    match setting.kind {
        ValueKind::Bool => match value.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok("true".to_owned()),
            "false" | "no" | "off" | "0" => Ok("false".to_owned()),
            _ => Err(format!("'{value}' is neither true nor false")),
        },
        ValueKind::Number(least, most) => match value.parse::<u32>() {
            Ok(number) if (least..=most).contains(&number) => Ok(number.to_string()),
            _ => Err(format!("'{value}' is no whole number from {least} to {most}{}", unit_of(setting))),
        },
        ValueKind::Choice(words) => {
            let lower = value.to_ascii_lowercase();
            if words.contains(&lower.as_str()) {
                Ok(lower)
            } else {
                Err(format!("'{value}' is not among {}", words.join(", ")))
            }
        }
        ValueKind::Text(most) => match value.chars().count() {
            count if count <= most => Ok(value.to_owned()),
            count => Err(format!("it has {count} characters, at most {most} are possible")),
        },
        ValueKind::Host => host(value, HostNameRules::Strict).map_err(|error| error.to_string()),
        ValueKind::Url => url(value),
        ValueKind::Zone => match Zone::read(value).ok().as_ref().and_then(Zone::name) {
            Some(name) => Ok(name.to_owned()),
            None => Err(format!("'{value}' is no IANA time zone such as Europe/Berlin or America/New_York")),
        },
        ValueKind::LineKeys => Ok(value.to_owned()),
        ValueKind::Country => {
            let upper = value.to_ascii_uppercase();
            if COUNTRIES.split(' ').any(|known| known == upper) {
                Ok(upper)
            } else {
                Err(format!("'{value}' is no ISO 3166 country of two letters such as DE or US"))
            }
        }
        ValueKind::Prefixes => prefixes(value),
        ValueKind::Language => {
            let lower = value.to_ascii_lowercase();
            if LANGUAGES.split(' ').any(|known| known == lower) {
                Ok(lower)
            } else {
                Err(format!("'{value}' is no ISO 639 language of two letters such as de or en"))
            }
        }
    }
}

fn unit_of(setting: &Setting) -> String {
    if setting.unit.is_empty() { String::new() } else { format!(" ({})", setting.unit) }
}

fn starts_comment(value: &str) -> bool {
    let mut blank = true;
    value.chars().any(|c| {
        let comment = c == '#' && blank;
        blank = c.is_whitespace();
        comment
    })
}

/// Normalizes the first halves of MAC addresses, in any notation, to six lower-case digits each, separated by blanks.
fn prefixes(value: &str) -> Result<String, String> {
    let words = value.split([' ', ',', ';']).filter(|word| !word.is_empty());
    let one = |word: &str| {
        let digits: String = word.chars().filter(|c| !matches!(c, ':' | '-' | '.')).collect();
        if digits.len() == 6 && digits.chars().all(|c| c.is_ascii_hexdigit()) {
            Ok(digits.to_ascii_lowercase())
        } else {
            Err(format!("'{word}' is no first half of a MAC address such as 805ec0"))
        }
    };
    Ok(words.map(one).collect::<Result<Vec<_>, _>>()?.join(" "))
}

fn url(value: &str) -> Result<String, String> {
    let parsed = Url::parse(value).map_err(|error| format!("it is no URL ({error})"))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err("the URL must start with https:// or http://".to_owned());
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("the URL must not hold a user name or password".to_owned());
    }
    if let Some(Host::Domain(name)) = parsed.host() {
        host_in_url(name).map_err(|error| error.to_string())?;
    }
    if value.chars().count() > 511 {
        return Err("the URL is longer than the 511 characters phones take".to_owned());
    }
    Ok(parsed.to_string())
}

/// The known name that shares the most words with the entered one.
fn closest(name: &str) -> Option<&'static str> {
    let near = |known: &str| known.split('_').filter(|word| name.contains(*word)).count();
    TABLE.iter().map(|setting| setting.name).filter(|known| near(known) > 0).max_by_key(|known| near(known))
}

const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR \
BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI \
FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS \
IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO \
MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA \
RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT \
TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

const LANGUAGES: &str = "ar bg bs ca cs da de el en es et eu fi fr he hr hu is it ja ko lt lv mk nb nl nn no pl pt ro \
ru sk sl sq sr sv th tr uk vi zh";

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: &str) -> Result<String, SettingError> {
        validate(name, value, &Scope::Instance)
    }

    #[test]
    fn values_are_brought_into_form() {
        for (name, typed, kept) in [
            ("media_relay", "Yes", "true"),
            ("update_interval_minutes", " 60 ", "60"),
            ("sip_transport", "TCP", "tcp"),
            ("timezone", "europe/berlin", "Europe/Berlin"),
            ("location", "de", "DE"),
            ("language", "DE", "de"),
            ("registrar", "PBX.example.com:5061", "pbx.example.com:5061"),
            ("ntp_server_1", "[2001:db8::1]", "[2001:db8::1]"),
            ("firmware_url", "https://fw.example.com/a.rom", "https://fw.example.com/a.rom"),
            ("redirect.yealink.protocol", "yealink-xmlrpc", "yealink-xmlrpc"),
            ("ldap_server", "", ""),
        ] {
            assert_eq!(set(name, typed).as_deref(), Ok(kept), "{name} {typed}");
        }
    }

    #[test]
    fn what_would_break_a_file_or_a_phone_is_refused() {
        for (name, value) in [
            ("ntp_server_1", "a\nb"),
            ("phone_admin_user", "admin\r\nlinekey.9.type = 16"),
            ("phone_admin_password", "#secret"),
            ("phone_admin_password", " padded"),
            ("ldap_base", "cn=x #y"),
            ("sip_transport", "udp"),
            ("update_interval_minutes", "43201"),
            ("update_interval_minutes", "-1"),
            ("timezone", "Mars/Olympus"),
            ("location", "XX"),
            ("registrar", "http://pbx"),
            ("registrar", "a..b"),
            ("registrar", "$(id)"),
            ("ntp_server_1", "`id`"),
            ("ldap_server", "\"ldap\""),
            ("syslog_server", "log:0"),
            ("outbound_proxy", "-proxy"),
            ("firmware_url", "https://$(id)/x"),
            ("firmware_url", "https://a..b/x"),
            ("ldap_user", "a\u{fffe}"),
            ("ldap_password", "a\u{ffff}b"),
            ("phone_admin_user", "a\u{1fffe}"),
            ("ldap_base", "cn=\u{2028}"),
            ("registrar", "user@pbx"),
            ("firmware_url", "tftp://x/y"),
            ("firmware_url", "https://u:p@x/y"),
            ("sip_transport", ""),
            ("nonsense", "1"),
            ("extra_ouis", "805ec"),
            ("extra_ouis", "805ec0 snom41"),
            ("redirect.YEA.url", "https://x"),
            ("redirect.yealink.colour", "red"),
        ] {
            assert!(set(name, value).is_err(), "{name} = {value:?}");
        }
    }

    #[test]
    fn prefixes_are_brought_to_one_spelling() {
        assert_eq!(set("extra_ouis", "80:5E:C0, 001565;AA-bb-cc").as_deref(), Ok("805ec0 001565 aabbcc"));
    }

    #[test]
    fn instance_settings_stay_there_and_typos_get_a_hint() {
        let error = validate("window_days", "3", &Scope::Vendor("yealink".to_owned())).unwrap_err();
        assert!(error.to_string().contains("whole instance"), "{error}");
        let error = set("serial_number", "3146019091637071").unwrap_err();
        assert!(error.to_string().contains("--phone"), "{error}");
        let phone: Scope = "phone:805ec0aabbcc".parse().unwrap();
        assert_eq!(validate("serial_number", " 3146019091637071 ", &phone).as_deref(), Ok("3146019091637071"));
        assert!(set("sip_transprt", "tls").unwrap_err().to_string().contains("did you mean sip_"));
    }

    #[test]
    fn a_secret_is_not_repeated() {
        let error = set("provisioning_password", &"hunter2".repeat(5)).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn every_default_is_valid() {
        for setting in TABLE.iter().filter(|setting| !setting.default.is_empty()) {
            assert_eq!(set(setting.name, setting.default).as_deref(), Ok(setting.default), "{}", setting.name);
        }
    }
}
