//! `gangway audit`: lists who changed settings or phones, or had a secret shown.

use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use serde_json::Value;

use super::{Global, command_client::CommandClient, context::block_on, output};
use crate::service::command::CommandRequest;

/// Lists the newest entries.
#[derive(Debug, Args)]
pub struct Audit {
    /// How many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
}

impl Audit {
    /// Prints the entries, newest first.
    pub fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        block_on(async |tasks| {
            let client = CommandClient::new(global, &tasks)?;
            let answer = client.call::<()>(CommandRequest::ListAudit { count: self.count }).await?;
            if global.json {
                output::json(&Value::Array(answer.rows));
                return Ok(ExitCode::SUCCESS);
            }
            let cells = |row: &Value| {
                let at = output::text(row, "at").parse().map(|at: Timestamp| format!("{at:.0}")).unwrap_or_default();
                let others = ["who", "way", "source", "target", "deed"].map(|name| output::text(row, name));
                [at].into_iter().chain(others).collect()
            };
            let rows: Vec<Vec<String>> = answer.rows.iter().map(cells).collect();
            output::table(&["When", "Who", "Way", "From", "What", "Deed"], &rows);
            Ok(ExitCode::SUCCESS)
        })
    }
}
