//! `gangway phones check`: compares a phone's entry at the redirect service with the expected one.

use std::process::ExitCode;

use clap::Args;
use gangway_base::mac::Mac;
use serde_json::Value;

use crate::{
    cli::{command_client::CommandClient, output},
    service::command::{CommandRequest, RedirectCheckRow},
};

/// Which phones, and how far.
#[derive(Debug, Args)]
pub struct CheckRedirectArgs {
    /// Its MAC address, in any spelling
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    mac: Option<Mac>,
    /// Every phone in service
    #[arg(long)]
    all: bool,
    /// Register anew what differs or was refused, instead of only showing it
    #[arg(long)]
    repair: bool,
    /// Wait until the serving gateway has asked, and show what differs: exit code 1 when something does
    #[arg(long)]
    wait: bool,
}

impl CheckRedirectArgs {
    /// Runs the command.
    pub(super) async fn run(&self, client: &CommandClient<'_>, as_json: bool) -> anyhow::Result<ExitCode> {
        let request = CommandRequest::CheckRedirect { mac: self.mac, repair: self.repair, wait: self.wait };
        let answer = client.call::<usize>(request).await?;
        if !self.wait {
            output::note(&format!("{} phones; a running gateway asks the redirect service now.", answer.result));
            return Ok(ExitCode::SUCCESS);
        }
        let mut rows: Vec<RedirectCheckRow> = Vec::with_capacity(answer.rows.len());
        for row in &answer.rows {
            rows.push(serde_json::from_value(row.clone())?);
        }
        if as_json {
            output::json(&Value::Array(answer.rows));
        } else {
            print(&rows);
        }
        Ok(if rows.iter().all(|row| row.fine) { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

fn print(phones: &[RedirectCheckRow]) {
    let differing = phones.iter().filter(|phone| !phone.fine);
    let cells = |phone: &RedirectCheckRow| {
        vec![phone.mac.to_string(), phone.state.clone(), phone.error.clone().unwrap_or_default()]
    };
    let rows: Vec<Vec<String>> = differing.map(cells).collect();
    if rows.is_empty() {
        output::line(&format!("{} phones compared, all as they should be.", phones.len()));
    } else {
        output::table(&["MAC", "Redirect", ""], &rows);
    }
}
