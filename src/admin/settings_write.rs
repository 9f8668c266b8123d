//! Settings, changed by a person: all or nothing, with a sentence for every field that is not possible.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Deps, audit,
    reply::{Answer, Problem, one, read, result},
    settings::{of_scope, scope},
    text::Text,
};
use crate::{
    apis::admin::Person,
    phone::settings::{SettingError, setting, validate},
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
            Ok(value) => changes.push((name.clone(), Some(Secret::new(value)))),
            Err(error) => wrong.push((short(), Text::new("setting-refused").with("sentence", error.to_string()))),
        }
    }
    if !wrong.is_empty() {
        let text = Text::new("settings-refused").with("count", wrong.len());
        return Err(Problem { text, fields: wrong });
    }
    let names: Vec<&str> = changes.iter().map(|(name, _)| name.as_str()).collect();
    tracing::info!(instance = %person.instance.label(), person = %audit::name(person), scope = %scope, settings = names.join(" "), "settings are changed");
    if let crate::phone::settings::Scope::Phone(mac) = &scope
        && let Some(phone) = deps.store.roster().by_mac(person.instance.id, *mac)
        && !names.is_empty()
    {
        audit::note(&deps.store, person, phone.id, &format!("Change {}", names.join(", "))).await?;
    }
    for (name, value) in &changes {
        deps.store.set_setting(person.instance.id, &scope, name, value.as_ref()).await?;
    }
    one(result(message))
}

fn refused(name: &str) -> String {
    SettingError::Unknown { name: name.chars().take(80).collect(), hint: String::new() }.to_string()
}
