//! `gangway settings`: reads and changes settings. A serving gateway applies changes at once.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use gangway_base::{mac::Mac, secret::Secret};
use serde_json::Value;

use super::{Global, command_client::CommandClient, context::block_on, output};
use crate::{
    service::{
        command::{ChangedSetting, CommandRequest},
        types::EmptiedSecret,
    },
    settings::{Scope, setting, settings_json, settings_text},
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
            let client = CommandClient::new(global, &tasks)?;
            match self {
                Self::List { set: true, .. } => {
                    let rows = client.call::<()>(CommandRequest::ListSetSettings).await?.rows;
                    list_set(rows, global.json);
                }
                Self::List { scope, set: false } => {
                    let request = CommandRequest::ListSettings { scope: scope.scope().to_string() };
                    list(client.call::<()>(request).await?.rows, global.json);
                }
                Self::Get { name, scope } => {
                    let request = CommandRequest::GetSetting { name, scope: scope.scope().to_string() };
                    let got: Value = client.call(request).await?.result;
                    if global.json {
                        output::json(&got);
                    } else {
                        output::line(&output::text(&got, "value"));
                    }
                }
                Self::Set { name, value, scope } => set(&client, name, value, &scope.scope()).await?,
            }
            Ok(ExitCode::SUCCESS)
        })
    }
}

fn list_set(rows: Vec<Value>, as_json: bool) {
    if as_json {
        output::json(&Value::Array(rows));
        return;
    }
    let cells = |row: &Value| ["scope", "name", "value"].map(|name| output::text(row, name)).to_vec();
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    output::table(&["Scope", "Setting", "Value"], &rows);
}

fn list(rows: Vec<Value>, as_json: bool) {
    if as_json {
        output::json(&Value::Array(rows));
        return;
    }
    let cells = |row: &Value| {
        let mark = if row["set"] == true { "set" } else { "default" };
        vec![output::text(row, "name"), output::text(row, "value"), mark.to_owned(), output::text(row, "help")]
    };
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    output::table(&["Setting", "Value", "", "Meaning"], &rows);
}

async fn set(client: &CommandClient<'_>, name: String, value: Option<String>, scope: &Scope) -> anyhow::Result<()> {
    // Before standard input is read.
    let setting =
        setting(&name).with_context(|| format!("there is no setting '{name}': `gangway settings list` shows all"))?;
    let value = match value {
        Some(dash) if dash == "-" => {
            let mut text = String::new();
            std::io::Read::read_to_string(&mut std::io::stdin(), &mut text).context("standard input cannot be read")?;
            Some(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
        other => other.map(Secret::new),
    };
    let is_set = value.is_some();
    let request = CommandRequest::SetSetting { name: name.clone(), value, scope: scope.to_string() };
    let changed: ChangedSetting = client.call(request).await?.result;
    output::note(&format!(
        "{name} {} for {}; it takes effect {}.",
        if is_set { "is set" } else { "is back at its default" },
        match scope {
            Scope::Instance => client.label(),
            other => other.to_string(),
        },
        setting.effect.text(),
    ));
    for EmptiedSecret { scope, name } in changed.emptied {
        output::note(&format!(
            "{name} of {scope} is emptied: it was set for the former address and does not travel to another one. Set it \
             again: gangway settings set {name} -"
        ));
    }
    for remark in changed.remarks {
        output::note(&format!("warning: {remark}"));
    }
    Ok(())
}
