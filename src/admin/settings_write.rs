//! Settings, changed by a person: all or nothing, with a sentence for every field that is not possible.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Deps, audit, deeds,
    reply::{Answer, Problem, one, read, result},
    settings::{of_scope, scope},
    text::Text,
};
use crate::{
    apis::admin::Person,
    phone::{
        line_keys::LineKeys,
        settings::{Kind, Scope, SettingError, setting, validate},
    },
    secret::Secret,
    wire::appws::Envelope,
};

#[derive(Deserialize)]
struct Request {
    scope: String,
    values: BTreeMap<String, Option<Secret>>,
}

/// The answer to `SettingsSet`.
///
/// # Errors
/// What is not possible, by field; then nothing is changed.
pub async fn set(deps: &Deps, person: &Person, message: &Envelope) -> Answer {
    let request: Request = read(message)?;
    let scope = scope(&request.scope)?;
    let known = of_scope(deps, &scope);
    let (mut changes, mut wrong) = (Vec::new(), Vec::new());
    for (name, value) in &request.values {
        let short = || name.chars().take(80).collect::<String>();
        if setting(name).is_some() && !known.iter().any(|(known, ..)| known == name) {
            wrong.push((short(), Text::new("not-for-this-scope")));
            continue;
        }
        let Some(value) = value else {
            match setting(name) {
                Some(_) => changes.push((name.clone(), None)),
                None => wrong.push((short(), Text::new("setting-refused").with("sentence", refused(name)))),
            }
            continue;
        };
        // The page never has the secret it would have to send back.
        if value.is_empty() && setting(name).is_some_and(|setting| setting.secret) {
            continue;
        }
        match validate(name, value.expose(), &scope) {
            Ok(value) => match reachable(deps, name, &value).and_then(|()| no_room(deps, person, name, &value, &scope))
            {
                Ok(()) => changes.push((name.clone(), Some(Secret::new(value)))),
                Err(text) => wrong.push((short(), text)),
            },
            Err(error) => wrong.push((short(), Text::new("setting-refused").with("sentence", error.to_string()))),
        }
    }
    if !wrong.is_empty() {
        let text = Text::new("settings-refused").with("count", wrong.len());
        return Err(Problem { text, fields: wrong });
    }
    if changes.is_empty() {
        return one(result(message));
    }
    let deeds: Vec<String> = changes.iter().map(|(name, value)| deed(name, value.as_ref())).collect();
    audit::entry(&deps.store, person, &scope.to_string(), &deeds.join(", ")).await?;
    if let Scope::Phone(mac) = &scope
        && let Some(phone) = deps.store.roster().by_mac(person.instance.id, *mac)
    {
        let names: Vec<&str> = changes.iter().map(|(name, _)| name.as_str()).collect();
        audit::event(&deps.store, person, phone.id, &deeds::CHANGE.with("names", names.join(", "))).await?;
    }
    for (name, value) in &changes {
        deps.store.set_setting(person.instance.id, &scope, name, value.as_ref()).await?;
    }
    one(result(message))
}

/// Whether the gateway may connect to what a setting would have it connect to: the addresses of redirect services. What
/// names resolve to is looked at when the connection is made.
fn reachable(deps: &Deps, name: &str, value: &str) -> Result<(), Text> {
    let is_called = name.starts_with("redirect.") && setting(name).is_some_and(|setting| setting.kind == Kind::Url);
    let host = url::Url::parse(value).ok().and_then(|url| url.host_str().map(str::to_owned));
    match host.filter(|_| is_called) {
        Some(host) => {
            deps.reach.host(&host).map_err(|error| Text::new("url-not-allowed").with("sentence", error.to_string()))
        }
        None => Ok(()),
    }
}

/// Whether phones of the scope have the keys of a list, where their model is known.
fn no_room(deps: &Deps, person: &Person, name: &str, value: &str, scope: &Scope) -> Result<(), Text> {
    if setting(name).is_none_or(|setting| setting.kind != Kind::LineKeys) {
        return Ok(());
    }
    let phone = match scope {
        Scope::Phone(mac) => deps.store.roster().by_mac(person.instance.id, *mac),
        _ => None,
    };
    let list = LineKeys::read(value).unwrap_or_default();
    match deps.registry.load().refused_keys(scope, phone.as_deref(), &list) {
        refused if refused.is_empty() => Ok(()),
        refused => Err(Text::new("setting-refused").with("sentence", refused.join("; "))),
    }
}

/// A change as the audit tells it.
#[must_use]
pub fn deed(name: &str, value: Option<&Secret>) -> String {
    match value {
        None => format!("take {name} back"),
        Some(_) if setting(name).is_none_or(|setting| setting.secret) => format!("set {name} to ***"),
        Some(value) => format!("set {name} to {}", super::reply::clip(value.expose(), 200)),
    }
}

fn refused(name: &str) -> String {
    SettingError::Unknown { name: name.chars().take(80).collect(), hint: String::new() }.to_string()
}
