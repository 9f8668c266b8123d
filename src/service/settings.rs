//! The settings as the page shows them: the possible values, the configured values, and the effective values.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use gangway_wire::appws::Envelope;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ServiceDependencies, audit, render_preview,
    response::{MessageResult, RequestError, one, read, result},
    text::Text,
};
use crate::{
    phone::{instance::InstanceId, record::Phone},
    service::caller::Caller,
    settings::{Defaults, Layer, Layers, Lookup, REDIRECT_SETTINGS, Scope, Setting, TABLE, ValueKind},
};

/// Number of phones processed before yielding to other tasks.
const AT_ONCE: usize = 20;

#[derive(Deserialize)]
struct Request {
    #[serde(default = "whole")]
    scope: String,
}

fn whole() -> String {
    Scope::Instance.to_string()
}

#[derive(Deserialize)]
struct Test {
    vendor: String,
}

/// Parses a scope.
///
/// # Errors
/// If it is not a scope.
pub fn scope(typed: &str) -> Result<Scope, RequestError> {
    typed
        .parse()
        .map_err(|error: crate::settings::ScopeError| Text::new("bad-scope").with("sentence", error.to_string()).into())
}

/// Returns every setting available in a scope: name, group, and row of the table. Those of redirect services are
/// repeated for each vendor.
pub fn of_scope(deps: &ServiceDependencies, scope: &Scope) -> Vec<(String, String, &'static Setting)> {
    let whole = *scope == Scope::Instance;
    let mut all: Vec<_> = TABLE
        .iter()
        .filter(|setting| crate::settings::possible(setting, scope))
        .map(|setting| (setting.name.to_owned(), group(setting.name).to_owned(), setting))
        .collect();
    if whole {
        let registry = deps.registry.load();
        for vendor in registry.vendors() {
            all.extend(REDIRECT_SETTINGS.iter().map(|setting| {
                let name = format!("redirect.{}.{}", vendor.name, setting.name);
                (name, format!("redirect.{}", vendor.name), setting)
            }));
        }
    }
    all
}

/// Returns the group of a setting on the page.
fn group(name: &str) -> &'static str {
    match name.split('_').next().unwrap_or_default() {
        "ntp" | "timezone" | "location" | "language" => "place",
        "sip" | "registrar" | "outbound" | "media" | "reverse" | "srtp" => "telephony",
        "ldap" => "directory",
        "provisioning" | "update" | "require" | "window" | "firmware" => "provisioning",
        "phone" => "administration",
        _ => "other",
    }
}

fn kind(kind: ValueKind) -> Value {
    match kind {
        ValueKind::Bool => json!({ "type": "bool" }),
        ValueKind::Number(least, most) => json!({ "type": "number", "min": least, "max": most }),
        ValueKind::Choice(words) => json!({ "type": "choice", "words": words }),
        ValueKind::Text(most) => json!({ "type": "text", "longest": most }),
        ValueKind::Host => json!({ "type": "host" }),
        ValueKind::Url => json!({ "type": "url" }),
        ValueKind::Zone => json!({ "type": "zone" }),
        ValueKind::Country => json!({ "type": "country" }),
        ValueKind::Language => json!({ "type": "language" }),
        ValueKind::Prefixes => json!({ "type": "prefixes" }),
        ValueKind::LineKeys => json!({ "type": "line-keys" }),
    }
}

/// Answers `Settings`.
///
/// # Errors
/// If the scope is invalid.
pub fn settings(deps: &ServiceDependencies, instance: InstanceId, message: &Envelope) -> MessageResult {
    let request: Request = read(message)?;
    let scope = scope(&request.scope)?;
    let layers = deps.store.settings().layers(instance);
    let phone = match &scope {
        Scope::Phone(mac) => deps.store.phones().by_mac(instance, *mac),
        _ => None,
    };
    let (vendor, model) = match &scope {
        Scope::Vendor(vendor) => (Some(vendor.as_str()), None),
        Scope::Model(name) => name.split_once('/').map_or((None, None), |(vendor, model)| (Some(vendor), Some(model))),
        _ => {
            (phone.as_ref().map(|phone| phone.vendor.as_str()), phone.as_ref().and_then(|phone| phone.model.as_deref()))
        }
    };
    let category = match &scope {
        Scope::Category(name) => Some(name.as_str()),
        _ => phone.as_ref().and_then(|phone| phone.category.as_deref()),
    };
    let mac = match &scope {
        Scope::Phone(mac) => Some(*mac),
        _ => None,
    };
    let registry = deps.registry.load();
    let provider = phone.as_ref().map(|phone| phone.provider.as_str());
    let family =
        vendor.and_then(|vendor| registry.vendor(vendor)).and_then(|vendor| vendor.manifest.family_of(model, provider));
    let defaults = family.map_or(Defaults::Table, |family| Defaults::Family(&family.settings));
    let lookup = Lookup { vendor, model, category, mac, defaults };
    let traced = layers.traced(&lookup, phone.as_ref().map(|phone| &phone.device_config));
    let rows: Vec<Value> = of_scope(deps, &scope)
        .into_iter()
        .map(|(name, group, setting)| {
            let own = own(&layers, &scope, &name);
            let hidden = |value: &str| if setting.secret { String::new() } else { value.to_owned() };
            let (effective, origin, beats) = match traced.origin(setting.name) {
                Some(origin) if name == setting.name => {
                    let beats = origin.beaten.iter();
                    let beats = beats.map(|(layer, value)| json!({ "origin": layer.to_string(), "value": value }));
                    (hidden(traced.text(setting.name)), origin.layer.to_string(), beats.collect::<Vec<_>>())
                }
                _ => {
                    let value = layers.get(&name).map(|value| hidden(value.expose())).unwrap_or_default();
                    let layer = if own.is_some() { Layer::Set(Scope::Instance) } else { Layer::Default };
                    (value, layer.to_string(), Vec::new())
                }
            };
            json!({
                "name": name,
                "group": group,
                "kind": kind(setting.kind),
                "unit": setting.unit,
                "secret": setting.secret,
                "layered": setting.layered,
                "default": default(&defaults, setting),
                "set": own.is_some(),
                "value": own.map(|value| hidden(&value)),
                "effective": effective,
                "origin": origin,
                "withheld": traced.is_withheld(&name),
                "beats": beats,
                "effect": setting.effect.text(),
                "help": help(&name, setting),
            })
        })
        .collect();
    let scopes: BTreeSet<String> = layers.rows().iter().map(|row| row.scope.to_string()).take(2_000).collect();
    super::response::list(
        result(message).field("scope", scope.to_string()).field("scopes", clipped(scopes)),
        "settings",
        &rows,
    )
}

/// Returns the key of the help text, which is the same for the redirect services of all vendors.
fn help(name: &str, setting: &Setting) -> Text {
    let redirect = if name == setting.name { "" } else { "redirect." };
    Text::new(format!("help.{redirect}{}", setting.name))
}

/// Returns the default: the manifest's, or else the table's.
fn default<'a>(defaults: &Defaults<'a>, setting: &'static Setting) -> &'a str {
    match defaults {
        Defaults::Family(values) => values.get(setting.name).map_or(setting.default, String::as_str),
        Defaults::Table => setting.default,
    }
}

/// Returns as many scopes as fit into the message in addition to the rows.
fn clipped(scopes: BTreeSet<String>) -> Vec<String> {
    let mut room = 16_384_usize;
    scopes
        .into_iter()
        .take_while(|scope| {
            room = room.saturating_sub(scope.len() * 2 + 4);
            room > 0
        })
        .collect()
}

fn own(layers: &Layers, scope: &Scope, name: &str) -> Option<String> {
    let mut rows = layers.rows().iter().rev();
    rows.find(|row| row.name == name && row.scope == *scope).map(|row| row.value.expose().to_owned())
}

/// Answers `SettingsPending`. The result is exact, so every file is rendered on the service's own thread. For each
/// setting of the scope that was ever changed, counts the phones that fetched their outdated file before the change.
///
/// # Errors
/// If the scope is invalid or the store cannot be read.
pub async fn pending(deps: &ServiceDependencies, instance: InstanceId, message: &Envelope) -> MessageResult {
    let request: Request = read(message)?;
    let scope = scope(&request.scope)?;
    let changes = deps.store.settings().last_changes(instance, &scope).await?;
    let mut fields: BTreeMap<&str, u32> = changes.iter().map(|change| (change.name.as_str(), 0)).collect();
    let (mut phones, mut outdated) = (0_u32, 0_u32);
    let begun = Instant::now();
    for some in deps.store.phones().in_instance(instance).chunks(AT_ONCE) {
        for phone in some.iter().filter(|phone| phone.buried.is_none()) {
            if let Some(current) = render_preview::holds_current(deps, phone) {
                phones += 1;
                if current {
                    continue;
                }
                outdated += 1;
                let fetched = phone.delivery.as_ref().map(|delivery| delivery.at);
                for change in changes.iter().filter(|change| fetched < Some(change.at) && is_of(phone, &scope)) {
                    *fields.entry(&change.name).or_default() += 1;
                }
            }
        }
        tokio::task::yield_now().await;
    }
    tracing::debug!(phones, outdated, took = ?begun.elapsed(), "counted the phones that hold an older file");
    one(result(message).field("phones", phones).field("outdated", outdated).field("fields", fields))
}

/// Whether the scope's values apply to the phone, unless a narrower scope overrides them.
fn is_of(phone: &Phone, scope: &Scope) -> bool {
    match scope {
        Scope::Instance => true,
        Scope::Vendor(vendor) => *vendor == phone.vendor,
        Scope::Model(name) => phone.model.as_deref().is_some_and(|model| *name == format!("{}/{model}", phone.vendor)),
        Scope::Category(name) => phone.category.as_ref() == Some(name),
        Scope::Phone(mac) => *mac == phone.mac,
    }
}

/// Answers `RedirectTest`.
///
/// # Errors
/// If there is no such vendor or no account, or the audit cannot be written.
pub async fn redirect_test(deps: &ServiceDependencies, person: &Caller, message: &Envelope) -> MessageResult {
    let request: Test = read(message)?;
    let vendor: String = request.vendor.chars().take(60).collect();
    if deps.registry.load().vendor(&vendor).is_none() {
        return Err(Text::new("unknown-vendor").with("vendor", vendor).into());
    }
    audit::entry(&deps.store, person, &format!("vendor:{vendor}"), "try the account at the redirect service").await?;
    let Some(outcome) = deps.provisioning.probe_redirect(person.instance.id, &vendor).await else {
        return Err(Text::new("no-redirect-account").with("vendor", vendor).into());
    };
    let ok = matches!(outcome, crate::redirect::RedirectResult::Ok(_) | crate::redirect::RedirectResult::AlreadyMine);
    one(result(message).field("ok", ok).field("text", Text::new("redirect-test").with("sentence", outcome.sentence())))
}
