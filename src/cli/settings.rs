//! `gangway settings`: reads and changes settings. A serving gateway applies changes within a second.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use gangway_base::{mac::Mac, secret::Secret};
use serde_json::json;

use super::{
    Global,
    context::{CommandContext, block_on},
    output,
    vendors::registry,
};
use crate::{
    catalog::Registry,
    net::egress_policy::EgressPolicy,
    service::{settings_check::SettingsCheck, settings_remarks::remarks, settings_write::audit_entries},
    settings::{
        EmptiedSecretSetting, Layers, REDIRECT_SETTINGS, Scope, Setting, TABLE, setting, setting_json, settings_json,
        settings_text,
    },
};

/// What to do with settings.
#[derive(Debug, Subcommand)]
pub enum SettingsCommand {
    /// Every setting with its meaning, default and unit; with --set only those that were set
    List {
        #[command(flatten)]
        scope: ScopeArguments,
        /// Only what somebody has set
        #[arg(long)]
        set: bool,
    },
    /// The value set at one place (or its default)
    Get {
        /// The setting
        name: String,
        #[command(flatten)]
        scope: ScopeArguments,
    },
    /// Set a value; without VALUE take it back
    Set {
        /// The setting
        name: String,
        /// The new value; `-` reads it from standard input, so that a secret stays out of the shell's history
        value: Option<String>,
        #[command(flatten)]
        scope: ScopeArguments,
    },
}

/// Where a value applies; without any of these in the whole instance.
#[derive(Debug, Args)]
pub struct ScopeArguments {
    /// For a vendor
    #[arg(long, value_name = "V")]
    vendor: Option<String>,
    /// For a model of the vendor (needs --vendor)
    #[arg(long, value_name = "M", requires = "vendor")]
    model: Option<String>,
    /// For a Devices category
    #[arg(long, value_name = "C", conflicts_with_all = ["vendor", "phone"])]
    category: Option<String>,
    /// For one phone
    #[arg(long, value_name = "MAC", conflicts_with = "vendor")]
    phone: Option<Mac>,
}

impl ScopeArguments {
    fn scope(&self) -> Scope {
        match (&self.vendor, &self.model, &self.category, self.phone) {
            (_, _, _, Some(mac)) => Scope::Phone(mac),
            (_, _, Some(category), _) => Scope::Category(category.clone()),
            (Some(vendor), Some(model), ..) => Scope::Model(format!("{vendor}/{model}")),
            (Some(vendor), None, ..) => Scope::Vendor(vendor.clone()),
            _ => Scope::Instance,
        }
    }
}

impl SettingsCommand {
    /// Runs the command.
    pub fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        if let Self::List { set: false, .. } = &self
            && !global.config.exists()
        {
            // Listing the meaning of settings does not need a gateway.
            if global.json {
                output::json(&settings_json());
            } else {
                output::document(settings_text().trim_end());
            }
            return Ok(ExitCode::SUCCESS);
        }
        block_on(async |tasks| {
            let context = CommandContext::open(global, &tasks).await?;
            match self {
                Self::List { scope, set } => {
                    let vendors: Vec<String> =
                        registry(global)?.vendors().map(|vendor| vendor.name.to_string()).collect();
                    list(&context, &vendors, &scope.scope(), set, global.json);
                }
                Self::Get { name, scope } => get(&context, &name, &scope.scope(), global.json)?,
                Self::Set { name, value, scope } => {
                    let registry = registry(global)?;
                    set(&context, &registry, &name, value, &scope.scope()).await?;
                }
            }
            Ok(ExitCode::SUCCESS)
        })
    }
}

fn value_at(layers: &Layers, name: &str, scope: &Scope) -> Option<Secret> {
    layers.rows().iter().rev().find(|row| row.name == name && row.scope == *scope).map(|row| row.value.clone())
}

/// The settings of a vendor's redirect account.
fn redirect_names(vendor: &str) -> impl Iterator<Item = String> {
    REDIRECT_SETTINGS.iter().map(move |setting| format!("redirect.{vendor}.{}", setting.name))
}

fn list(context: &CommandContext, vendors: &[String], scope: &Scope, only_set: bool, as_json: bool) {
    let layers = context.store.settings().layers(context.instance);
    if only_set {
        let rows = layers.rows().iter().filter_map(|row| Some((row, setting(&row.name)?)));
        if as_json {
            let rows = rows.map(|(row, setting)| {
                json!({"scope": row.scope.to_string(), "name": row.name, "value": setting.shown(&row.value)})
            });
            output::json(&rows.collect());
        } else {
            let rows: Vec<Vec<String>> = rows
                .map(|(row, setting)| vec![row.scope.to_string(), row.name.clone(), setting.shown(&row.value)])
                .collect();
            output::table(&["Scope", "Setting", "Value"], &rows);
        }
        return;
    }
    let names = TABLE.iter().map(|setting| setting.name.to_owned()).chain(match scope {
        Scope::Instance => vendors.iter().flat_map(|vendor| redirect_names(vendor)).collect(),
        _ => Vec::new(),
    });
    let rows: Vec<(String, &Setting, String, bool)> = names
        .filter_map(|name| {
            let setting = setting(&name)?;
            Some(match value_at(&layers, &name, scope) {
                Some(value) => (name, setting, setting.shown(&value), true),
                None => (name, setting, setting.default.to_owned(), false),
            })
        })
        .collect();
    if as_json {
        let rows = rows.iter().map(|(name, setting, value, set)| {
            let mut row = setting_json(name, setting);
            (row["scope"], row["value"], row["set"]) = (json!(scope.to_string()), json!(value), json!(set));
            row
        });
        output::json(&rows.collect());
        return;
    }
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(name, setting, value, set)| {
            let mark = if set { "set" } else { "default" };
            vec![name, value, mark.to_owned(), setting.help().to_owned()]
        })
        .collect();
    output::table(&["Setting", "Value", "", "Meaning"], &rows);
}

fn known(name: &str) -> anyhow::Result<&'static Setting> {
    setting(name).with_context(|| format!("there is no setting '{name}': `gangway settings list` shows all"))
}

fn get(context: &CommandContext, name: &str, scope: &Scope, as_json: bool) -> anyhow::Result<()> {
    let setting = known(name)?;
    let set = value_at(&context.store.settings().layers(context.instance), name, scope);
    let value = set.clone().map_or_else(|| setting.default.to_owned(), |value| setting.shown(&value));
    if as_json {
        output::json(&json!({"name": name, "scope": scope.to_string(), "value": value, "set": set.is_some()}));
    } else {
        output::line(&value);
    }
    Ok(())
}

async fn set(
    context: &CommandContext,
    registry: &Registry,
    name: &str,
    value: Option<String>,
    scope: &Scope,
) -> anyhow::Result<()> {
    let setting = known(name)?;
    let value = match value {
        Some(dash) if dash == "-" => {
            let mut text = String::new();
            std::io::Read::read_to_string(&mut std::io::stdin(), &mut text).context("standard input cannot be read")?;
            Some(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        other => other,
    };
    let reach = EgressPolicy::public_and(context.allow.clone());
    let judge = SettingsCheck { registry, reach: &reach, store: &context.store, instance: context.instance };
    let value = match value {
        Some(value) => match judge.value(name, &value, scope) {
            Ok(value) => Some(Secret::new(value)),
            Err(text) => bail!("{name} is not changed: {}", text.english()),
        },
        None => None,
    };
    let changes = [(name.to_owned(), value)];
    let emptied = context.store.settings().emptied_by(context.instance, scope, &changes);
    let before = remarks(&judge, &context.store.settings().layers(context.instance));
    context.audit(&scope.to_string(), &audit_entries(&changes, &emptied)).await?;
    let emptied = context
        .store
        .settings()
        .set(context.instance, scope, &changes)
        .await
        .with_context(|| format!("{name} is not changed"))?;
    let [(_, value)] = changes;
    output::note(&format!(
        "{name} {} for {}; it takes effect {}.",
        if value.is_some() { "is set" } else { "is back at its default" },
        match scope {
            Scope::Instance => context.label.clone(),
            other => other.to_string(),
        },
        setting.effect.text(),
    ));
    for EmptiedSecretSetting { scope, name } in emptied {
        output::note(&format!(
            "{name} of {scope} is emptied: it was set for the former address and does not travel to another one. Set it \
             again: gangway settings set {name} -"
        ));
    }
    let after = remarks(&judge, &context.store.settings().layers(context.instance));
    for remark in after.iter().filter(|remark| !before.contains(remark)) {
        output::note(&format!("warning: {}", remark.text.english()));
    }
    Ok(())
}
