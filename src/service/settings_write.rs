//! Changes settings: all or none, with a message for every invalid field.

use std::collections::BTreeMap;

use gangway_base::secret::Secret;

use super::{
    ServiceDependencies, audit, audit_texts,
    clip::clip,
    error::{InvalidField, ServiceError},
    settings::{of_scope, scope},
    settings_check::SettingsCheck,
    settings_remarks::remarks,
    types::{EmptiedSecret, SettingsChanged},
};
use crate::{
    base::i18n::Message,
    catalog::Registry,
    service::caller::Caller,
    settings::{Changes, EmptiedSecretSetting, Scope, SettingError, setting},
    store::StoreError,
};

/// Changes settings at a scope: all of them or none.
///
/// # Errors
/// The invalid values by field. Nothing is changed then.
pub async fn set(
    deps: &ServiceDependencies,
    person: &Caller,
    typed: &str,
    values: &BTreeMap<String, Option<Secret>>,
) -> Result<SettingsChanged, ServiceError> {
    let scope = scope(typed)?;
    let known = of_scope(deps, &scope);
    let registry = deps.registry.load();
    let judge =
        SettingsCheck { registry: &registry, reach: &deps.reach, store: &deps.store, instance: person.instance.id };
    let (mut changes, mut wrong) = (Vec::new(), Vec::new());
    for (name, value) in values {
        let invalid = |message| InvalidField { name: name.chars().take(80).collect(), message };
        if let Some(vendor) = unknown_vendor(name, &registry).filter(|_| value.is_some()) {
            wrong.push(invalid(Message::new("unknown-vendor").with("vendor", vendor)));
            continue;
        }
        // An account of a vendor that no longer exists can be removed.
        let is_gone = unknown_vendor(name, &registry).is_some() && scope == Scope::Instance;
        if !is_gone && setting(name).is_some() && !known.iter().any(|(known, ..)| known == name) {
            wrong.push(invalid(Message::new("not-for-this-scope")));
            continue;
        }
        let Some(value) = value else {
            match setting(name) {
                Some(_) => changes.push((name.clone(), None)),
                None => wrong.push(invalid(Message::new("setting-refused").with("sentence", refused(name)))),
            }
            continue;
        };
        // Keep the secret: the page does not have it and cannot send it back.
        if value.is_empty() && setting(name).is_some_and(|setting| setting.secret) {
            continue;
        }
        match judge.value(name, value.expose(), &scope) {
            Ok(value) => changes.push((name.clone(), Some(Secret::new(value)))),
            Err(text) => wrong.push(invalid(text)),
        }
    }
    if !wrong.is_empty() {
        return Err(ServiceError::SettingsRefused(wrong));
    }
    if changes.is_empty() {
        return Ok(SettingsChanged { emptied: Vec::new(), remarks: Vec::new() });
    }
    let written = write(&judge, person, &scope, &changes).await?;
    Ok(SettingsChanged { emptied: written.emptied, remarks: written.remarks.iter().map(Into::into).collect() })
}

/// What writing settings brought about besides.
pub struct WrittenSettings {
    /// Secrets that were emptied because their address changed.
    pub emptied: Vec<EmptiedSecret>,
    /// What is contradictory now and was not before.
    pub remarks: Vec<Message>,
}

/// Writes values that were checked: first the entries of the audit and of the phone's time line, then all values or
/// none.
///
/// # Errors
/// When the store cannot be written. No value is changed then.
pub async fn write(
    check: &SettingsCheck<'_>,
    caller: &Caller,
    scope: &Scope,
    changes: &Changes,
) -> Result<WrittenSettings, StoreError> {
    let (store, instance) = (check.store, check.instance);
    let deed = audit_entries(changes, &store.settings().emptied_by(instance, scope, changes));
    audit::entry(store, caller, &scope.to_string(), &deed).await?;
    if let Scope::Phone(mac) = scope
        && let Some(phone) = store.phones().by_mac(instance, *mac)
    {
        let names: Vec<&str> = changes.iter().map(|(name, _)| name.as_str()).collect();
        audit::event(store, caller, phone.id, &audit_texts::CHANGE.with("names", names.join(", "))).await?;
    }
    let before = remarks(check, &store.settings().layers(instance));
    let emptied = store.settings().set(instance, scope, changes).await?;
    let after = remarks(check, &store.settings().layers(instance));
    let emptied = emptied.into_iter().map(|one| EmptiedSecret { scope: one.scope.to_string(), name: one.name });
    let new = after.into_iter().filter(|one| !before.contains(one)).map(|one| one.text);
    Ok(WrittenSettings { emptied: emptied.collect(), remarks: new.collect() })
}

/// Describes changes for the audit, including secrets that are removed because their address changed.
fn audit_entries(changes: &Changes, emptied: &[EmptiedSecretSetting]) -> String {
    let changes = changes.iter().map(|(name, value)| deed(name, value.as_ref()));
    let emptied = emptied.iter().map(|EmptiedSecretSetting { scope, name }| format!("empty {name} of {scope}"));
    changes.chain(emptied).collect::<Vec<_>>().join(", ")
}

/// Describes a change for the audit.
fn deed(name: &str, value: Option<&Secret>) -> String {
    match value {
        None => format!("take {name} back"),
        Some(_) if setting(name).is_none_or(|setting| setting.secret) => format!("set {name} to ***"),
        Some(value) => format!("set {name} to {}", clip(value.expose(), 200)),
    }
}

fn refused(name: &str) -> String {
    SettingError::Unknown { name: name.chars().take(80).collect(), hint: String::new() }.to_string()
}

/// Returns the vendor of a redirect account if it is unknown.
fn unknown_vendor(name: &str, registry: &Registry) -> Option<String> {
    let (vendor, _) = name.strip_prefix("redirect.")?.split_once('.')?;
    (setting(name).is_some() && registry.vendor(vendor).is_none()).then(|| vendor.chars().take(60).collect())
}
