//! `gangway serve`: runs the gateway.

use std::{path::Path, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use clap::Args;
use gangway_base::clock::{SharedClock, SystemClock};

use super::{
    Global, backup,
    context::{block_on, load_config, refuse_foreign_owner},
};
use crate::{
    app::{Application, lifecycle::Signals},
    base::{config::Config, telemetry},
    net::descriptors::Limit,
    store::Store,
};

/// How to serve.
#[derive(Debug, Args)]
pub struct Serve {
    /// This data was restored from a backup, and the gateway it came from is gone for good: serve its phones. Once is
    /// enough; leave it out of units and scripts
    #[arg(long)]
    take_over: bool,
    /// Begin with an empty database, in which no phone is known, though the data directory tells of an earlier one. Once is
    /// enough; leave it out of units and scripts
    #[arg(long, conflicts_with = "take_over")]
    new_database: bool,
}

impl Serve {
    /// Serves until a signal stops it.
    pub fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let config = load_config(global)?;
        telemetry::init(&config.log)?;
        raise_descriptors();
        refuse_foreign_owner(&config.data.dir)?;
        if self.new_database {
            begin(&config.data.dir)?;
        }
        if self.take_over && backup::take_over(&config.data.dir)? {
            tracing::warn!("this gateway takes over the phones of the backup it was restored from");
        }
        serve(config)
    }
}

/// Raises the soft limit of file descriptors: every phone and every connection needs one, and the limit is usually
/// 1024. If it cannot be raised, the gateway serves with the current limit.
pub(super) fn raise_descriptors() {
    if let Err(error) = Limit::raise() {
        tracing::warn!("{error}");
    }
}

/// Creates the empty database that the administrator requested.
fn begin(dir: &Path) -> anyhow::Result<()> {
    block_on(async |tasks| {
        let begun = Store::begin(dir, Arc::new(SystemClock), &tasks).await;
        begun.with_context(|| format!("no new database is made in {}", dir.display()))
    })?;
    tracing::warn!("this gateway begins with an empty database: no phone is known");
    Ok(())
}

fn serve(config: Config) -> anyhow::Result<ExitCode> {
    actix_rt::System::new().block_on(async {
        let mut signals = Signals::register().context("signals cannot be watched")?;
        let clock: SharedClock = Arc::new(SystemClock);
        let application = Application::build(config, clock).await.context("the gateway does not start")?;
        let (tasks, reload) = (application.tasks(), application.reloader());
        let serving = application.run();
        tokio::pin!(serving);
        let served = tokio::select! {
            served = &mut serving => served,
            _ = signals.until_stop(&tasks, reload) => {
                tasks.ask_to_stop();
                tokio::select! {
                    served = &mut serving => served,
                    () = signals.impatient() => {
                        tracing::warn!("a second signal: stopping at once");
                        return Ok(ExitCode::from(130));
                    }
                }
            }
        };
        served.context("the gateway ended")?;
        Ok(ExitCode::SUCCESS)
    })
}
