//! `gangway tokens`: manages the API tokens of scripts.

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use serde_json::Value;

use super::{Global, command_client::CommandClient, context::block_on, output};
use crate::service::command::CommandRequest;

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub enum TokensCommand {
    /// Make a token; it is printed once and kept nowhere
    Create {
        /// How to call it, e.g. after the script that uses it
        name: String,
        /// What it allows
        #[arg(long, value_enum, default_value_t = Allows::Read)]
        scope: Allows,
        /// After how many days it ends by itself
        #[arg(long)]
        days: Option<u32>,
    },
    /// The tokens there are, without themselves
    List,
    /// End a token; a running gateway refuses it within a second
    Revoke {
        /// Its name or number
        token: String,
    },
}

/// What a token allows.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Allows {
    /// To look
    Read,
    /// To change things as well
    Write,
}

impl TokensCommand {
    /// Runs the command.
    pub fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        block_on(async |tasks| {
            let client = CommandClient::new(global, &tasks)?;
            match self {
                Self::Create { name, scope, days } => {
                    let scope = if matches!(scope, Allows::Read) { "read" } else { "write" }.to_owned();
                    let made: Value = client.call(CommandRequest::CreateToken { name, scope, days }).await?.result;
                    if global.json {
                        output::json(&made);
                    } else {
                        output::line(&output::text(&made, "token"));
                        output::note("It is not kept: put it where the script finds it now.");
                    }
                }
                Self::List => {
                    let rows = client.call::<()>(CommandRequest::ListTokens).await?.rows;
                    list(&client.label(), rows, global.json);
                }
                Self::Revoke { token } => {
                    let name: String = client.call(CommandRequest::RevokeToken { token }).await?.result;
                    output::note(&format!("{name} is revoked."));
                }
            }
            Ok(ExitCode::SUCCESS)
        })
    }
}

fn list(label: &str, tokens: Vec<Value>, as_json: bool) {
    if as_json {
        output::json(&Value::Array(tokens));
        return;
    }
    if tokens.is_empty() {
        output::note(&format!("No tokens in {label} yet: `gangway tokens create NAME` makes one."));
        return;
    }
    let time = |token: &Value, name: &str| {
        let at: Option<Timestamp> = output::text(token, name).parse().ok();
        at.map(|at| format!("{at:.0}"))
    };
    let cells = |token: &Value| {
        let end = match time(token, "expires") {
            None => "-".to_owned(),
            Some(at) if token["expired"] == true => format!("{at} (over)"),
            Some(at) => at,
        };
        let text = |name| output::text(token, name);
        let created = time(token, "created").unwrap_or_default();
        vec![text("id"), text("name"), text("scope"), created, end, text("createdBy")]
    };
    let rows: Vec<Vec<String>> = tokens.iter().map(cells).collect();
    output::table(&["Number", "Name", "Scope", "Made", "Ends", "By"], &rows);
}
