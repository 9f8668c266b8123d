//! Finds the origin of every line of a file. One input is changed at a time and the file rendered again; the lines that
//! change come from that input. So the result follows from the templates themselves, not from a separate table.

use std::collections::{HashMap, HashSet};

use gangway_base::secret::Secret;
use serde::Serialize;

use super::renderer::{FileRequest, Prepared, RenderError, Renderer, Stage, prepare};
use crate::{
    catalog::Registry,
    phone::{facet::Wanted, record::Phone},
    settings::{Layer, Layers, Setting, TABLE, ValueKind, ValueOrigin, line_keys::LineKeys},
};

/// A line and its origins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedLine {
    /// The line as delivered, with secrets replaced by `***`.
    pub line: String,
    /// Whether the line contains a secret.
    pub secret: bool,
    /// `template`, or the inputs that change the line: `sip_transport from vendor:yealink, beats default tls`.
    pub origins: Vec<String>,
}

impl Renderer {
    /// Explains the file of [`Renderer::file`] line by line. Slow (some hundred renderings), so use it only for
    /// administrators.
    ///
    /// # Errors
    /// See [`Renderer::file`].
    pub fn explain(&self, request: &FileRequest<'_>) -> Result<Vec<ExplainedLine>, RenderError> {
        let registry = self.registry();
        let prepared = prepare(&registry, request, Layers::traced, self.today())?;
        let (text, _) = prepared.render(&registry, request.stage)?;
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut found = Found::new();
        if request.stage == Stage::Personal
            && !prepared.common
            && let Some(phone) = prepared.phone
        {
            probe(&registry, &prepared, phone, &lines, &mut found);
        }
        let masked = self.masked(request)?.lines;
        // A template that evaluates a secret may write a different number of lines. No origin is certain then.
        let is_alike = masked.len() == lines.len();
        let explained = masked.into_iter().enumerate().map(|(index, masked)| {
            let mut origins = found.remove(&index).filter(|_| is_alike).unwrap_or_default();
            if origins.is_empty() {
                let url = prepared.format().escaped(&prepared.url);
                let names_it = lines.get(index).is_some_and(|line| is_alike && line.contains(&url));
                origins.push(if names_it { "URL of the gateway" } else { "template" }.to_owned());
            }
            ExplainedLine { line: masked.text, secret: masked.secret, origins }
        });
        Ok(explained.collect())
    }
}

/// The inputs that change each line, by line index.
type Found = HashMap<usize, Vec<String>>;

fn probe(registry: &Registry, prepared: &Prepared<'_>, phone: &Phone, lines: &[String], found: &mut Found) {
    let mut keys = (String::new(), LineKeys::default());
    let mut mark = |name: String, other: Result<(String, Vec<String>), RenderError>| {
        mark(lines, found, &name, other, false);
    };
    for setting in TABLE {
        let now = prepared.settings.text(setting.name);
        let Some(origin) = prepared.settings.origin(setting.name) else { continue };
        let whence = whence(setting, origin);
        if setting.kind == ValueKind::LineKeys {
            keys = (whence, LineKeys::read(now).unwrap_or_default());
            continue;
        }
        let name = format!("{} from {whence}", setting.name);
        for other in others(setting.kind, now) {
            let settings = prepared.settings.with(setting.name, &other);
            let quiet = matches!(origin.layer, Layer::Default) && now.is_empty() && setting.name.ends_with("password");
            if !quiet {
                mark(name.clone(), prepared.personal(registry, phone, &settings));
            }
        }
    }
    let (whence, list) = keys;
    for key in list.keys() {
        let settings = prepared.settings.with("line_keys", &list.without(key.key).to_string());
        let name = format!("line_keys (key {}) from {whence}", key.key);
        mark(name, prepared.personal(registry, phone, &settings));
    }
    let mut with = |name: &str, change: &dyn Fn(&mut Phone)| {
        let mut other = phone.clone();
        change(&mut other);
        mark(name.to_owned(), prepared.personal(registry, &other, &prepared.settings));
    };
    with("the phone's own user name", &|phone| phone.own.user.push('x'));
    with("the phone's own password", &|phone| phone.own.password = Secret::new("another"));
    with("deployed administrative password", &|phone| {
        phone.device_config.admin_password = Some(Secret::new("another"));
    });
    for (index, account) in phone.accounts.iter().enumerate() {
        let line = account.line;
        let set = |change: fn(&mut crate::phone::record::Account)| {
            move |phone: &mut Phone| {
                if let Some(account) = phone.accounts.get_mut(index) {
                    change(account);
                }
            }
        };
        with(&format!("account {line}: HW-ID"), &set(|account| account.hwid.push('x')));
        with(&format!("account {line}: user"), &set(|account| account.username.push('x')));
        with(&format!("account {line}: long name"), &set(|account| account.cn.push('x')));
        with(&format!("account {line}: password"), &set(|account| account.password = Secret::new("another")));
        with(&format!("account {line}: PBX"), &set(|account| account.dns.push('x')));
    }
    for item in ["PHONE", "MEDIA"] {
        if phone.device_config.items.contains_key(item) {
            with(&format!("Devices: {item}"), &|phone| {
                phone.device_config.items.remove(item);
            });
        }
    }
    if phone.wanted != Wanted::Active {
        with("the phone is released", &|phone| phone.wanted = Wanted::Active);
    }
    // Keys that a list leaves out become the phone's own again. They explain lines that no single key explains.
    let settings = prepared.settings.with("line_keys", "");
    let name = format!("line_keys (not in the list) from {whence}");
    self::mark(lines, found, &name, prepared.personal(registry, phone, &settings), true);
}

/// Adds the input to every line that is missing or different in the other file. With `rest`, only lines without another
/// origin are considered.
fn mark(
    lines: &[String],
    found: &mut Found,
    name: &str,
    other: Result<(String, Vec<String>), RenderError>,
    rest: bool,
) {
    let Ok((other, _)) = other else { return };
    let kept: HashSet<&str> = other.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        if kept.contains(line.as_str()) || (rest && found.contains_key(&index)) {
            continue;
        }
        let names = found.entry(index).or_default();
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
}

/// Formats the origin as `vendor:yealink, beats default tls`. Lists are described by their length.
fn whence(setting: &Setting, origin: &ValueOrigin) -> String {
    let mut text = origin.layer.to_string();
    for (layer, value) in &origin.overridden {
        let shown = match setting.kind {
            _ if value.is_empty() => "(empty)".to_owned(),
            ValueKind::LineKeys => LineKeys::read(value).unwrap_or_default().count(),
            _ => value.clone(),
        };
        text.push_str(&format!(", beats {layer} {shown}"));
    }
    text
}

/// Different values of the same type.
fn others(kind: ValueKind, now: &str) -> Vec<String> {
    let pick = |words: &[&str]| words.iter().filter(|word| **word != now).map(|word| (*word).to_owned()).collect();
    match kind {
        ValueKind::Bool => pick(&["true", "false"]),
        ValueKind::Number(least, most) => pick(&[&least.to_string(), &most.to_string()]),
        ValueKind::Choice(words) => pick(words),
        ValueKind::Prefixes => Vec::new(),
        ValueKind::Text(_) => vec![format!("{now}x")],
        ValueKind::Host => vec![String::new(), "other.example.com:4711".to_owned()],
        ValueKind::Url => vec![String::new(), "https://other.example.com/".to_owned()],
        ValueKind::Zone => pick(&["Asia/Tokyo", "America/New_York"]),
        ValueKind::Country => pick(&["JP", "SE", "US"]),
        ValueKind::Language => pick(&["en", "fr", "es"]),
        // Probed key by key instead.
        ValueKind::LineKeys => Vec::new(),
    }
}
