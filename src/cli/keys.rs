//! `gangway keys`: manages the key that seals secrets in the database.

use std::{path::Path, process::ExitCode};

use clap::Subcommand;
use serde_json::json;

use super::{
    Global,
    command_client::CommandClient,
    context::{block_on, load_config},
    output,
};
use crate::service::command::{CommandRequest, KeyRotation};

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
        anyhow::ensure!(dir.exists(), "there is no data directory {}: nothing is sealed yet", dir.display());
        block_on(async |tasks| {
            let client = CommandClient::with(config, None, &tasks);
            let rotation: KeyRotation = client.call(CommandRequest::RotateKeys).await?.result;
            tell(&rotation, &dir, global.json);
            Ok(ExitCode::SUCCESS)
        })
    }
}

fn tell(rotation: &KeyRotation, dir: &Path, as_json: bool) {
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
