//! `gangway phones check`: compares a phone's entry at the redirect service with the expected one.

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use clap::Args;
use gangway_base::{
    clock::{Clock, SystemClock},
    mac::Mac,
};
use indicatif::{ProgressBar, ProgressDrawTarget};
use jiff::Timestamp;
use serde_json::json;

use crate::{
    cli::{context::CommandContext, output},
    phone::{
        facet::{RedirectState, Wanted},
        record::Phone,
    },
    provision::{commands, migration_progress, transitions::is_checked},
};

/// How long `--wait` waits without progress.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two checks of what the serving process wrote.
const LOOK: Duration = Duration::from_millis(100);

/// Which phones, and how far.
#[derive(Debug, Args)]
pub struct Check {
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

impl Check {
    /// Runs the command.
    pub async fn run(&self, context: &CommandContext, as_json: bool) -> anyhow::Result<ExitCode> {
        let phones = self.phones(context)?;
        let asked = SystemClock.now();
        let target = self.mac.map(|mac| mac.to_string()).unwrap_or_default();
        let deed = match self.repair {
            true => "Register at the redirect service what differs there",
            false => "Compare with the redirect service",
        };
        context.audit(&target, deed).await?;
        for phone in &phones {
            commands::check_redirect(&context.store, phone.id, self.repair, asked)
                .await
                .with_context(|| format!("the record of {} cannot be changed", phone.mac))?;
        }
        print_migration(context);
        if !self.wait {
            output::note(&format!("{} phones; a running gateway asks the redirect service now.", phones.len()));
            return Ok(ExitCode::SUCCESS);
        }
        wait(context, &phones, asked).await?;
        Ok(show(context, &phones, as_json))
    }

    fn phones(&self, context: &CommandContext) -> anyhow::Result<Vec<Arc<Phone>>> {
        let mut phones = context.store.phones().in_instance(context.instance);
        phones.sort_by_key(|phone| phone.mac);
        let Some(mac) = self.mac else {
            phones.retain(|phone| phone.buried.is_none() && phone.wanted == Wanted::Active);
            return Ok(phones);
        };
        phones.retain(|phone| phone.mac == mac && phone.buried.is_none());
        match phones.first() {
            None => bail!("no phone {mac} in {}: `gangway phones list` shows what there is", context.label),
            Some(phone) if phone.wanted != Wanted::Active => {
                bail!("{mac} is not in service ({}), so nothing is kept for it", phone.wanted.text())
            }
            Some(_) => Ok(phones),
        }
    }
}

/// Prints the progress of a bulk move, if there is one.
pub fn print_migration(context: &CommandContext) {
    let moving = migration_progress::moving(&context.store, &context.public_urls(), context.instance);
    if let Some(sentence) = moving.message() {
        output::note(&format!("{sentence}; the others follow by themselves."));
    }
}

async fn wait(context: &CommandContext, phones: &[Arc<Phone>], asked: Timestamp) -> anyhow::Result<()> {
    // Draws only if standard error is a terminal.
    let bar = ProgressBar::with_draw_target(Some(phones.len() as u64), ProgressDrawTarget::stderr());
    let (mut last, mut since) = (usize::MAX, Instant::now());
    loop {
        let roster = context.store.phones();
        let is_open = |phone: &&Arc<Phone>| roster.get(phone.id).is_some_and(|now| !is_checked(&now, asked));
        let open = phones.iter().filter(is_open).count();
        bar.set_position(phones.len().saturating_sub(open) as u64);
        if open == 0 {
            bar.finish_and_clear();
            return Ok(());
        }
        if open < last {
            (last, since) = (open, Instant::now());
        }
        if since.elapsed() > PATIENCE {
            bar.finish_and_clear();
            bail!(
                "{open} of {} phones were not compared within a minute: is `gangway serve` running, and does the \
                 redirect service answer?",
                phones.len()
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn show(context: &CommandContext, phones: &[Arc<Phone>], as_json: bool) -> ExitCode {
    let now: Vec<Arc<Phone>> = phones.iter().filter_map(|phone| context.store.phones().get(phone.id)).collect();
    let is_fine = |phone: &Arc<Phone>| {
        let settled = matches!(phone.redirect.state, RedirectState::Redirected | RedirectState::NotConfigured);
        settled && phone.redirect.error.is_none()
    };
    if as_json {
        let rows = now.iter().map(|phone| {
            json!({
                "mac": phone.mac,
                "state": phone.redirect.state.text(),
                "error": phone.redirect.error,
                "fine": is_fine(phone),
            })
        });
        output::json(&rows.collect());
    } else {
        let rows: Vec<Vec<String>> = now
            .iter()
            .filter(|phone| !is_fine(phone))
            .map(|phone| {
                let error = phone.redirect.error.clone().unwrap_or_default();
                vec![phone.mac.to_string(), phone.redirect.state.text().to_owned(), error]
            })
            .collect();
        if rows.is_empty() {
            output::line(&format!("{} phones compared, all as they should be.", now.len()));
        } else {
            output::table(&["MAC", "Redirect", ""], &rows);
        }
    }
    if now.iter().all(is_fine) { ExitCode::SUCCESS } else { ExitCode::from(1) }
}
