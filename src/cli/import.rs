//! `gangway phones import`: passes a file of phones to the running gateway, which checks and provisions them.

use std::{io::Read, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;

use super::{command_client::CommandClient, output};
use crate::service::{
    IMPORT_BYTES,
    command::{CommandError, CommandErrorKind, CommandRequest, ImportReport},
    types::LineProblem,
};

/// Which file, and how far.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// A table (CSV): its head line names the columns mac, user and, where needed, name, vendor, password, hwid, pbx,
    /// domain, category; `-` reads standard input
    file: PathBuf,
    /// Only check it
    #[arg(long)]
    dry_run: bool,
    /// Wait until every line is done
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
    /// Category in Devices (id or name) for phones whose line names none
    #[arg(long)]
    category: Option<String>,
    /// Have codes that are valid for 7 days instead of 15 minutes
    #[arg(long)]
    rollout: bool,
}

impl ImportArgs {
    /// Runs the command. The exit code is 1 if a line cannot be imported.
    pub async fn run(&self, client: &CommandClient<'_>, as_json: bool) -> anyhow::Result<ExitCode> {
        let bytes = self.read()?;
        let request = CommandRequest::ImportPhones {
            dry_run: self.dry_run,
            wait: self.wait,
            category: self.category.clone(),
            rollout: self.rollout,
        };
        client.progress_style("{bar:30} {pos} of {len} lines, {eta} to go");
        let report: ImportReport = match client.call_with(request, bytes).await {
            Ok(answer) => answer.result,
            Err(error) => match error.downcast_ref::<CommandError>() {
                Some(rejected) if rejected.kind == CommandErrorKind::Rejected => {
                    bail!("{} is not imported: {rejected}", self.file.display())
                }
                _ => return Err(error),
            },
        };
        if as_json {
            let progress = report.progress.as_ref().map_or_else(|| json!({}), |progress| json!(progress));
            output::json(&json!({ "check": report.check, "import": progress }));
        } else {
            self.tell(&report);
        }
        let bad = report.check.wrong + report.progress.as_ref().map_or(0, |progress| progress.failed);
        Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn read(&self) -> anyhow::Result<zeroize::Zeroizing<Vec<u8>>> {
        let mut bytes = zeroize::Zeroizing::new(Vec::new());
        let limit = IMPORT_BYTES as u64 + 1;
        let what = || format!("{} cannot be read", self.file.display());
        if self.file.as_os_str() == "-" {
            std::io::stdin().take(limit).read_to_end(&mut bytes).context("standard input cannot be read")?;
        } else {
            std::fs::File::open(&self.file)
                .and_then(|file| file.take(limit).read_to_end(&mut bytes))
                .with_context(what)?;
        }
        if bytes.len() as u64 == limit {
            bail!("{} is longer than {} MiB: divide it", self.file.display(), IMPORT_BYTES >> 20);
        }
        Ok(bytes)
    }

    fn tell(&self, report: &ImportReport) {
        let check = &report.check;
        errors(&check.errors);
        if check.truncated {
            output::line("... and more.");
        }
        for name in &check.ignored {
            output::note(&format!("The column '{name}' is ignored."));
        }
        let (good, known, wrong) = (check.good, check.known, check.wrong);
        output::note(&format!("{good} lines can be imported ({known} of them change nothing), {wrong} cannot."));
        let Some(progress) = report.progress.as_ref().filter(|_| !self.dry_run) else {
            output::note("Nothing has been changed.");
            return;
        };
        errors(&progress.errors);
        if self.wait {
            let (changed, unchanged, failed) = (progress.changed, progress.unchanged, progress.failed);
            output::note(&format!("{changed} phones provisioned, {unchanged} unchanged, {failed} failed."));
        } else {
            output::note("The import has begun; `gangway phones list` shows the phones as they come.");
        }
    }
}

/// Prints the errors, line by line.
fn errors(errors: &[LineProblem]) {
    for error in errors {
        let place = if error.field.is_empty() { String::new() } else { format!(", {}", error.field) };
        output::line(&format!("line {}{place}: {}", error.line, error.text.text));
    }
}
