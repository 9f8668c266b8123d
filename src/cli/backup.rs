//! `gangway backup` and `gangway restore`: write and restore backups.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use gangway_base::clock::SystemClock;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::{
    Global,
    command_client::CommandClient,
    context::{block_on, load_config, refuse_foreign_owner, user},
    output,
    passphrase::Passphrase,
};
use crate::service::command::CommandRequest;
use crate::store::{Progress, Restore as Restoring, Restored, Store, finish_restoration};

/// `gangway backup FILE`
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file to write; it must not exist
    file: PathBuf,
    #[command(flatten)]
    passphrase: Passphrase,
}

/// `gangway restore FILE`
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// A backup, or a copy from the directory `backups`; none with --take-over alone, or to end an interrupted restoration
    file: Option<PathBuf>,
    /// Restore into this data directory instead of the configured one
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Take the place of the database that is there; it is kept beside, in `replaced-<time>`
    #[arg(long)]
    replace: bool,
    /// The gateway of the backup is gone for good: this one serves its phones from now on
    #[arg(long)]
    take_over: bool,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl BackupArgs {
    /// Runs the command.
    pub fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let config = load_config(global)?;
        let dir = config.data.dir.clone();
        refuse_foreign_owner(&dir)?;
        ensure!(dir.exists(), "there is no data directory {}: nothing to back up yet", dir.display());
        ensure!(!self.file.exists(), "{} exists already: choose another name", self.file.display());
        let passphrase = self.passphrase.choose()?;
        let contents = block_on(async |tasks| {
            // Audit failed backups too: the user tried to read every secret.
            let file = self.file.display().to_string();
            let client = CommandClient::with(config, None, &tasks);
            client.call::<()>(CommandRequest::RecordBackup { file }).await?;
            let store = open(&dir, &tasks).await?;
            let bar = bar();
            let written = store.back_up(&self.file, &passphrase, |progress| show(&bar, progress)).await;
            bar.finish_and_clear();
            Ok(written?)
        })?;
        if global.json {
            output::json(&json!({ "file": self.file, "contents": contents }));
        } else {
            output::line(&format!(
                "{}: {} phones of {}",
                self.file.display(),
                contents.phones,
                contents.instances.join(", ")
            ));
            output::line("Keep the passphrase somewhere else: without it nobody can use the file, neither can you.");
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl RestoreArgs {
    /// Runs the command.
    pub fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let dir = match &self.dir {
            Some(dir) => dir.clone(),
            None => load_config(global)?.data.dir,
        };
        refuse_foreign_owner(&dir)?;
        let finished = finish_restoration(&dir)?;
        if finished {
            output::note("An interrupted restoration has been brought to its end.");
        }
        let restored = match &self.file {
            Some(_) if finished => bail!("look at the result before restoring once more; then call this again"),
            Some(file) => Some(self.restore(file, &dir)?),
            None if finished || self.take_over => None,
            None => bail!("name the backup to restore: gangway restore FILE"),
        };
        if self.take_over && !take_over(&dir)? && restored.is_none() {
            output::note("This gateway is not passive; there is nothing to take over.");
        }
        if let Some(restored) = restored {
            tell(&restored, &dir, self.take_over, global.json);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn restore(&self, file: &Path, dir: &Path) -> anyhow::Result<Restored> {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let restoring = Restoring {
            file,
            dir,
            credentials: credentials.as_deref(),
            replace: self.replace,
            by: user(),
            clock: Arc::new(SystemClock),
        };
        block_on(async |_tasks| {
            let bar = bar();
            let ask = || bar.suspend(|| self.passphrase.enter()).map_err(|error| format!("{error:#}"));
            let restored = restoring.carry_out(ask, |progress| show(&bar, progress)).await;
            bar.finish_and_clear();
            Ok(restored?)
        })
    }
}

/// Confirms that no other gateway serves these phones. Returns false when the gateway was not passive.
pub fn take_over(dir: &Path) -> anyhow::Result<bool> {
    block_on(async |tasks| {
        let store = open(dir, &tasks).await?;
        let _claim = store.claim()?;
        if store.restoration().is_some_and(|restoration| restoration.taken_over.is_none()) {
            store.audit_log().add_everywhere(&user(), "take over the phones of the restored backup").await?;
        }
        Ok(store.leave_passive().await?)
    })
}

async fn open(dir: &Path, tasks: &gangway_base::tasks::Tasks) -> anyhow::Result<Store> {
    let opened = Store::open(dir, Arc::new(SystemClock), tasks).await;
    opened.with_context(|| format!("the data directory {} cannot be opened", dir.display()))
}

fn bar() -> ProgressBar {
    // Draws only if standard error is a terminal.
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {percent}%") {
        bar.set_style(style);
    }
    bar
}

fn show(bar: &ProgressBar, progress: Progress) {
    match progress {
        Progress::Copying => bar.set_message("copying the database"),
        Progress::Checking => bar.set_message("reading it through"),
        Progress::Bytes(done, all) => {
            bar.set_message("database");
            bar.set_length(all);
            bar.set_position(done);
        }
        Progress::Phones(done, all) => {
            bar.set_message("phones");
            bar.set_length(all);
            bar.set_position(done);
        }
    }
}

fn tell(restored: &Restored, dir: &Path, took_over: bool, as_json: bool) {
    if as_json {
        output::json(&json!({
            "dir": dir, "phones": restored.phones, "tokens_ended": restored.tokens, "made": restored.made, "aside": restored.aside,
            "passive": !took_over, "credential_differs": restored.credential_differs,
        }));
        return;
    }
    output::line(&format!("{} phones as of {:.0} are in {}.", restored.phones, restored.made, dir.display()));
    if let Some(aside) = &restored.aside {
        output::line(&format!("What was there before is in {}.", aside.display()));
    }
    if restored.tokens > 0 {
        output::line(&format!(
            "{} tokens of scripts are ended, as some may have been revoked since: make new ones (gangway tokens create).",
            restored.tokens
        ));
    }
    if restored.credential_differs {
        output::line(
            "The credential gangway-seal.key holds another key: put the lines of seal.key from there into it.",
        );
    }
    output::line(if took_over {
        "It serves them from its next start on. Windows are closed and unused codes forgotten: allow or provision again \
         what had not come by then."
    } else {
        "It is passive: it answers no phone and writes nowhere until `gangway serve --take-over` (once; stop the other \
         gateway for good before that)."
    });
}
