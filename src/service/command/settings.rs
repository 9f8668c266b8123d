//! Reads and changes settings.

use gangway_base::secret::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{CommandError, CommandService, Replies};
use crate::{
    base::i18n::Message,
    service::{caller::Caller, settings_check::SettingsCheck, settings_write, types::EmptiedSecret},
    settings::{Layers, REDIRECT_SETTINGS, Scope, Setting, TABLE, setting, setting_json},
};

/// A setting that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedSetting {
    /// Secrets that were emptied because their address changed.
    pub emptied: Vec<EmptiedSecret>,
    /// What is contradictory now and was not before.
    pub remarks: Vec<String>,
}

impl CommandService {
    /// Sends a row per setting: its description, its value, and whether that was set.
    pub(super) async fn list_settings(
        &self,
        caller: &Caller,
        scope: &str,
        replies: &Replies,
    ) -> Result<(), CommandError> {
        let scope = parse(scope)?;
        let layers = self.store.settings().layers(caller.instance.id);
        let mut names: Vec<String> = TABLE.iter().map(|setting| setting.name.to_owned()).collect();
        if scope == Scope::Instance {
            for vendor in self.load_registry()?.vendors() {
                let of_account = |setting: &Setting| format!("redirect.{}.{}", vendor.name, setting.name);
                names.extend(REDIRECT_SETTINGS.iter().map(of_account));
            }
        }
        let rows = names.iter().filter_map(|name| {
            let setting = setting(name)?;
            let set = value_at(&layers, name, &scope);
            let mut row = setting_json(name, setting);
            row["scope"] = json!(scope.to_string());
            row["value"] = json!(shown(setting, set.as_ref()));
            row["set"] = json!(set.is_some());
            Some(row)
        });
        replies.rows(rows.collect::<Vec<_>>().into_iter()).await;
        Ok(())
    }

    /// Sends a row per setting that was set.
    pub(super) async fn list_set_settings(&self, caller: &Caller, replies: &Replies) -> Result<(), CommandError> {
        let layers = self.store.settings().layers(caller.instance.id);
        let rows = layers.rows().iter().filter_map(|row| {
            let setting = setting(&row.name)?;
            Some(json!({"scope": row.scope.to_string(), "name": row.name, "value": setting.shown(&row.value)}))
        });
        replies.rows(rows).await;
        Ok(())
    }

    pub(super) fn get_setting(&self, caller: &Caller, name: &str, scope: &str) -> Result<Value, CommandError> {
        let (setting, scope) = (known(name)?, parse(scope)?);
        let set = value_at(&self.store.settings().layers(caller.instance.id), name, &scope);
        let value = shown(setting, set.as_ref());
        Ok(json!({"name": name, "scope": scope.to_string(), "value": value, "set": set.is_some()}))
    }

    pub(super) async fn set_setting(
        &self,
        caller: &Caller,
        name: &str,
        value: Option<Secret>,
        scope: &str,
    ) -> Result<ChangedSetting, CommandError> {
        known(name)?;
        let (scope, instance) = (parse(scope)?, caller.instance.id);
        let registry = self.load_registry()?;
        let check = SettingsCheck { registry: &registry, reach: &self.reach, store: &self.store, instance };
        let value = match value {
            Some(value) => {
                let checked = check.value(name, value.expose(), &scope);
                let rejected = checked
                    .map_err(|text| CommandError::rejected(format!("{name} is not changed: {}", text.english())));
                Some(Secret::new(rejected?))
            }
            None => None,
        };
        let changes = [(name.to_owned(), value)];
        let written = settings_write::write(&check, caller, &scope, &changes)
            .await
            .map_err(|error| CommandError::caused(format!("{name} is not changed"), &error))?;
        let remarks = written.remarks.iter().map(Message::english);
        Ok(ChangedSetting { emptied: written.emptied, remarks: remarks.collect() })
    }
}

fn parse(scope: &str) -> Result<Scope, CommandError> {
    scope.parse().map_err(|error: crate::settings::ScopeError| CommandError::rejected(error.to_string()))
}

fn known(name: &str) -> Result<&'static Setting, CommandError> {
    setting(name).ok_or_else(|| {
        CommandError::rejected(format!("there is no setting '{name}': `gangway settings list` shows all"))
    })
}

fn value_at(layers: &Layers, name: &str, scope: &Scope) -> Option<Secret> {
    layers.rows().iter().rev().find(|row| row.name == name && row.scope == *scope).map(|row| row.value.clone())
}

fn shown(setting: &Setting, set: Option<&Secret>) -> String {
    set.map_or_else(|| setting.default.to_owned(), |value| setting.shown(value))
}
