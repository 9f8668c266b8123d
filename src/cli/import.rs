//! `gangway phones import`: passes a file of phones to the serving gateway, which checks and provisions them.

use std::{
    io::Read,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value, json};

use super::{context::CommandContext, output};
use crate::{
    service::{
        IMPORT_BYTES,
        import_job::{self, ImportJob, ImportJobStatus},
    },
    store::HANDOVER_LIMIT,
};

/// How long the gateway may take to accept the file and to check it.
const PATIENCE: Duration = Duration::from_secs(60);
/// If the file is not accepted within this time, no gateway is running.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);
/// Pause between two checks of what the serving process wrote.
const LOOK: Duration = Duration::from_millis(100);

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
    pub async fn run(&self, context: &CommandContext, as_json: bool) -> anyhow::Result<ExitCode> {
        let bytes = self.read()?;
        let key = uuid::Uuid::new_v4().simple().to_string();
        let asked = ImportJob {
            dry_run: self.dry_run,
            wait: self.wait,
            category: self.category.clone(),
            rollout: self.rollout,
            user: context.user()?,
        };
        import_job::ask(&context.store, context.instance, &key, &bytes, &asked).await?;
        drop(bytes);
        let answer = follow(context, &key).await;
        import_job::forget(&context.store, context.instance, &key).await?;
        let answer = answer?;
        if let Some(reason) = &answer.refused {
            bail!("{} is not imported: {reason}", self.file.display());
        }
        if as_json {
            output::json(&json!({ "check": answer.check, "import": answer.progress }));
        } else {
            self.tell(&answer);
        }
        let bad = count(&answer.check, "wrong") + count(&answer.progress, "failed");
        Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn read(&self) -> anyhow::Result<zeroize::Zeroizing<Vec<u8>>> {
        let mut bytes = zeroize::Zeroizing::new(Vec::new());
        let limit = IMPORT_BYTES.min(HANDOVER_LIMIT) as u64 + 1;
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

    fn tell(&self, answer: &ImportJobStatus) {
        let check = &answer.check;
        errors(check);
        for name in check.get("ignored").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            output::note(&format!("The column '{name}' is ignored."));
        }
        let (good, known, wrong) = (count(check, "good"), count(check, "known"), count(check, "wrong"));
        output::note(&format!("{good} lines can be imported ({known} of them change nothing), {wrong} cannot."));
        if self.dry_run || answer.progress.is_empty() {
            output::note("Nothing has been changed.");
            return;
        }
        errors(&answer.progress);
        if self.wait {
            let done = |name: &str| count(&answer.progress, name);
            let (changed, unchanged, failed) = (done("changed"), done("unchanged"), done("failed"));
            output::note(&format!("{changed} phones provisioned, {unchanged} unchanged, {failed} failed."));
        } else {
            output::note("The import has begun; `gangway phones list` shows the phones as they come.");
        }
    }
}

fn count(of: &Map<String, Value>, name: &str) -> u64 {
    of.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// Prints the errors, line by line.
fn errors(of: &Map<String, Value>) {
    for error in of.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (field, sentence) = (text(&error["field"]), text(&error["text"]["text"]));
        let place = if field.is_empty() { String::new() } else { format!(", {field}") };
        output::line(&format!("line {}{place}: {sentence}", error["line"]));
    }
    if of.get("truncated").is_some_and(|more| more == true) {
        output::line("... and more.");
    }
}

async fn follow(context: &CommandContext, key: &str) -> anyhow::Result<ImportJobStatus> {
    let (store, instance) = (&context.store, context.instance);
    // Draws only if standard error is a terminal.
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} lines, {eta} to go") {
        bar.set_style(style);
    }
    let (mut last, mut since) = (u64::MAX, Instant::now());
    loop {
        let answer = import_job::answered(store, instance, key);
        if let Some(answer) = &answer {
            bar.set_length(count(&answer.progress, "of"));
            bar.set_position(count(&answer.progress, "done"));
            if answer.finished {
                bar.finish_and_clear();
                return Ok(answer.clone());
            }
        }
        let done = answer.as_ref().map_or(0, |answer| count(&answer.progress, "done"));
        if done != last {
            (last, since) = (done, Instant::now());
        }
        if !import_job::is_taken(store, instance, key) && since.elapsed() > TAKEN_WITHIN {
            bail!("no serving gateway took the file, and nothing was imported: is `gangway serve` running?");
        }
        if since.elapsed() > PATIENCE {
            bar.finish_and_clear();
            bail!(
                "nothing went on for a minute; the gateway may still be at it, `gangway phones list` shows what came"
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}
