//! Renders the table of settings for users and for programs.

use serde_json::{Value, json};

use super::table::{ONE_PHONE, REDIRECT_SETTINGS, Setting, TABLE, ValueKind};
use crate::settings::line_keys::KeyType;

fn values(setting: &Setting) -> String {
    match setting.kind {
        ValueKind::Bool => "true, false".to_owned(),
        ValueKind::Number(least, most) => format!("{least}..{most}"),
        ValueKind::Choice(words) => words.join(", "),
        ValueKind::Text(most) => format!("text, at most {most} characters"),
        ValueKind::Host => "host[:port], RFC 1123 or address".to_owned(),
        ValueKind::Url => "URL".to_owned(),
        ValueKind::Zone => "IANA time zone".to_owned(),
        ValueKind::Country => "ISO 3166 country".to_owned(),
        ValueKind::Language => "ISO 639 language".to_owned(),
        ValueKind::Prefixes => "six hex digits each".to_owned(),
        ValueKind::LineKeys => {
            let words = KeyType::ALL.map(KeyType::word);
            format!("list of keys (JSON or TOML) of the types {}", words.join(", "))
        }
    }
}

fn rows() -> impl Iterator<Item = (String, &'static Setting)> {
    let plain = TABLE.iter().map(|setting| (setting.name.to_owned(), setting));
    plain.chain(REDIRECT_SETTINGS.iter().map(|setting| (format!("redirect.<vendor>.{}", setting.name), setting)))
}

/// The scopes in which it may be set, widest first.
#[must_use]
pub fn scopes(setting: &Setting) -> &'static [&'static str] {
    if ONE_PHONE.contains(&setting.name) {
        &["phone"]
    } else if setting.layered {
        &["instance", "vendor", "model", "category", "phone"]
    } else {
        &["instance"]
    }
}

fn type_word(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Bool => "bool",
        ValueKind::Number(..) => "number",
        ValueKind::Choice(_) => "choice",
        ValueKind::Text(_) => "text",
        ValueKind::Host => "host",
        ValueKind::Url => "url",
        ValueKind::Zone => "time_zone",
        ValueKind::Country => "country",
        ValueKind::Language => "language",
        ValueKind::Prefixes => "prefixes",
        ValueKind::LineKeys => "line_keys",
    }
}

/// All properties of a setting for programs and pages: `name`, `type` (with `least` and `most`, `choices`, `longest`),
/// `values` in words, `default`, `unit`, `scopes`, `layered`, `secret`, `takes_effect`, `help`.
#[must_use]
pub fn setting_json(name: &str, setting: &Setting) -> Value {
    let mut row = json!({
        "name": name,
        "type": type_word(setting.kind),
        "values": values(setting),
        "default": setting.default,
        "unit": setting.unit,
        "scopes": scopes(setting),
        "layered": setting.layered,
        "secret": setting.secret,
        "takes_effect": setting.effect.text(),
        "help": setting.help(),
    });
    match setting.kind {
        ValueKind::Number(least, most) => (row["least"], row["most"]) = (json!(least), json!(most)),
        ValueKind::Choice(words) => row["choices"] = json!(words),
        ValueKind::Text(longest) => row["longest"] = json!(longest),
        ValueKind::LineKeys => row["choices"] = json!(KeyType::ALL),
        ValueKind::Bool
        | ValueKind::Host
        | ValueKind::Url
        | ValueKind::Zone
        | ValueKind::Country
        | ValueKind::Language
        | ValueKind::Prefixes => {}
    }
    row
}

/// The table as text for a terminal.
#[must_use]
pub fn settings_text() -> String {
    rows()
        .map(|(name, setting)| {
            let default = if setting.default.is_empty() { "(empty)" } else { setting.default };
            let star = if setting.layered { "*" } else { "" };
            let unit = if setting.unit.is_empty() { String::new() } else { format!(" {}", setting.unit) };
            format!("{name}{star}\n    {}\n    {}{unit}; default {default}\n", setting.help(), values(setting))
        })
        .collect()
}

/// The table for `docs/settings.md`.
#[must_use]
pub fn settings_markdown() -> String {
    let mut text =
        "| Setting | Values | Default | Unit | Scopes | Takes effect | Meaning |\n|---|---|---|---|---|---|---|\n"
            .to_owned();
    for (name, setting) in rows() {
        let cell = |text: &str| text.replace('|', "\\|");
        let secret = if setting.secret { " (secret)" } else { "" };
        text.push_str(&format!(
            "| `{name}` | {}{secret} | {} | {} | {} | {} | {} |\n",
            cell(&values(setting)),
            if setting.default.is_empty() { String::new() } else { format!("`{}`", cell(setting.default)) },
            setting.unit,
            scopes(setting).join(", "),
            setting.effect.text(),
            cell(setting.help()),
        ));
    }
    text
}

/// The table for `--json`.
#[must_use]
pub fn settings_json() -> Value {
    rows().map(|(name, setting)| setting_json(&name, setting)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Scope, validate};

    /// Other programs depend on these names and scopes.
    #[test]
    fn the_contract_is_kept() {
        let layered = "update_interval_minutes ntp_server_1 ntp_server_2 timezone location language sip_transport \
            sip_account registrar outbound_proxy media_relay reverse_proxy srtp provisioning_scheme phone_admin_user \
            phone_admin_password ldap_server ldap_port ldap_tls ldap_base ldap_user ldap_password ldap_name_filter \
            ldap_number_filter ldap_name_attributes ldap_number_attributes ldap_display_name ldap_max_hits line_keys \
            firmware_url firmware_version wallpaper_url syslog_server require_certificate";
        let whole = "provisioning_user provisioning_password window_days history_days redirect.<vendor>.protocol \
            redirect.<vendor>.url redirect.<vendor>.user redirect.<vendor>.password redirect.<vendor>.server_name";
        let find = |name: &str| {
            let found = rows().find(|(known, _)| known == name);
            found.unwrap_or_else(|| panic!("{name} is gone")).1
        };
        for name in layered.split_whitespace() {
            assert_eq!(scopes(find(name)).len(), 5, "{name}");
        }
        for name in whole.split_whitespace() {
            assert_eq!(scopes(find(name)), ["instance"], "{name}");
        }
    }

    #[test]
    fn programs_learn_everything_of_a_setting() {
        let rows = settings_json();
        for row in rows.as_array().unwrap() {
            for field in ["name", "type", "values", "default", "unit", "scopes", "secret", "takes_effect", "help"] {
                assert!(row.get(field).is_some(), "{row}: {field}");
            }
            assert!(!row["takes_effect"].as_str().unwrap().is_empty());
        }
        let row = |name: &str| rows.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap();
        let interval = row("update_interval_minutes");
        assert_eq!((&interval["type"], &interval["unit"]), (&json!("number"), &json!("minutes")));
        assert_eq!((&interval["least"], &interval["most"]), (&json!(0), &json!(43_200)));
        assert_eq!(row("sip_transport")["choices"], json!(["tls", "tcp"]));
        assert_eq!(row("line_keys")["choices"][1], "blf");
        assert_eq!(row("history_days")["takes_effect"], "with the daily clean-up");
        assert_eq!(row("media_relay")["takes_effect"], "on the PBX at once, on the phone at its next request");
    }

    #[test]
    fn a_setting_may_be_set_where_it_says() {
        let scopes_by_word = [
            ("instance", "instance"),
            ("vendor", "vendor:yealink"),
            ("model", "model:yealink/T46U"),
            ("category", "category:Lab"),
            ("phone", "phone:805ec0aabbcc"),
        ];
        for setting in TABLE {
            for (word, scope) in scopes_by_word {
                let scope: Scope = scope.parse().unwrap();
                let misplaced = match validate(setting.name, setting.default, &scope) {
                    Err(error) => matches!(error, crate::settings::SettingError::Scope { .. }),
                    Ok(_) => false,
                };
                let is_listed = scopes(setting).contains(&word);
                // A setting for single phones rejects wider scopes with a different error.
                if is_listed {
                    assert!(!misplaced, "{} at {word}", setting.name);
                } else {
                    assert!(validate(setting.name, setting.default, &scope).is_err(), "{} at {word}", setting.name);
                }
            }
        }
    }
}
