//! `gangway tokens`: manages the API tokens of scripts.

use std::{process::ExitCode, sync::Arc};

use anyhow::bail;
use clap::{Subcommand, ValueEnum};
use gangway_base::clock::{Clock, SharedClock, SystemClock};
use serde_json::{Value, json};

use super::{
    Global,
    context::{CommandContext, block_on, refused},
    output,
};
use crate::service::tokens::{NewTokenForm, create, revoke, token_json};

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
            let context = CommandContext::open(global, &tasks).await?;
            match self {
                Self::Create { name, scope, days } => {
                    let scope = if matches!(scope, Allows::Read) { "read" } else { "write" };
                    let form = NewTokenForm { name, scope: scope.to_owned(), days };
                    let clock: SharedClock = Arc::new(SystemClock);
                    let made = create(&context.store, &clock, &context.person()?, &form).await;
                    let (text, token) = made.map_err(|problem| refused(&problem))?;
                    if global.json {
                        let mut row = token_json(&token, SystemClock.now());
                        row["token"] = json!(text.expose());
                        output::json(&row);
                    } else {
                        output::line(text.expose());
                        output::note("It is not kept: put it where the script finds it now.");
                    }
                }
                Self::List => list(&context, global.json),
                Self::Revoke { token } => {
                    let known = context.store.api_tokens().of(context.instance);
                    let Some(found) = known.iter().find(|one| one.name == token || one.id.to_string() == token) else {
                        bail!("there is no token '{token}': `gangway tokens list` shows what there is");
                    };
                    let revoked = revoke(&context.store, &context.person()?, found.id).await;
                    let name = revoked.map_err(|problem| refused(&problem))?;
                    output::note(&format!("{name} is revoked."));
                }
            }
            Ok(ExitCode::SUCCESS)
        })
    }
}

fn list(context: &CommandContext, as_json: bool) {
    let (tokens, now) = (context.store.api_tokens().of(context.instance), SystemClock.now());
    if as_json {
        output::json(&tokens.iter().map(|token| token_json(token, now)).collect::<Value>());
        return;
    }
    if tokens.is_empty() {
        output::note(&format!("No tokens in {} yet: `gangway tokens create NAME` makes one.", context.label));
        return;
    }
    let rows: Vec<Vec<String>> = tokens
        .iter()
        .map(|token| {
            let end = match token.expires {
                None => "-".to_owned(),
                Some(at) if at <= now => format!("{at:.0} (over)"),
                Some(at) => format!("{at:.0}"),
            };
            let created = format!("{:.0}", token.created);
            vec![
                token.id.to_string(),
                token.name.clone(),
                token.scope.as_str().to_owned(),
                created,
                end,
                token.created_by.clone(),
            ]
        })
        .collect();
    output::table(&["Number", "Name", "Scope", "Made", "Ends", "By"], &rows);
}
