//! Converts the configuration deployed by Devices to values of settings.

use gangway_base::{characters::unwritable, secret::Secret};
use serde_json::Value;

use crate::phone::record::DeviceConfig;

/// The value that Devices deployed for a setting; `None` if there is none.
///
/// Fields of the configuration items: NTP `ntp1`, `ntp2`, `tz` (a POSIX string); PHONE `srtpKey` ("4" = no
/// encryption, "0".."2" contain SDES), `dialTone` (a number that mostly names a country).
#[must_use]
pub fn value_from(config: &DeviceConfig, setting: &str) -> Option<Secret> {
    let text = match setting {
        "ntp_server_1" => field(config, "NTP", "ntp1")?,
        "ntp_server_2" => field(config, "NTP", "ntp2")?,
        "timezone" => field(config, "NTP", "tz")?,
        "srtp" => match field(config, "PHONE", "srtpKey")?.as_str() {
            "4" => "off".to_owned(),
            "0" | "1" | "2" => "optional".to_owned(),
            // DTLS only: such a phone does not support it, so our own layers decide.
            _ => return None,
        },
        "location" => country(&field(config, "PHONE", "dialTone")?)?.to_owned(),
        _ => return None,
    };
    Some(Secret::new(text))
}

/// A field as trimmed single-line text. Numbers and strings are accepted; an empty field is `None`.
pub(crate) fn field(config: &DeviceConfig, item: &str, name: &str) -> Option<String> {
    let text = match config.items.get(item)?.get(name)? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(bool) => bool.to_string(),
        _ => return None,
    };
    (!text.is_empty() && unwritable(&text).is_none()).then_some(text)
}

fn country(dial_tone: &str) -> Option<&'static str> {
    Some(match dial_tone.parse::<u8>().ok()? {
        2 => "US",
        3 => "GB",
        4 | 10 => "IT",
        5 | 6 => "CZ",
        7 => "SE",
        8 => "FR",
        9 => "CH",
        11 => "BE",
        12 => "NL",
        13 => "NO",
        14 => "DK",
        15 => "DE",
        16 => "ES",
        17 => "FI",
        18 => "AT",
        19 => "IE",
        20 => "AU",
        21 => "NZ",
        22 => "MY",
        23 => "TR",
        24 => "RU",
        25 => "ZA",
        26 => "BR",
        _ => return None,
    })
}
