//! `gangway keys`: manages the key that seals secrets in the database.

use std::{path::Path, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use clap::Subcommand;
use gangway_base::clock::SystemClock;
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::json;

use super::{
    Global,
    context::{block_on, load_config, refuse_foreign_owner, user},
    output,
};
use crate::store::{Rotation, RotationStep, Store};

/// What to do with the key.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a new sealing key, seal everything with it and drop the old one; a running gateway goes on meanwhile
    ///
    /// May be interrupted: called again it goes on where it ended. Copies in the data directory that the old key sealed
    /// are replaced by a fresh one. Backups made with `gangway backup` carry their own key and stay readable.
    Rotate,
}

impl KeysCommand {
    /// Runs the command.
    pub fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let Self::Rotate = self;
        let config = load_config(global)?;
        let dir = config.data.dir.clone();
        refuse_foreign_owner(&dir)?;
        anyhow::ensure!(dir.exists(), "there is no data directory {}: nothing is sealed yet", dir.display());
        block_on(async |tasks| {
            let store = Store::open(&dir, Arc::new(SystemClock), &tasks)
                .await
                .with_context(|| format!("the data directory {} cannot be opened", dir.display()))?;
            store.audit_log().add_everywhere(&user()?, "make a new sealing key").await?;
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let rotation = store
                .rotate_keys(|step| {
                    if let RotationStep::Resealed(done, total) = step {
                        bar.set_length(total);
                        bar.set_position(done);
                    }
                })
                .await
                .context("the sealing key is not rotated; call `gangway keys rotate` again to go on");
            bar.finish_and_clear();
            tell(&rotation?, &dir, global.json);
            Ok(ExitCode::SUCCESS)
        })
    }
}

fn tell(rotation: &Rotation, dir: &Path, as_json: bool) {
    if as_json {
        output::json(&json!({
            "key": rotation.key,
            "resealed": rotation.resealed,
            "was_interrupted": rotation.was_interrupted,
            "old_key_stays": rotation.old_key_stays,
        }));
        return;
    }
    if rotation.was_interrupted {
        output::line("An earlier rotation had been interrupted; it is complete now.");
    }
    output::line(&format!("{} values are sealed with the new key, number {}.", rotation.resealed, rotation.key));
    output::line(&if rotation.old_key_stays {
        "Take the older lines out of the credential gangway-seal.key now: nothing needs them any more.".to_owned()
    } else {
        format!("The old key is gone from {}. `gangway backup FILE` keeps the new one safe.", dir.display())
    });
}
