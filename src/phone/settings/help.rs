//! The table as people and programs read it.

use serde_json::{Value, json};

use super::table::{Kind, ONE_PHONE, REDIRECT_SETTINGS, Setting, TABLE};

fn values(setting: &Setting) -> String {
    match setting.kind {
        Kind::Bool => "true, false".to_owned(),
        Kind::Number(least, most) => format!("{least}..{most}"),
        Kind::Choice(words) => words.join(", "),
        Kind::Text(most) => format!("text, at most {most} characters"),
        Kind::Host => "host[:port]".to_owned(),
        Kind::Url => "URL".to_owned(),
        Kind::Zone => "IANA time zone".to_owned(),
        Kind::Country => "ISO 3166 country".to_owned(),
        Kind::Language => "ISO 639 language".to_owned(),
        Kind::LineKeys => {
            let words = crate::phone::line_keys::KeyType::ALL.map(crate::phone::line_keys::KeyType::word);
            format!("list of keys (JSON or TOML) of the types {}", words.join(", "))
        }
    }
}

fn rows() -> impl Iterator<Item = (String, &'static Setting)> {
    let plain = TABLE.iter().map(|setting| (setting.name.to_owned(), setting));
    plain.chain(REDIRECT_SETTINGS.iter().map(|setting| (format!("redirect.<vendor>.{}", setting.name), setting)))
}

fn scopes(setting: &Setting) -> &'static str {
    if ONE_PHONE.contains(&setting.name) {
        "phone"
    } else if setting.layered {
        "instance, vendor, model, category, phone"
    } else {
        "instance"
    }
}

/// For a terminal.
#[must_use]
pub fn settings_text() -> String {
    rows()
        .map(|(name, setting)| {
            let default = if setting.default.is_empty() { "(empty)" } else { setting.default };
            let star = if setting.layered { "*" } else { "" };
            let unit = if setting.unit.is_empty() { String::new() } else { format!(" {}", setting.unit) };
            format!("{name}{star}\n    {}\n    {}{unit}; default {default}\n", setting.help, values(setting))
        })
        .collect()
}

/// For `docs/settings.md`.
#[must_use]
pub fn settings_markdown() -> String {
    let mut text = "| Setting | Values | Default | Unit | Scopes | Meaning |\n|---|---|---|---|---|---|\n".to_owned();
    for (name, setting) in rows() {
        let cell = |text: &str| text.replace('|', "\\|");
        let secret = if setting.secret { " (secret)" } else { "" };
        text.push_str(&format!(
            "| `{name}` | {}{secret} | {} | {} | {} | {} |\n",
            cell(&values(setting)),
            if setting.default.is_empty() { String::new() } else { format!("`{}`", cell(setting.default)) },
            setting.unit,
            scopes(setting),
            cell(setting.help),
        ));
    }
    text
}

/// For `--json`.
#[must_use]
pub fn settings_json() -> Value {
    rows()
        .map(|(name, setting)| {
            json!({
                "name": name,
                "values": values(setting),
                "default": setting.default,
                "unit": setting.unit,
                "layered": setting.layered,
                "secret": setting.secret,
                "help": setting.help,
            })
        })
        .collect()
}
