//! `gangway audit`: lists who changed settings or phones, or had a secret shown.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::{
    Global,
    context::{CommandContext, block_on},
    output,
};

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
            let context = CommandContext::open(global, &tasks).await?;
            let rows = context.store.audit_log().entries(context.instance, None, self.count).await?;
            if global.json {
                let rows = rows.iter().map(|row| {
                    json!({
                        "at": row.at.to_string(), "who": row.who, "way": row.way, "source": row.source,
                        "target": row.target, "deed": row.deed,
                    })
                });
                output::json(&rows.collect::<Value>());
                return Ok(ExitCode::SUCCESS);
            }
            let rows: Vec<Vec<String>> = rows
                .into_iter()
                .map(|row| vec![format!("{:.0}", row.at), row.who, row.way, row.source, row.target, row.deed])
                .collect();
            output::table(&["When", "Who", "Way", "From", "What", "Deed"], &rows);
            Ok(ExitCode::SUCCESS)
        })
    }
}
