//! The settings as the page shows them: the possible values, the configured values, and the effective values.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use super::{
    ServiceDependencies, audit,
    error::ServiceError,
    render_preview,
    types::{Beaten, Pending, PendingByField, RedirectTest, SettingInfo, SettingKind, SettingList},
};
use crate::{
    base::i18n::Message,
    phone::{instance::InstanceId, record::Phone},
    service::caller::Caller,
    settings::{Defaults, Layer, Layers, Lookup, PhoneCategory, REDIRECT_SETTINGS, Scope, Setting, TABLE, ValueKind},
};

/// Number of phones processed before yielding to other tasks.
const AT_ONCE: usize = 20;

/// Parses a scope.
///
/// # Errors
/// If it is not a scope.
pub fn scope(typed: &str) -> Result<Scope, ServiceError> {
    typed.parse().map_err(ServiceError::BadScope)
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

fn kind(kind: ValueKind) -> SettingKind {
    let plain = |name: &str| SettingKind { kind: name.to_owned(), min: None, max: None, words: None, longest: None };
    match kind {
        ValueKind::Bool => plain("bool"),
        ValueKind::Number(least, most) => SettingKind { min: Some(least), max: Some(most), ..plain("number") },
        ValueKind::Choice(words) => {
            SettingKind { words: Some(words.iter().map(|word| (*word).to_owned()).collect()), ..plain("choice") }
        }
        ValueKind::Text(most) => SettingKind { longest: u32::try_from(most).ok(), ..plain("text") },
        ValueKind::Host => plain("host"),
        ValueKind::Url => plain("url"),
        ValueKind::Zone => plain("zone"),
        ValueKind::Country => plain("country"),
        ValueKind::Language => plain("language"),
        ValueKind::Prefixes => plain("prefixes"),
        ValueKind::LineKeys => plain("line-keys"),
    }
}

/// Returns the settings of a scope: what is set, what is in effect, and where from.
///
/// # Errors
/// When the scope is invalid.
pub fn settings(deps: &ServiceDependencies, instance: InstanceId, typed: &str) -> Result<SettingList, ServiceError> {
    let scope = scope(typed)?;
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
        Scope::Category(name) => Some(PhoneCategory::parse(name)),
        _ => phone.as_ref().and_then(|phone| PhoneCategory::of(phone)),
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
    let settings = of_scope(deps, &scope)
        .into_iter()
        .map(|(name, group, setting)| {
            let own = own(&layers, &scope, &name);
            let hidden = |value: &str| if setting.secret { String::new() } else { value.to_owned() };
            let (effective, origin, beats) = match traced.origin(setting.name) {
                Some(origin) if name == setting.name => {
                    let beats = origin.overridden.iter();
                    let beats = beats.map(|(layer, value)| Beaten { origin: layer.to_string(), value: value.clone() });
                    (hidden(traced.text(setting.name)), origin.layer.to_string(), beats.collect::<Vec<_>>())
                }
                _ => {
                    let value = layers.get(&name).map(|value| hidden(value.expose())).unwrap_or_default();
                    let layer = if own.is_some() { Layer::Set(Scope::Instance) } else { Layer::Default };
                    (value, layer.to_string(), Vec::new())
                }
            };
            SettingInfo {
                help: (&help(&name, setting)).into(),
                withheld: traced.is_withheld(&name),
                name,
                group,
                kind: kind(setting.kind),
                unit: setting.unit.to_owned(),
                secret: setting.secret,
                layered: setting.layered,
                default: default(&defaults, setting).to_owned(),
                set: own.is_some(),
                value: own.map(|value| hidden(&value)),
                effective,
                origin,
                beats,
                effect: setting.effect.text().to_owned(),
            }
        })
        .collect();
    let scopes: BTreeSet<String> = layers.rows().iter().map(|row| row.scope.to_string()).take(2_000).collect();
    Ok(SettingList { scope: scope.to_string(), scopes: clipped(scopes), settings })
}

/// Returns the key of the help text, which is the same for the redirect services of all vendors.
fn help(name: &str, setting: &Setting) -> Message {
    let redirect = if name == setting.name { "" } else { "redirect." };
    Message::new(format!("help.{redirect}{}", setting.name))
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

/// Counts the phones whose file would differ now. The count is exact: every file is rendered. For each setting of the
/// scope that was ever changed, it also counts the phones that fetched their outdated file before that change.
///
/// # Errors
/// When the scope is invalid or the store cannot be read.
pub async fn pending(
    deps: &ServiceDependencies,
    instance: InstanceId,
    typed: &str,
) -> Result<PendingByField, ServiceError> {
    let scope = scope(typed)?;
    let changes = deps.store.settings().last_changes(instance, &scope).await?;
    let mut fields: BTreeMap<String, u32> = changes.iter().map(|change| (change.name.clone(), 0)).collect();
    let (mut phones, mut outdated) = (0_u64, 0_u64);
    let begun = Instant::now();
    for some in deps.store.phones().in_instance(instance).chunks(AT_ONCE) {
        for phone in some.iter().filter(|phone| phone.removed_at.is_none()) {
            if let Some(current) = render_preview::holds_current(deps, phone) {
                phones += 1;
                if current {
                    continue;
                }
                outdated += 1;
                let fetched = phone.delivery.as_ref().map(|delivery| delivery.at);
                for change in changes.iter().filter(|change| fetched < Some(change.at) && is_of(phone, &scope)) {
                    *fields.entry(change.name.clone()).or_default() += 1;
                }
            }
        }
        tokio::task::yield_now().await;
    }
    tracing::debug!(phones, outdated, took = ?begun.elapsed(), "counted the phones that hold an older file");
    Ok(PendingByField { counts: Pending { phones, outdated }, fields })
}

/// Whether the scope's values apply to the phone, unless a narrower scope overrides them.
fn is_of(phone: &Phone, scope: &Scope) -> bool {
    match scope {
        Scope::Instance => true,
        Scope::Vendor(vendor) => *vendor == phone.vendor,
        Scope::Model(name) => phone.model.as_deref().is_some_and(|model| *name == format!("{}/{model}", phone.vendor)),
        Scope::Category(name) => PhoneCategory::of(phone).is_some_and(|category| category.is_in(name)),
        Scope::Phone(mac) => *mac == phone.mac,
    }
}

/// Logs in to the redirect service of a vendor without changing anything there.
///
/// # Errors
/// When there is no such vendor or no account, or the audit entry cannot be stored.
pub async fn redirect_test(
    deps: &ServiceDependencies,
    person: &Caller,
    vendor: &str,
) -> Result<RedirectTest, ServiceError> {
    deps.require_active()?;
    let vendor: String = vendor.chars().take(60).collect();
    if deps.registry.load().vendor(&vendor).is_none() {
        return Err(ServiceError::UnknownVendor(vendor));
    }
    audit::entry(&deps.store, person, &format!("vendor:{vendor}"), "try the account at the redirect service").await?;
    let Some(outcome) = deps.provisioning.probe_redirect(person.instance.id, &vendor).await else {
        return Err(ServiceError::NoRedirectAccount(vendor));
    };
    let ok = matches!(outcome, crate::redirect::RedirectResult::Ok(_) | crate::redirect::RedirectResult::AlreadyMine);
    Ok(RedirectTest { ok, text: (&Message::new("redirect-test").with("sentence", outcome.sentence())).into() })
}
